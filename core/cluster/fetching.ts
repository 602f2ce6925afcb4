/**
 * Fetches the blobs that are missing here from peers that hold them: a few at a time, each in parts, a bounded number of them
 * under way. Has no socket, clock or timer of its own.
 */
import type { BlobFiles } from "../blobs/files.ts";
import { asReject } from "../errors.ts";
import { Fetch } from "./fetch.ts";
import type { Payload } from "./frames.ts";
import type { Holdings } from "./holdings.ts";
import { Waits } from "./waits.ts";
import { type Rank, type Want, Wants } from "./wants.ts";
import { Window } from "./window.ts";

export type FetchingPorts = {
  files: Pick<BlobFiles, "receive" | "assertRoom">;
  holdings: Pick<Holdings, "has" | "drop">;
  /** The peers that are up and can be asked. */
  peers(): string[];
  ask(peer: string, hash: string, offset: number): void;
  /** Asks all peers whether they hold it. */
  inquire(hash: string): void;
  /** What a peer sent has another hash. */
  doubt(peer: string, hash: string): void;
  /** It is on disk. */
  came(hash: string): void;
  /** Milliseconds; only differences count. */
  now(): number;
  /** `tick` is to be called from now on, until it returns false. */
  wanting(): void;
  warn(what: string, details: Record<string, unknown>): void;
};

/** Blobs that are fetched at a time: more of them sync the disk so often that whoever writes has to wait for it. */
const MAX_FETCHES = 2;
const MAX_OF_PEER = 1;
/** And so many more, whatever the others are, of those that somebody waits for, of which so many for one person. */
const MAX_AWAITED = 4;
const MAX_AWAITED_OF_ONE = 2;
const PART_TIMEOUT_MS = 8_000;
/** Where another peer is known to hold a blob it gets its turn after that, and then after twice as long each time. */
const TURN_MS = 4_000;
const MAX_TURNS = 10;
/** After the disk refused something nothing is tried again for so long, and nothing old begun. */
const REST_MS = 5_000;

export class Fetching {
  readonly #ports: FetchingPorts;
  readonly wants = new Wants();
  readonly #waits = new Waits(this.wants);
  readonly #fetches = new Map<string, Fetch>();
  readonly #windows = new Map<string, Window>();
  /** Fetches begun: spreads them over the holders, without chance. */
  #begun = 0;
  /** Parts asked for. */
  #asked = 0;
  #restsUntil = 0;
  /** How often in a row the disk refused something. */
  #refusals = 0;
  #closed = false;

  constructor(ports: FetchingPorts) {
    this.#ports = ports;
  }

  /** The log refers to a blob that is not here; `fill` is to be called after that. */
  refer(hash: string, rank: Exclude<Rank, "awaited">): void {
    this.wants.refer(hash, rank);
  }

