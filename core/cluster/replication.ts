/**
 * Anti-entropy of the log: every node ends with every origin's stream, applied strictly in its order. Has no socket, clock
 * or timer of its own. Live batches are hints; heads say what there is; holes are pulled from any peer that holds them.
 */
import { EMPTY_CHAIN, hashChain } from "../chain.ts";
import { countPacked, type Envelope, isGenuine } from "../envelope.ts";
import type { Head, Log, Segment } from "../log/log.ts";
import { Ahead } from "./ahead.ts";
import type { Early } from "./early.ts";
import { Handed } from "./handed.ts";
import { PULL_MAX_BYTES, PULL_MAX_COUNT, Pulls } from "./pulls.ts";

export type Heads = Record<string, Head>;

export type ReplicationPorts = {
  log: Pick<Log, "append" | "take" | "stream" | "origin">;
  /** Hears of what is about to be committed. */
  early: Pick<Early, "handed" | "committed" | "failed">;
  /** Asks a peer for what follows `after` in a stream. */
  pull(peer: string, origin: string, after: number): void;
  /** A peer has another running hash than this node at the end of what this node has of a stream. */
  differs(peer: string, origin: string, head: Head): void;
  /** A peer has more of this node's own stream than this node. */
  outgrown(origin: string): void;
  /** Milliseconds; only differences count. */
  now(): number;
  /** Something is missing: `tick` is to be called from now on, until it returns false. */
  missing(): void;
  warn(what: string, details: Record<string, unknown>): void;
};

