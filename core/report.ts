/** What a node says of itself: to its plugins, to whoever probes it, and to Prometheus. */
import type { BlobFiles } from "./blobs/files.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Committed, Log } from "./log/log.ts";
import { Metrics } from "./metrics.ts";
import type { NodeFigures } from "./plugin.ts";
import type { Hook } from "./plugins/calls/calls.ts";
import type { Faults } from "./plugins/faults.ts";
import type { Registry } from "./registry.ts";
import { Vitals } from "./vitals.ts";

export type Self = { id: string; name: string; version: string };

export type ReportParts = {
  self: Self;
  registry: Registry;
  faults: Pick<Faults, "list">;
  log: Log;
  blobs: Pick<BlobFiles, "usage">;
  isBusOpen: boolean;
  cluster: () => Cluster;
  /** How many are connected. */
  clients: () => number;
  /** Bytes that wait for them: for all, and for the one with the most. */
  backlog: () => { total: number; most: number };
  /** How many files they are sending. */
  uploads: () => number;
};

export class Report {
  readonly #parts: ReportParts;
  readonly #vitals = new Vitals();
  readonly #metrics: Metrics;

  constructor(parts: ReportParts) {
    const { log, blobs, cluster, clients, backlog, uploads } = parts;
    this.#parts = parts;
    this.#metrics = new Metrics({
      clients,
      backlog,
      peersUp: () =>
        cluster()
          .peers()
          .filter(({ up }) => up).length,
      waiting: () => log.waiting,
      drafts: () => log.drafts,
      walBytes: () => log.walBytes,
      cluster: () => cluster().queues,
      lagMs: () => this.#vitals.lagMs,
      blobs: () => blobs.usage,
      uploads,
      missingBlobs: () => cluster().missingBlobs,
    });
  }

  /** Whether it has caught up with its cluster, and keeps what it is given. */
  get isReady(): boolean {
    return this.#parts.cluster().isReady && this.#parts.log.isSound;
  }

  /** What plugins are told. */
  figures(): NodeFigures {
    const { self, registry, faults, isBusOpen, cluster, clients } = this.#parts;
    const { startedAt, messagesPerSecond, lagMs } = this.#vitals;
    return {
      ...self,
      startedAt,
      clients: clients(),
      messagesPerSecond,
      rssBytes: process.memoryUsage.rss(),
      lagMs,
      busOpen: isBusOpen,
      types: registry.versions(),
      faults: faults.list(),
      peers: cluster().peers(),
    };
  }

  /** What `/healthz` says. */
  health(): object {
    const { self, registry, cluster } = this.#parts;
    return {
      ok: true,
      version: self.version,
      node: self,
      ready: this.isReady,
      peers: cluster().peers(),
      types: registry.versions(),
    };
  }

  async metrics(): Promise<{ type: string; text: string }> {
    return { type: this.#metrics.contentType, text: await this.#metrics.text() };
  }

  /** A figure more for Prometheus. */
  gauge(name: string, help: string, read: () => number): void {
    this.#metrics.gauge(name, help, read);
  }

  count(what: "received" | "refused" | "delivered" | "cut", amount: number): void {
    this.#metrics.count(what, amount);
    if (what === "received") this.#vitals.received(amount);
  }

  pluginFailed(type: string, hook: Hook): void {
    this.#metrics.pluginFailed(type, hook);
  }

  pluginSlow(type: string, hook: Hook, ms: number): void {
    this.#metrics.pluginSlow(type, hook, ms);
  }

  committed({ envelopes, segments, tookMs }: Committed): void {
    const count = segments.reduce((sum, { count }) => sum + count, envelopes.length);
    this.#metrics.committed(count, tookMs);
  }

  /** Once a second. */
  tick(): void {
    this.#vitals.tick();
  }

  close(): void {
    this.#vitals.close();
  }
}