  /**
   * Resolves with true when it is here; with false where no peer that is up has it, or none sent it within 30 s. Rejects with
   * `Reject` where the disk refuses it, or too many requests wait, of that person or of all.
   */
  wait(hash: string, whom: string): Promise<boolean> {
    if (this.#closed || this.#ports.peers().length === 0) return Promise.resolve(false);
    const coming = this.#waits.enter(hash, whom, this.#ports.now());
    this.fill();
    return coming;
  }

  /** Asks for as much as may be under way. */
  fill(): void {
    const now = this.#ports.now();
    if (this.#closed || this.wants.size === 0) return;
    this.#ports.wanting();
    this.#beginMore(now);
    const fetches = [...this.#fetches.values()].sort((a, b) => a.lastAsked - b.lastAsked);
    for (const fetch of fetches) this.#ask(fetch, now);
  }

  #beginMore(now: number): void {
    const peers = this.#ports.peers();
    if (peers.length === 0) return this.wants.expire();
    for (const want of this.wants.awaited()) {
      const underWay = this.#alike(true);
      if (underWay.length >= MAX_AWAITED) break;
      // Whoever asks for much waits for that alone.
      const ofOne = (whom: string) => underWay.filter(({ want }) => want.isAwaitedBy(whom)).length;
      if (want.people().some(whom => ofOne(whom) < MAX_AWAITED_OF_ONE)) this.#tryToBegin(want, true, peers, now);
    }
    for (const want of this.wants.referred()) {
      const underWay = this.#alike(false);
      const free = peers.filter(peer => underWay.filter(fetch => fetch.peer === peer).length < MAX_OF_PEER);
      if (underWay.length >= MAX_FETCHES || free.length === 0) return;
      this.#tryToBegin(want, false, free, now);
    }
  }

  /** What is under way for those who wait for it, or because the log refers to it. */
  #alike(isAwaited: boolean): Fetch[] {
    return [...this.#fetches.values()].filter(fetch => fetch.isAwaited === isAwaited);
  }

  /** `free` are the peers that may be asked now. */
  #tryToBegin(want: Want, isAwaited: boolean, free: readonly string[], now: number): void {
    const rests = now < this.#restsUntil && (want.timesVain > 0 || want.rank === "old");
    if (rests || want.until > now || this.#fetches.has(want.hash)) return;
    const willing = free.filter(peer => !want.vain.has(peer));
    const peer = this.#holderOf(want, willing);
    if (peer !== undefined) this.#begin(want, { peer, isAwaited, now });
    else if (this.#ports.peers().every(peer => want.vain.has(peer))) {
      if (want.waiters.size > 0) this.#waits.inVain(want.hash, now);
      this.wants.putOff(want, now);
    }
  }

  /** One that is known to hold it, else anyone; one that has not taken long for it before, if there is such a one. */
  #holderOf({ hash, slow }: Want, peers: readonly string[]): string | undefined {
    const known = peers.filter(peer => this.#ports.holdings.has(peer, hash));
    const some = known.length > 0 ? known : peers;
    const quick = some.filter(peer => peer !== slow);
    const best = quick.length > 0 ? quick : some;
    return best[this.#begun++ % best.length];
  }

  #begin(want: Want, how: { peer: string; isAwaited: boolean; now: number }): void {
    const fetch = new Fetch(want, how, {
      files: this.#ports.files,
      moved: () => this.fill(),
      ended: error => this.#ended(fetch, error),
    });
    this.#fetches.set(want.hash, fetch);
  }

  #ask(fetch: Fetch, now: number): void {
    const { parts } = this.#window(fetch.peer);
    // What people wait for takes no place of what the log refers to, nor the other way.
    const alike = this.#alike(fetch.isAwaited).filter(({ peer }) => peer === fetch.peer);
    let underWay = alike.reduce((sum, { underWay }) => sum + underWay, 0);
    // What came of its end from a peer before takes all places of this one, and can only go with its beginning.
    for (let next = fetch.next; next !== undefined && (underWay < parts || fetch.isStuck); next = fetch.next) {
      fetch.asked(next, now);
      fetch.lastAsked = ++this.#asked;
      underWay++;
      this.#ports.ask(fetch.peer, fetch.want.hash, next);
    }
  }

  #window(peer: string): Window {
    const window = this.#windows.get(peer) ?? new Window();
    this.#windows.set(peer, window);
    return window;
  }

  /** A peer's answer. */
  part(part: Payload<"blobPart">): void {
    const fetch = this.#fetches.get(part.hash);
    const askedAt = fetch?.askedAt(part);
    if (!fetch || askedAt === undefined) return;
    this.#window(part.id).answered(this.#ports.now() - askedAt);
    if (part.size === undefined) {
      this.#ports.holdings.drop(part.id, [part.hash]);
      this.#turn(fetch);
    } else if (!fetch.take(part)) this.#damaged(fetch);
    this.fill();
  }

  /** Its peer is of no use: another one is asked for the rest, or later one for all of it. */
  #turn(fetch: Fetch): void {
    const { want } = fetch;
    want.vain.add(fetch.peer);
    const others = this.#ports.peers().filter(peer => !want.vain.has(peer));
    const next = want.isOfOne ? undefined : this.#holderOf(want, others);
    if (next !== undefined) fetch.turnTo(next, this.#ports.now());
    else this.#drop(fetch);
  }

