/** Acks that wait until another node has committed their message, and holds its blobs. */
import type { Cancel, Time } from "./time.ts";

/** What no other node has committed by then is told to be unconfirmed. */
export const ACK_WITHIN_MS = 2_000;
/** Acks that may wait: without a peer, nothing but time takes one away. */
const MAX_WAITING = 10_000;

type Waiter = { until: number; settle: (confirmed: boolean) => void };
type Counted = Waiter & { seq: number };
type Judged = Waiter & { isSafe: () => boolean };

export class Confirmations {
  readonly #time: Time;
  /** In the order of seq, and so of time as well. */
  readonly #fresh = new Set<Counted>();
  /** Of messages that were sent again: in the order of time alone. */
  readonly #again = new Set<Counted>();
  /** Of messages with blobs: in the order of time alone. */
  readonly #judged = new Set<Judged>();
  #newest = 0;
  #stopTimer: Cancel | undefined;
  #ended = false;

  constructor(time: Time) {
    this.#time = time;
  }

  get #all(): [Set<Counted>, Set<Counted>, Set<Judged>] {
    return [this.#fresh, this.#again, this.#judged];
  }

  /** Whether no more can wait. */
  get isFull(): boolean {
    return this.size >= MAX_WAITING;
  }

  /** How many wait. */
  get size(): number {
    return this.#fresh.size + this.#again.size + this.#judged.size;
  }

  /** Resolves with true when another node holds this node's stream up to `seq`, with false when none did in time. */
  wait(seq: number): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return new Promise(settle => {
      const waiter = { seq, until: this.#time.elapsed() + ACK_WITHIN_MS, settle };
      (seq > this.#newest ? this.#fresh : this.#again).add(waiter);
      this.#newest = Math.max(this.#newest, seq);
      this.#watch();
    });
  }

  /** As `wait`, for what `isSafe` says, which is asked again after each `changed`. */
  waitUntil(isSafe: () => boolean): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    if (isSafe()) return Promise.resolve(true);
    return new Promise(settle => {
      this.#judged.add({ isSafe, until: this.#time.elapsed() + ACK_WITHIN_MS, settle });
      this.#watch();
    });
  }

  /** Another node holds more than before. */
  changed(): void {
    for (const waiter of this.#judged) if (waiter.isSafe()) this.#settle(waiter, true);
  }

  /** Another node holds this node's stream up to `seq`. */
  held(seq: number): void {
    for (const waiter of this.#fresh) {
      if (waiter.seq > seq) break;
      this.#settle(waiter, true);
    }
    for (const waiter of this.#again) if (waiter.seq <= seq) this.#settle(waiter, true);
  }

  /** From now on nothing waits. */
  end(): void {
    this.#ended = true;
    this.giveUp();
  }

  /** What waits is unconfirmed. */
  giveUp(): void {
    for (const waiters of this.#all) for (const waiter of waiters) this.#settle(waiter, false);
    this.#newest = 0;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #settle(waiter: Waiter, confirmed: boolean): void {
    for (const waiters of this.#all) (waiters as Set<Waiter>).delete(waiter);
    waiter.settle(confirmed);
  }

  /** All wait for the same time, so one timer does, for whoever came first. */
  #watch(): void {
    if (this.#stopTimer) return;
    const first = Math.min(...this.#all.map(([first]) => first?.until ?? Number.POSITIVE_INFINITY));
    if (first === Number.POSITIVE_INFINITY) return;
    this.#stopTimer = this.#time.after(Math.max(0, Math.ceil(first - this.#time.elapsed())), () => {
      this.#stopTimer = undefined;
      this.#expire();
      this.#watch();
    });
  }

  #expire(): void {
    const now = this.#time.elapsed();
    for (const waiters of this.#all)
      for (const waiter of waiters) {
        if (waiter.until > now) break;
        this.#settle(waiter, false);
      }
  }
}
