/** What this node tells all its peers of its log: what it wrote itself as batches, of the rest how far it has it. */
import { EMPTY_CHAIN } from "../chain.ts";
import { type Envelope, frameBytes } from "../envelope.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Time } from "../time.ts";
import { encodeFrame } from "./frames.ts";
import type { Heads } from "./replication.ts";

export type PublicationsPorts = {
  log: Pick<Log, "origin">;
  time: Pick<Time, "soon">;
  publish(frame: Uint8Array): void;
};

/** Envelopes in one published frame at most. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

export class Publications {
  readonly #self: string;
  readonly #ports: PublicationsPorts;
  /** What this node has committed of every stream. */
  readonly heads: Heads;
  #unsaid: Heads = {};
  #closed = false;

  constructor(self: string, ports: PublicationsPorts, heads: Heads) {
    this.#self = self;
    this.#ports = ports;
    this.heads = { ...heads };
  }

  committed({ envelopes, segments, heads }: Omit<Committed, "cut" | "tookMs">): void {
    const { log, publish } = this.#ports;
    const own = envelopes.filter(({ origin }) => origin === log.origin);
    let follows: string | undefined = this.heads[own[0]?.origin ?? ""]?.chain ?? EMPTY_CHAIN;
    for (const [origin, head] of Object.entries(heads))
      if (head.seq > 0) this.heads[origin] = head;
      else delete this.heads[origin];
    for (const batch of batches(own)) {
      publish(encodeFrame("batch", { id: this.#self, envelopes: batch, follows }));
      follows = undefined;
    }
    if (own.length < envelopes.length || segments.length > 0) this.#sayHeads(heads);
  }

  /** Others' envelopes are stored here too: said once a turn of the loop. */
  #sayHeads(heads: Heads): void {
    if (Object.keys(this.#unsaid).length === 0)
      this.#ports.time.soon(() => {
        if (!this.#closed) this.#ports.publish(encodeFrame("heads", { id: this.#self, heads: this.#unsaid }));
        this.#unsaid = {};
      });
    for (const [origin, head] of Object.entries(heads)) if (head.seq > 0) this.#unsaid[origin] = head;
  }

  close(): void {
    this.#closed = true;
  }
}

function* batches(envelopes: readonly Envelope[]): Generator<Envelope[]> {
  let batch: Envelope[] = [];
  let bytes = 0;
  for (const envelope of envelopes) {
    batch.push(envelope);
    bytes += frameBytes(envelope);
    if (batch.length < MAX_BATCH && bytes < MAX_BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
