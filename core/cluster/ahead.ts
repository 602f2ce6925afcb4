/** What came of one stream before what precedes it: kept, so that a batch that was overtaken is all that is asked for. */
import { type Envelope, frameBytes } from "../envelope.ts";

/** Bytes that all streams together keep. */
export type Room = { bytes: number };

/** Envelopes kept for each stream. */
const MAX_AHEAD = 512;
/** Bytes kept, of all streams. */
const MAX_AHEAD_BYTES = 64 * 1024 * 1024;

export class Ahead {
  readonly #kept = new Map<number, Envelope>();
  readonly #all: Room;

  /** `all` is shared by all streams. */
  constructor(all: Room) {
    this.#all = all;
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  has(seq: number): boolean {
    return this.#kept.has(seq);
  }

  /** Returns what is kept of it, a copy; undefined where there is no room. */
  keep(envelope: Envelope): Envelope | undefined {
    const bytes = frameBytes(envelope);
    if (this.#kept.size >= MAX_AHEAD || this.#all.bytes + bytes > MAX_AHEAD_BYTES) return undefined;
    const kept = compact(envelope);
    this.#kept.set(envelope.seq, kept);
    this.#all.bytes += bytes;
    return kept;
  }

  /** Keeps it no longer. */
  take(seq: number): Envelope | undefined {
    const early = this.#kept.get(seq);
    if (early && this.#kept.delete(seq)) this.#all.bytes -= frameBytes(early);
    return early;
  }

  drop(upTo = Number.POSITIVE_INFINITY): void {
    for (const seq of [...this.#kept.keys()]) if (seq <= upTo) this.take(seq);
  }
}

/** Without the frame that it came in, which may be larger by far. */
function compact(envelope: Envelope): Envelope {
  const { body, salt, contentHash, extra } = envelope;
  const copy = (bytes: Uint8Array | null) => bytes && new Uint8Array(bytes);
  return {
    ...envelope,
    body: copy(body),
    salt: copy(salt),
    contentHash: new Uint8Array(contentHash),
    extra: copy(extra),
  };
}
