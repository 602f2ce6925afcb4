/**
 * How many drafts may wait: by time, not by number. Where they wait for too long, no more are let in than were lately acked
 * in that time, and the rest is refused at the door; a queue that is longer only makes all wait. (Nichols and Jacobson,
 * "Controlling Queue Delay", 2012, takes the wait as the measure, too.)
 */
import { Reject } from "../errors.ts";

/** What waits longer than that waits too long. */
const TARGET_MS = 200;
/** Fewer than that are always let in, more never: some 25 ms of work, and a second's. */
const MIN_WAITING = 500;
const MAX_WAITING = 10_000;
/** Whoever is refused comes back after a while, and not all at once. */
const RETRY_MS = 250;
const RETRY_STEP_MS = 50;
const RETRY_STEPS = 16;

type Acked = { at: number; count: number };

export class Admission {
  readonly #elapsed: () => number;
  /** Drafts that may wait. */
  limit = MAX_WAITING;
  /** Drafts that wait for a commit or for its end. */
  waiting = 0;
  /** Requests that were refused. */
  refused = 0;
  /** Of the last `TARGET_MS`. */
  #acked: Acked[] = [];

  /** `elapsed` returns milliseconds since some moment. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Why no more may wait now; undefined where they may. */
  refuse(): Reject | undefined {
    if (this.waiting < this.limit) return undefined;
    const retryAfterMs = RETRY_MS + (this.refused++ % RETRY_STEPS) * RETRY_STEP_MS;
    return new Reject("overloaded", undefined, { retryAfterMs });
  }

  entered(drafts: number): void {
    this.waiting += drafts;
  }

  /** They have their answer, whichever. */
  left(drafts: number): void {
    this.waiting -= drafts;
  }

  /** So many were acked at once; the first of them waited since `since`. */
  acked(drafts: number, since: number): void {
    const now = this.#elapsed();
    this.#acked.push({ at: now, count: drafts });
    this.#acked = this.#acked.filter(({ at }) => now - at < TARGET_MS);
    const waitedMs = now - since;
    if (waitedMs > TARGET_MS) {
      const lately = this.#acked.reduce((sum, { count }) => sum + count, 0);
      this.limit = Math.min(this.limit, Math.max(MIN_WAITING, lately));
    } else if (waitedMs < TARGET_MS / 2) this.limit = Math.min(MAX_WAITING, this.limit + drafts);
  }
}
