/** The blobs that are missing on this node, in the order in which they are to be fetched. Has no clock of its own. */
import type { Reject } from "../errors.ts";

/** Somebody waits for it, a message that has just come refers to it, or one of long ago does. */
const RANKS = ["awaited", "fresh", "old"] as const;
export type Rank = (typeof RANKS)[number];

/** Wants of the log that are kept of each rank: the rest is found there when these have come. */
const MAX_WANTS = 4_096;
/** Wants of nobody but those who wait for them. */
const MAX_AWAITED = 256;
/** So few that more of them are looked for. */
const FEW = 64;
/** Nobody had it, or what they had was damaged: it is asked for again after that, and after ever longer. */
const AGAIN_MS = 1_000;
const MAX_AGAIN_MS = 60_000;
/** After so many times it is left until the log is looked through again: its message may have been erased. */
const MAX_VAIN = 8;

/** `whom` is the person who waits. */
export type Waiter = {
  whom: string;
  until: number;
  settle: (came: boolean) => void;
  fail: (reason: Reject) => void;
};

export class Want {
  readonly hash: string;
  /** The log refers to it; else only those who wait want it. */
  isReferred = false;
  rank: Rank;
  /** Peers that were asked in vain since it was put off last. */
  readonly vain = new Set<string>();
  /** It is put off until then. */
  until = 0;
  timesVain = 0;
  /** All of it is to come from one peer: from several came what no one of them can be blamed for. */
  isOfOne = false;
  /** How often another peer was turned to because one took long, and the last one that did. */
  turns = 0;
  slow: string | undefined;
  readonly waiters = new Set<Waiter>();

  constructor(hash: string, rank: Rank) {
    this.hash = hash;
    this.rank = rank;
  }

  isAwaitedBy(whom: string): boolean {
    return this.people().includes(whom);
  }

  people(): string[] {
    return [...this.waiters].map(({ whom }) => whom);
  }

  settle(came: boolean): void {
    for (const { settle } of this.waiters) settle(came);
    this.waiters.clear();
  }

  fail(reason: Reject): void {
    for (const { fail } of this.waiters) fail(reason);
    this.waiters.clear();
  }
}

export class Wants {
  readonly #byRank = { awaited: new Map<string, Want>(), fresh: new Map<string, Want>(), old: new Map<string, Want>() };
  /** Something that the log refers to was left out. */
  isIncomplete = false;

  get size(): number {
    return RANKS.reduce((sum, rank) => sum + this.#byRank[rank].size, 0);
  }

  get areFew(): boolean {
    return this.size < FEW;
  }

  /** Whether no more that is old is kept. */
  get areMany(): boolean {
    return this.#byRank.old.size >= MAX_WANTS;
  }

  get(hash: string): Want | undefined {
    for (const rank of RANKS) {
      const want = this.#byRank[rank].get(hash);
      if (want) return want;
    }
    return undefined;
  }

  /** The log refers to it. */
  refer(hash: string, rank: "fresh" | "old"): void {
    const known = this.get(hash);
    if (!known && this.#byRank[rank].size >= MAX_WANTS) {
      this.isIncomplete = true;
      return;
    }
    const want = known ?? new Want(hash, rank);
    want.isReferred = true;
    if (!known || (rank === "fresh" && want.rank === "old")) this.#move(want, rank);
  }

  /** Somebody waits for it; false where too many do. */
  await(hash: string, waiter: Waiter): boolean {
    const known = this.get(hash);
    if (known?.rank !== "awaited" && this.#byRank.awaited.size >= MAX_AWAITED) return false;
    const want = known ?? new Want(hash, "awaited");
    want.waiters.add(waiter);
    want.until = 0;
    this.#move(want, "awaited");
    return true;
  }

  #move(want: Want, rank: Rank): void {
    this.delete(want);
    want.rank = rank;
    this.#byRank[rank].set(want.hash, want);
  }

  delete({ rank, hash }: Want): void {
    this.#byRank[rank].delete(hash);
  }

  /** Those that somebody waits for, in the order in which they were first waited for. */
  awaited(): Iterable<Want> {
    return this.#byRank.awaited.values();
  }

  /** Those that the log refers to, the most urgent first. */
  *referred(): Iterable<Want> {
    for (const want of this.all()) if (want.isReferred) yield want;
  }

  *all(): Iterable<Want> {
    for (const rank of RANKS) yield* this.#byRank[rank].values();
  }

  /** All peers were asked in vain, or it could not be stored: nobody waits any longer, and it is asked for again later. */
  putOff(want: Want, now: number): void {
    want.settle(false);
    want.vain.clear();
    want.timesVain++;
    if (!want.isReferred || want.timesVain >= MAX_VAIN) {
      this.isIncomplete ||= want.isReferred;
      this.delete(want);
      return;
    }
    want.until = now + Math.min(MAX_AGAIN_MS, AGAIN_MS * 2 ** want.timesVain);
    // Behind the others of its rank.
    this.#move(want, want.rank === "awaited" ? "fresh" : want.rank);
  }

  /** That peer may have it, or may have it now. */
  mayHave(peer: string, want: Want): void {
    want.vain.delete(peer);
    want.until = 0;
  }

  /** Nobody waits any longer whose time is over; unless `now` is given, nobody at all. */
  expire(now = Number.POSITIVE_INFINITY): void {
    for (const want of this.#byRank.awaited.values()) {
      for (const waiter of want.waiters)
        if (waiter.until <= now) {
          want.waiters.delete(waiter);
          waiter.settle(false);
        }
      if (want.waiters.size > 0) continue;
      if (want.isReferred) this.#move(want, "fresh");
      else this.delete(want);
    }
  }
}
