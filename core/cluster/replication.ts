/**
 * Anti-entropy of the log: every node ends with every origin's stream, applied strictly in its order. Has no socket, clock
 * or timer of its own. Live batches are hints; heads say what there is; holes are pulled from any peer that holds them.
 */
import { countPacked, type Envelope, isGenuine } from "../envelope.ts";
import type { Head, Log } from "../log/log.ts";

export type Heads = Record<string, Head>;

export type ReplicationPorts = {
  log: Pick<Log, "append" | "take" | "stream">;
  /** Asks a peer for what follows `after` in a stream. */
  pull(peer: string, origin: string, after: number): void;
  /** Milliseconds; only differences count. */
  now(): number;
  /** Something is missing: `tick` is to be called from now on, until it returns false. */
  missing(): void;
  warn(what: string, details: Record<string, unknown>): void;
};

/** What this node has of one stream. */
type Stream = {
  /** Committed here. */
  seq: number;
  /** Handed to the log, committed or about to be. */
  queued: number;
  /** Came before what precedes it. */
  ahead: Map<number, Envelope>;
  /** The request under way. */
  pull: { peer: string; after: number; at: number } | undefined;
  /** Since when something is known to be missing. */
  missingSince: number | undefined;
  /** Peers whose answers brought nothing, and until when they are not asked again. */
  shunned: Map<string, number>;
  /** Requests made: spreads them over the holders, without chance, so that a run can be repeated. */
  asked: number;
  /** How many times it had to begin again behind what is committed. */
  begun: number;
};

/** A hole this young may be a live batch still on its way. */
const HOLE_GRACE_MS = 50;
const PULL_TIMEOUT_MS = 2_000;
const SHUN_MS = 3_000;
/** Envelopes kept because they came too early, for each stream. */
const MAX_AHEAD = 512;
/** Envelopes handed to the log and not committed yet, for each stream: beyond it pulling waits. */
const MAX_IN_FLIGHT = 4_096;
/** Bytes of what peers were asked for, or sent, and what is not committed yet, for all streams together. */
const MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024;

export const PULL_MAX_COUNT = 1_000;
export const PULL_MAX_BYTES = 512 * 1024;

export class Replication {
  readonly #ports: ReplicationPorts;
  readonly #streams = new Map<string, Stream>();
  /** How far each peer that is up has each stream. */
  readonly #holders = new Map<string, Map<string, number>>();
  /** Bytes that were pulled and are not committed yet, and requests under way. */
  #pulledBytes = 0;
  #pulls = 0;

  constructor(ports: ReplicationPorts, heads: Heads) {
    this.#ports = ports;
    for (const [origin, { seq }] of Object.entries(heads)) this.#stream(origin, seq);
  }

