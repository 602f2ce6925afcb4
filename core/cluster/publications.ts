/**
 * What this node tells all its peers of its log: what it wrote itself as batches, of the rest how far it has it. While no peer
 * is up nothing is made: who comes compares all.
 */
import { EMPTY_CHAIN } from "../chain.ts";
import { type Envelope, frameBytes } from "../envelope.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import { encodeFrame } from "./frames.ts";
import type { Heads } from "./replication.ts";

export type PublicationsPorts = {
  log: Pick<Log, "origin">;
  time: Pick<Time, "soon" | "after" | "elapsed">;
  /** Peers that are up. */
  peers(): number;
  publish(frame: Uint8Array): void;
};

/** Envelopes in one published frame at most. ZeroMQ bounds what waits for a peer by the number of frames. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 256 * 1024;
/** Each peer hears how far each other one is: the more there are, the less often one of them says it. */
const HEADS_MS_A_PEER = 1;

export class Publications {
  readonly #self: string;
  readonly #ports: PublicationsPorts;
  /** What this node has committed of every stream. */
  readonly heads: Heads;
  #unsaid: Heads = {};
  #saidAt = Number.NEGATIVE_INFINITY;
  #saying: Cancel | undefined;
  #isSayingSoon = false;
  #closed = false;

  constructor(self: string, ports: PublicationsPorts, heads: Heads) {
    this.#self = self;
    this.#ports = ports;
    this.heads = { ...heads };
  }

  committed({ envelopes, segments, heads }: Omit<Committed, "cut" | "tookMs">): void {
    const { log, publish, peers } = this.#ports;
    const own = envelopes.filter(({ origin }) => origin === log.origin);
    let follows: string | undefined = this.heads[own[0]?.origin ?? ""]?.chain ?? EMPTY_CHAIN;
    for (const [origin, head] of Object.entries(heads))
      if (head.seq > 0) this.heads[origin] = head;
      else delete this.heads[origin];
    if (peers() === 0) return;
    for (const batch of batches(own)) {
      publish(encodeFrame("batch", { id: this.#self, envelopes: batch, follows }));
      follows = undefined;
    }
    if (own.length < envelopes.length || segments.length > 0) this.#sayHeads(heads);
  }

  /** Others' envelopes are stored here too: said after this turn of the loop, unless something was said a moment ago. */
  #sayHeads(heads: Heads): void {
    for (const [origin, head] of Object.entries(heads)) if (head.seq > 0) this.#unsaid[origin] = head;
    if (this.#isSayingSoon || this.#saying) return;
    const { time, peers } = this.#ports;
    const waitMs = this.#saidAt + peers() * HEADS_MS_A_PEER - time.elapsed();
    if (waitMs > 0) this.#saying = time.after(waitMs, () => this.#say());
    else {
      this.#isSayingSoon = true;
      time.soon(() => this.#say());
    }
  }

  #say(): void {
    this.#isSayingSoon = false;
    this.#saying = undefined;
    this.#saidAt = this.#ports.time.elapsed();
    if (!this.#closed) this.#ports.publish(encodeFrame("heads", { id: this.#self, heads: this.#unsaid }));
    this.#unsaid = {};
  }

  close(): void {
    this.#closed = true;
    this.#saying?.();
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