  /**
   * Whoever has been asked for long may be slow, or lie about how much there is: where another peer is known to hold it that one
   * goes on. Each turn lasts longer than the one before, so that a large blob comes from whomever in the end.
   */
  #hurry(fetch: Fetch, now: number): void {
    const { want, peer: slow } = fetch;
    if (fetch.isComplete || now - fetch.since < TURN_MS * 2 ** want.turns) return;
    const others = this.#ports.peers().filter(peer => peer !== slow && !want.vain.has(peer));
    const known = others.filter(peer => this.#ports.holdings.has(peer, want.hash));
    if (known.length === 0) {
      if (others.length > 0 && !fetch.hasInquired) this.#ports.inquire(want.hash);
      fetch.hasInquired = true;
      return;
    }
    want.slow = slow;
    want.turns = Math.min(MAX_TURNS, want.turns + 1);
    const next = this.#holderOf(want, known) as string;
    if (!want.isOfOne) return fetch.turnTo(next, now);
    this.#drop(fetch);
    this.#begin(want, { peer: next, isAwaited: fetch.isAwaited, now });
  }

  #drop(fetch: Fetch): void {
    this.#fetches.delete(fetch.want.hash);
    fetch.abandon();
  }

  #damaged(fetch: Fetch): void {
    const { want, sources } = fetch;
    this.#drop(fetch);
    const [source] = sources;
    // Of several, who knows which?
    if (sources.size > 1 || source === undefined) want.isOfOne = true;
    else {
      want.vain.add(source);
      this.#ports.doubt(source, want.hash);
      this.#ports.warn("a peer sent something else than the blob that it was asked for", {
        peer: source,
        hash: want.hash,
      });
    }
  }

  #ended(fetch: Fetch, error: unknown): void {
    const { want } = fetch;
    this.#fetches.delete(want.hash);
    if (error === undefined) {
      this.#refusals = 0;
      this.wants.delete(want);
      want.settle(true);
      this.#ports.came(want.hash);
    } else if (asReject(error).code === "invalid") this.#damaged(fetch);
    else {
      // Nobody but this node's disk is to blame, perhaps for this one alone: others are not to wait behind it.
      const reason = asReject(error);
      want.fail(reason);
      this.wants.putOff(want, this.#ports.now());
      if (++this.#refusals > 1 || reason.code === "no-space") this.#restsUntil = this.#ports.now() + REST_MS;
      this.#ports.warn("a blob could not be stored", { code: reason.code, why: reason.message });
    }
    this.fill();
  }

  /** A peer came up, or got what was missing. */
  mayHave(peer: string, hashes?: readonly string[]): void {
    this.#waits.mayCome(hashes);
    const wants = hashes?.flatMap(hash => this.wants.get(hash) ?? []) ?? this.wants.all();
    for (const want of wants) this.wants.mayHave(peer, want);
    this.fill();
  }

  /** A peer is down. */
  lost(peer: string): void {
    this.#windows.delete(peer);
    for (const fetch of [...this.#fetches.values()]) if (fetch.peer === peer && !fetch.isComplete) this.#turn(fetch);
    this.fill();
  }

  /** Gives up what does not come; false where nothing is wanted. Called a few times a second while something is. */
  tick(): boolean {
    const now = this.#ports.now();
    this.wants.expire(now);
    for (const fetch of [...this.#fetches.values()]) {
      if (this.wants.get(fetch.want.hash) !== fetch.want) this.#drop(fetch);
      else if (now - (fetch.owedSince ?? now) > PART_TIMEOUT_MS) this.#turn(fetch);
      else this.#hurry(fetch, now);
    }
    this.fill();
    return this.wants.size > 0 && !this.#closed;
  }

  close(): void {
    this.#closed = true;
    for (const want of this.wants.all()) want.settle(false);
    for (const fetch of this.#fetches.values()) fetch.abandon();
    this.#fetches.clear();
  }
}