  #stream(origin: string, seq = 0): Stream {
    let stream = this.#streams.get(origin);
    if (!stream) {
      stream = {
        seq,
        queued: seq,
        ahead: new Map(),
        pull: undefined,
        missingSince: undefined,
        shunned: new Map(),
        asked: 0,
        begun: 0,
      };
      this.#streams.set(origin, stream);
    }
    return stream;
  }

  /** A commit moved these streams on, own and others'. */
  committed(heads: Heads): void {
    for (const [origin, { seq }] of Object.entries(heads)) {
      const stream = this.#stream(origin);
      stream.seq = Math.max(stream.seq, seq);
      stream.queued = Math.max(stream.queued, seq);
      // An import may have brought what was waited for.
      for (const early of stream.ahead.keys()) if (early <= stream.queued) stream.ahead.delete(early);
      this.#seek(origin, stream, HOLE_GRACE_MS);
    }
  }

  /** A peer says how far it has each stream. `comparing`: at once, without waiting for batches that may be on their way. */
  heard(peer: string, heads: Heads, comparing = false): void {
    const held = this.#holders.get(peer) ?? new Map<string, number>();
    this.#holders.set(peer, held);
    for (const [origin, { seq }] of Object.entries(heads)) {
      held.set(origin, Math.max(held.get(origin) ?? 0, seq));
      const stream = this.#stream(origin);
      if (seq <= stream.queued) continue;
      this.#miss(stream);
      if (comparing) this.#seek(origin, stream, 0);
    }
  }

  /** A peer's live batch. */
  live(peer: string, envelopes: readonly Envelope[]): void {
    for (const [origin, batch] of byOrigin(envelopes)) {
      const last = batch.at(-1) as Envelope;
      const held = this.#holders.get(peer);
      held?.set(origin, Math.max(held.get(origin) ?? 0, last.seq));
      const stream = this.#stream(origin);
      this.#apply(stream, batch, peer);
      if (stream.ahead.size > 0) this.#seek(origin, stream, 0);
    }
  }

  /** A peer's answer to `pull`, still packed. Throws `Reject` where it is no array. */
  pulled(peer: string, origin: string, packed: Uint8Array): void {
    const stream = this.#stream(origin);
    if (stream.pull?.peer !== peer) return;
    const last = stream.pull.after + countPacked(packed);
    // What it does not have after all is asked of somebody else.
    if (last === stream.pull.after) this.#shun(stream, peer);
    this.#endPull(stream);
    if (last > stream.queued) {
      stream.queued = last;
      void this.#take(origin, stream, packed, peer);
      for (const early of stream.ahead.keys()) if (early <= last) stream.ahead.delete(early);
      this.#apply(stream, [], peer);
    }
    this.#seek(origin, stream, 0);
  }

  #shun(stream: Stream, peer: string): void {
    stream.shunned.set(peer, this.#ports.now() + SHUN_MS);
  }

  #endPull(stream: Stream): void {
    if (stream.pull) this.#pulls--;
    stream.pull = undefined;
  }

  /** What a peer asked for, packed. */
  answer(origin: string, after: number): Promise<Uint8Array> {
    return this.#ports.log.stream(origin, after, PULL_MAX_COUNT, PULL_MAX_BYTES);
  }

  /** A peer is down: nothing can be asked of it. */
  lost(peer: string): void {
    this.#holders.delete(peer);
    for (const [origin, stream] of this.#streams) {
      if (stream.pull?.peer !== peer) continue;
      this.#endPull(stream);
      this.#seek(origin, stream, 0);
    }
  }

  /** Asks again for what did not come; false where nothing is missing. Called a few times a second while something is. */
  tick(): boolean {
    const now = this.#ports.now();
    let missing = false;
    for (const [origin, stream] of this.#streams) {
      if (stream.pull && now - stream.pull.at > PULL_TIMEOUT_MS) {
        this.#shun(stream, stream.pull.peer);
        this.#endPull(stream);
      }
      this.#seek(origin, stream, HOLE_GRACE_MS);
      missing ||= stream.missingSince !== undefined;
    }
    return missing;
  }

  /** Envelopes that this peer still lacks, of those that are committed here. */
  behind(peer: string): number {
    const held = this.#holders.get(peer);
    let behind = 0;
    for (const [origin, { seq }] of this.#streams) behind += Math.max(0, seq - (held?.get(origin) ?? 0));
    return behind;
  }

  /** Whether everything that the peers were heard to hold is committed here. */
  get settled(): boolean {
    for (const held of this.#holders.values())
      for (const [origin, seq] of held) if ((this.#streams.get(origin)?.seq ?? 0) < seq) return false;
    return true;
  }

  /** Hands to the log what continues the stream, keeps what is ahead of it, drops what is there already. */
  #apply(stream: Stream, envelopes: readonly Envelope[], peer: string): void {
    const next: Envelope[] = [];
    for (const envelope of envelopes) {
      if (envelope.seq <= stream.queued || stream.ahead.has(envelope.seq)) continue;
      if (!isGenuine(envelope)) {
        this.#ports.warn("a peer sent an envelope whose content does not match its hash", { peer, id: envelope.id });
        break;
      }
      if (envelope.seq === stream.queued + 1) take(envelope);
      else if (stream.ahead.size < MAX_AHEAD) stream.ahead.set(envelope.seq, envelope);
    }
    for (let early = stream.ahead.get(stream.queued + 1); early; early = stream.ahead.get(stream.queued + 1)) {
      stream.ahead.delete(early.seq);
      take(early);
    }
    if (next.length > 0) void this.#commit(stream, next, peer);

    function take(envelope: Envelope) {
      next.push(envelope);
      stream.queued = envelope.seq;
    }
  }

  async #take(origin: string, stream: Stream, packed: Uint8Array, peer: string): Promise<void> {
    const { begun } = stream;
    this.#pulledBytes += packed.byteLength;
    try {
      const { refused: why } = await this.#ports.log.take({ origin, packed });
      if (why === undefined || begun !== stream.begun) return;
      this.#ports.warn("a peer sent an envelope that does not fit", { peer, why });
      this.#shun(stream, peer);
      this.#beginAgain(stream);
    } catch (error) {
      this.#ports.warn("a peer's envelopes could not be stored", { peer, why: (error as Error).message });
      if (begun === stream.begun) this.#beginAgain(stream);
    } finally {
      this.#pulledBytes -= packed.byteLength;
      for (const [origin, stream] of this.#streams) this.#seek(origin, stream, HOLE_GRACE_MS);
    }
  }

  async #commit(stream: Stream, envelopes: Envelope[], peer: string): Promise<void> {
    const { begun } = stream;
    try {
      const outcomes = await this.#ports.log.append(envelopes);
      const refused = outcomes.find(outcome => outcome.status === "refused");
      if (!refused) return;
      this.#ports.warn("a peer sent an envelope that does not fit", { peer, why: refused.message });
    } catch (error) {
      this.#ports.warn("a peer's envelopes could not be stored", { peer, why: (error as Error).message });
    }
    if (begun === stream.begun) this.#beginAgain(stream);
  }

  /** Begins again behind what is committed; the next tick asks for the rest. What was handed to the log since is void. */
  #beginAgain(stream: Stream): void {
    stream.begun++;
    this.#endPull(stream);
    stream.queued = stream.seq;
    stream.ahead.clear();
    stream.missingSince = undefined;
    this.#miss(stream);
  }

  #miss(stream: Stream): void {
    if (stream.missingSince !== undefined) return;
    stream.missingSince = this.#ports.now();
    this.#ports.missing();
  }

  /** Starts a pull where something has been missing for `graceMs` and a peer that is up holds it. */
  #seek(origin: string, stream: Stream, graceMs: number): void {
    const now = this.#ports.now();
    const holders = [...this.#holders].flatMap(([peer, held]) =>
      (held.get(origin) ?? 0) > stream.queued ? [peer] : [],
    );
    if (holders.length === 0) {
      stream.missingSince = undefined;
      return;
    }
    this.#miss(stream);
    const isFull =
      stream.queued - stream.seq >= MAX_IN_FLIGHT ||
      this.#pulledBytes + this.#pulls * PULL_MAX_BYTES >= MAX_IN_FLIGHT_BYTES;
    if (stream.pull || isFull || now - (stream.missingSince ?? now) < graceMs) return;
    for (const [peer, until] of stream.shunned) if (until <= now) stream.shunned.delete(peer);
    const willing = holders.filter(peer => !stream.shunned.has(peer));
    const peer = willing[stream.asked++ % willing.length];
    if (peer === undefined) return;
    stream.pull = { peer, after: stream.queued, at: now };
    this.#pulls++;
    this.#ports.pull(peer, origin, stream.queued);
  }
}

function byOrigin(envelopes: readonly Envelope[]): Map<string, Envelope[]> {
  const streams = new Map<string, Envelope[]>();
  for (const envelope of envelopes) {
    const stream = streams.get(envelope.origin);
    if (stream) stream.push(envelope);
    else streams.set(envelope.origin, [envelope]);
  }
  return streams;
}
