/** What a node counts, in Prometheus' text form. One registry a node: two in one process share nothing. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { QUEUE_METRICS, type Queues } from "./cluster/queues.ts";

export type Gauges = {
  clients(): number;
  peersUp(): number;
  waiting(): number;
  drafts(): { waiting: number; oldestMs: number; limit: number; refused: number };
  walBytes(): number;
  cluster(): Queues;
  lagMs(): number;
  blobs(): { files: number; bytes: number };
  uploads(): number;
  missingBlobs(): number;
  backlog(): { total: number; most: number };
};

export class Metrics {
  readonly #registry = new Registry();
  readonly #received = this.#counter("chat_messages_received_total", "Messages that clients sent and plugins accepted");
  readonly #refused = this.#counter("chat_requests_refused_total", "Requests of clients that were refused");
  readonly #delivered = this.#counter("chat_deliveries_total", "Log messages handed to clients, one a client");
  readonly #cut = this.#counter("chat_slow_clients_cut_total", "Clients cut off because they read too slowly");
  readonly #committed = this.#counter("chat_envelopes_committed_total", "Envelopes committed to this node's log");
  readonly #pluginFailures = new Counter({
    name: "chat_plugin_failures_total",
    help: "Calls into plugins that threw what is no refusal, or returned what they should not",
    labelNames: ["type", "hook"],
    registers: [this.#registry],
  });
  readonly #pluginSlow = new Histogram({
    name: "chat_plugin_slow_seconds",
    help: "Time of those calls into plugins that kept the node waiting for more than 50 ms",
    labelNames: ["type", "hook"],
    buckets: [0.1, 0.2, 0.5, 1, 2, 5],
    registers: [this.#registry],
  });
  readonly #commits = new Histogram({
    name: "chat_commit_seconds",
    help: "Time of a commit, sync to disk included",
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
    registers: [this.#registry],
  });

  constructor(gauges: Gauges) {
    this.#gauge("chat_clients", "Sessions connected to this node", gauges.clients);
    this.#gauge("chat_client_buffered_bytes", "Bytes that wait for clients to read them", () => gauges.backlog().total);
    this.#gauge(
      "chat_client_buffered_bytes_max",
      "Bytes that wait for the client that most bytes wait for",
      () => gauges.backlog().most,
    );
    this.#gauge("chat_peers_up", "Peers that are up", gauges.peersUp);
    this.#gauge("chat_log_waiting", "Envelopes that wait for a commit", gauges.waiting);
    this.#gauge("chat_drafts_waiting", "Own messages that wait for their commit", () => gauges.drafts().waiting);
    this.#gauge(
      "chat_drafts_waiting_seconds",
      "For how long the first of them has waited",
      () => gauges.drafts().oldestMs / 1_000,
    );
    this.#gauge(
      "chat_drafts_limit",
      "Own messages that may wait now; more are refused as overloaded",
      () => gauges.drafts().limit,
    );
    this.#gauge(
      "chat_drafts_refused",
      "Own messages refused as overloaded, since the start",
      () => gauges.drafts().refused,
    );
    this.#gauge("chat_wal_bytes", "Size of the log's write-ahead log", gauges.walBytes);
    for (const queue of Object.keys(QUEUE_METRICS) as (keyof Queues)[])
      this.#gauge(...QUEUE_METRICS[queue], () => gauges.cluster()[queue]);
    this.#gauge(
      "chat_event_loop_lag_seconds",
      "Delay of the event loop, 99th percentile",
      () => gauges.lagMs() / 1_000,
    );
    this.#gauge("chat_blobs", "Blobs that this node holds", () => gauges.blobs().files);
    this.#gauge("chat_blob_bytes", "Size of the blobs that this node holds", () => gauges.blobs().bytes);
    this.#gauge(
      "chat_blobs_missing",
      "Blobs that are to be fetched from peers, those known so far",
      gauges.missingBlobs,
    );
    this.#gauge("chat_uploads", "Blobs that clients are sending", gauges.uploads);
    this.#gauge("chat_resident_memory_bytes", "Resident memory of the process", () => process.memoryUsage.rss());
  }

  count(what: "received" | "refused" | "delivered" | "cut", amount: number): void {
    ({ received: this.#received, refused: this.#refused, delivered: this.#delivered, cut: this.#cut })[what].inc(
      amount,
    );
  }

  pluginFailed(type: string, hook: string): void {
    this.#pluginFailures.inc({ type, hook });
  }

  pluginSlow(type: string, hook: string, ms: number): void {
    this.#pluginSlow.observe({ type, hook }, ms / 1_000);
  }

  committed(envelopes: number, tookMs: number): void {
    this.#committed.inc(envelopes);
    this.#commits.observe(tookMs / 1_000);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] });
  }

  /** One more figure, which is read whenever somebody asks. */
  gauge(name: string, help: string, read: () => number): void {
    this.#gauge(name, help, read);
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}