/** What this node has of one stream. */
type Stream = {
  /** Committed here, and the running hash there. */
  seq: number;
  chain: string;
  /** Handed to the log, committed or about to be. */
  queued: number;
  /** Came before what precedes it. */
  ahead: Ahead;
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
/** Envelopes handed to the log and not committed yet, for each stream: beyond it pulling waits. */
const MAX_IN_FLIGHT = 4_096;
/** Streams of which nothing has come yet, for each peer that says it has them, and of all. */
const MAX_UNSEEN = 1_024;
const MAX_ALL_UNSEEN = 8_192;

export class Replication {
  readonly #ports: ReplicationPorts;
  readonly #streams = new Map<string, Stream>();
  /** How far each peer that is up has each stream. */
  readonly #holders = new Map<string, Map<string, number>>();
  readonly #pulls = new Pulls();
  readonly #handed = new Handed();
  /** The running hashes before envelopes that came, as far as they were told. */
  readonly #before = new WeakMap<Envelope, string>();
  readonly #aheadOfAll = { bytes: 0 };

  constructor(ports: ReplicationPorts, heads: Heads) {
    this.#ports = ports;
    for (const [origin, head] of Object.entries(heads)) this.#stream(origin, head);
  }

  #stream(origin: string, { seq, chain }: Head = { seq: 0, chain: EMPTY_CHAIN }): Stream {
    let stream = this.#streams.get(origin);
    if (!stream) {
      stream = {
        seq,
        chain,
        queued: seq,
        ahead: new Ahead(this.#aheadOfAll),
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

  /** A commit moved these streams on, own and others'; those of `cut` end earlier than before. */
  committed(heads: Heads, cut: readonly string[] = []): void {
    for (const [origin, { seq, chain }] of Object.entries(heads)) {
      const stream = this.#stream(origin);
      Object.assign(stream, { seq, chain });
      this.#ports.early.committed(origin, seq, cut.includes(origin));
      if (cut.includes(origin)) this.#wasCut(stream);
      stream.queued = Math.max(stream.queued, seq);
      // An import may have brought what was waited for.
      stream.ahead.drop(stream.queued);
      this.#seek(origin, stream, HOLE_GRACE_MS);
    }
  }

  /** What was handed to the log continues a branch that is no more; whoever was of no use for it may be for the other. */
  #wasCut(stream: Stream): void {
    stream.shunned.clear();
    this.#beginAgain(stream);
  }

  /**
   * A peer says how far it has these streams, or all that it has. `comparing`: at once, without waiting for batches that may
   * be on their way.
   */
  heard(peer: string, heads: Heads, { comparing = false, all = false } = {}): void {
    const held = (!all && this.#holders.get(peer)) || new Map<string, number>();
    this.#holders.set(peer, held);
    let room = this.#roomFor(held);
    for (const [origin, { seq, chain }] of Object.entries(heads)) {
      if (!this.#streams.has(origin) && room-- <= 0) continue;
      held.set(origin, seq);
      const stream = this.#stream(origin);
      if (seq === stream.seq && chain !== stream.chain) this.#ports.differs(peer, origin, { seq, chain: stream.chain });
      if (seq <= stream.queued) continue;
      if (origin === this.#ports.log.origin) this.#ports.outgrown(origin);
      this.#miss(stream);
      if (comparing) this.#seek(origin, stream, 0);
    }
  }

  /** How many streams more a peer may make known by its word alone. */
  #roomFor(held: ReadonlyMap<string, number>): number {
    const isUnseen = (origin: string) => (this.#streams.get(origin)?.queued ?? 0) === 0;
    if (this.#streams.size >= MAX_ALL_UNSEEN) this.#forgetUnheld();
    const ofAll = this.#streams.size < MAX_ALL_UNSEEN ? 0 : [...this.#streams.keys()].filter(isUnseen).length;
    const ofPeer = held.size < MAX_UNSEEN ? held.size : [...held.keys()].filter(isUnseen).length;
    return Math.min(MAX_UNSEEN - ofPeer, MAX_ALL_UNSEEN - ofAll);
  }

  /** A stream that nobody says he has, and of which nothing came, was only ever somebody's word. */
  #forgetUnheld(): void {
    const held = new Set([...this.#holders.values()].flatMap(streams => [...streams.keys()]));
    for (const [origin, stream] of this.#streams) {
      const { queued, seq, ahead } = stream;
      if (queued > 0 || seq > 0 || !ahead.isEmpty || held.has(origin)) continue;
      this.#endPull(stream);
      this.#streams.delete(origin);
    }
  }

  /** A peer's live batch, and the running hash before it. */
  live(peer: string, envelopes: readonly Envelope[], follows?: string): void {
    this.#precede(envelopes, follows);
    const room = this.#roomFor(new Map());
    for (const [origin, batch] of byOrigin(envelopes)) {
      // Nobody else writes this node's stream.
      if (origin === this.#ports.log.origin || (room <= 0 && !this.#streams.has(origin))) continue;
      const last = batch.at(-1) as Envelope;
      const held = this.#holders.get(peer);
      held?.set(origin, Math.max(held.get(origin) ?? 0, last.seq));
      const stream = this.#stream(origin);
      this.#apply(stream, batch, peer);
      if (!stream.ahead.isEmpty) this.#seek(origin, stream, 0);
    }
  }

  /** Remembers the running hash before the first envelope that is not here yet: what is skipped may be of another branch. */
  #precede(envelopes: readonly Envelope[], follows: string | undefined): void {
    for (const envelope of envelopes) {
      if (follows === undefined) return;
      if (envelope.seq > (this.#streams.get(envelope.origin)?.queued ?? 0)) {
        this.#before.set(envelope, follows);
        return;
      }
      follows = hashChain(follows, envelope);
    }
  }

  /** A peer's answer to `pull`, still packed, and the running hash before it. Throws `Reject` where it is no array. */
  pulled(peer: string, origin: string, packed: Uint8Array, follows?: string): void {
    const stream = this.#streams.get(origin);
    if (stream?.pull?.peer !== peer) return;
    const last = stream.pull.after + countPacked(packed);
    // What it does not have after all is asked of somebody else.
    if (last === stream.pull.after) this.#shun(stream, peer);
    this.#endPull(stream);
    if (last > stream.queued) {
      stream.queued = last;
      void this.#take(stream, { origin, packed, follows }, last, peer);
      stream.ahead.drop(last);
      this.#apply(stream, [], peer);
    }
    this.#seek(origin, stream, 0);
  }

  #shun(stream: Stream, peer: string): void {
    stream.shunned.set(peer, this.#ports.now() + SHUN_MS);
  }

  #endPull(stream: Stream): void {
    if (stream.pull) this.#pulls.ended(stream.pull.peer);
    stream.pull = undefined;
  }

  /** What a peer asked for, packed, and the running hash before it. */
  answer(origin: string, after: number): ReturnType<Log["stream"]> {
    return this.#ports.log.stream(origin, after, PULL_MAX_COUNT, PULL_MAX_BYTES);
  }

  /** A peer is down: nothing can be asked of it. */
  lost(peer: string): void {
    this.#holders.delete(peer);
    for (const [origin, stream] of this.#streams) {
      // What it left unanswered it may answer when it is back.
      stream.shunned.delete(peer);
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

  /** How far this node, or a peer, has a stream. */
  length(origin: string, peer?: string): number {
    return (peer === undefined ? this.#streams.get(origin)?.seq : this.#holders.get(peer)?.get(origin)) ?? 0;
  }

  /** Peers that were heard to hold a stream up to `seq`, of those that are up. */
  holders(origin: string, seq: number): string[] {
    return [...this.#holders].flatMap(([peer, held]) => ((held.get(origin) ?? 0) >= seq ? [peer] : []));
  }

  /** Whether more of a stream is to be committed here, or a peer was heard to hold more than is. */
  lags(origin: string): boolean {
    const stream = this.#streams.get(origin);
    if (stream && stream.queued > stream.seq) return true;
    return this.holders(origin, this.length(origin) + 1).length > 0;
  }

  /** Envelopes that this peer still lacks, of those that are committed here. */
  behind(peer: string): number {
    const held = this.#holders.get(peer);
    let behind = 0;
    for (const [origin, { seq }] of this.#streams) behind += Math.max(0, seq - (held?.get(origin) ?? 0));
    return behind;
  }

  /** What waits here, and what was dropped because too much did. */
  get queues() {
    const { envelopes, bytes, dropped } = this.#handed;
    return {
      live: envelopes,
      liveBytes: bytes,
      liveDropped: dropped,
      aheadBytes: this.#aheadOfAll.bytes,
      pulls: this.#pulls.running,
      pulledBytes: this.#pulls.bytes,
    };
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
      if (envelope.seq !== stream.queued + 1) this.#keepAhead(stream, envelope);
      else if (this.#handed.isFull) this.#handed.dropped++;
      else take(envelope);
    }
    for (let early = stream.ahead.take(stream.queued + 1); early; early = stream.ahead.take(stream.queued + 1))
      take(early);
    if (next.length > 0) this.#handOver(stream, next, peer);

    function take(envelope: Envelope) {
      next.push(envelope);
      stream.queued = envelope.seq;
    }
  }

  #handOver(stream: Stream, envelopes: Envelope[], peer: string): void {
    const [{ origin, seq }] = envelopes as [Envelope];
    const before = this.#before.get(envelopes[0] as Envelope);
    const isOtherBranch = seq === stream.seq + 1 && before !== undefined && before !== stream.chain;
    void this.#commit(stream, envelopes, peer);
    if (!isOtherBranch) this.#ports.early.handed(origin, stream.seq, envelopes);
  }

  #keepAhead(stream: Stream, envelope: Envelope): void {
    const kept = stream.ahead.keep(envelope);
    if (kept) this.#precede([kept], this.#before.get(envelope));
  }

  /** `last` is where the segment ends if it is the answer to the last question; it may be to one before. */
  async #take(stream: Stream, segment: Segment, last: number, peer: string): Promise<void> {
    const { begun } = stream;
    const { packed } = segment;
    this.#pulls.came(packed.byteLength);
    try {
      const { refused: why, forked } = await this.#ports.log.take(segment);
      const isShort = stream.seq < last;
      if ((why === undefined && !forked && !isShort) || begun !== stream.begun) return;
      if (forked) this.#forked(segment.origin, stream, peer);
      else if (why !== undefined) this.#ports.warn("a peer sent an envelope that does not fit", { peer, why });
      if (forked || why !== undefined) this.#shun(stream, peer);
      this.#beginAgain(stream);
    } catch (error) {
      this.#ports.warn("a peer's envelopes could not be stored", { peer, why: (error as Error).message });
      if (begun === stream.begun) this.#beginAgain(stream);
    } finally {
      this.#pulls.settled(packed.byteLength);
      for (const [origin, stream] of this.#streams) this.#seek(origin, stream, HOLE_GRACE_MS);
    }
  }

  async #commit(stream: Stream, envelopes: Envelope[], peer: string): Promise<void> {
    const { begun } = stream;
    this.#handed.began(envelopes);
    try {
      const outcomes = await this.#ports.log.append(envelopes, this.#follows(envelopes));
      const failed = outcomes.findIndex(({ status }) => status === "refused" || status === "forked");
      const [outcome, envelope] = [outcomes[failed], envelopes[failed]];
      if (!outcome || !envelope) return;
      if (outcome.status === "forked" && begun === stream.begun) this.#forked(envelope.origin, stream, peer);
      if (outcome.status === "refused")
        this.#ports.warn("a peer sent an envelope that does not fit", { peer, why: outcome.message });
    } catch (error) {
      this.#ports.warn("a peer's envelopes could not be stored", { peer, why: (error as Error).message });
    } finally {
      this.#handed.ended(envelopes);
    }
    if (begun !== stream.begun) return;
    this.#ports.early.failed((envelopes[0] as Envelope).origin);
    this.#beginAgain(stream);
  }

  /** The peer's branch of the stream is another one: what it sends is of no use until one of them has been given up. */
  #forked(origin: string, stream: Stream, peer: string): void {
    this.#shun(stream, peer);
    const { seq, chain } = stream;
    if (seq > 0) this.#ports.differs(peer, origin, { seq, chain });
  }

  #follows(envelopes: readonly Envelope[]): Map<number, string> {
    const follows = new Map<number, string>();
    for (const [index, envelope] of envelopes.entries()) {
      const before = this.#before.get(envelope);
      if (before !== undefined) follows.set(index, before);
    }
    return follows;
  }

  /** Begins again behind what is committed; the next tick asks for the rest. What was handed to the log since is void. */
  #beginAgain(stream: Stream): void {
    stream.begun++;
    this.#endPull(stream);
    stream.queued = stream.seq;
    stream.ahead.drop();
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
    const isFull = stream.queued - stream.seq >= MAX_IN_FLIGHT || this.#pulls.isFull;
    if (stream.pull || isFull || now - (stream.missingSince ?? now) < graceMs) return;
    for (const [peer, until] of stream.shunned) if (until <= now) stream.shunned.delete(peer);
    const willing = holders.filter(peer => !stream.shunned.has(peer) && !this.#pulls.isBusy(peer));
    const peer = willing[stream.asked++ % willing.length];
    if (peer === undefined) return;
    stream.pull = { peer, after: stream.queued, at: now };
    this.#pulls.began(peer);
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
