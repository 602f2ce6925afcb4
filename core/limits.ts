/** How much is too much: token buckets. */
import { networkOf } from "./addresses.ts";
import { Reject } from "./errors.ts";

export type Rate = { perSecond: number; burst: number };

export class Bucket {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  /** A rate of 0 a second is no limit. `now` returns milliseconds. */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#at = now();
  }

  /** Takes one, or as many as that; throws `Reject` with the time until there are as many again. */
  take(amount = 1): void {
    const { perSecond, burst } = this.#rate;
    if (perSecond === 0) return;
    const now = this.#now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1_000) * perSecond);
    this.#at = now;
    if (this.#tokens < amount)
      throw new Reject("rate-limited", undefined, {
        retryAfterMs: Math.ceil(((amount - this.#tokens) / perSecond) * 1_000) + 1,
      });
    this.#tokens -= amount;
  }

  /** Gives back what was taken and not needed. */
  giveBack(amount: number): void {
    this.#tokens += amount;
  }

  /** Nothing was taken for long enough that the bucket is as good as a new one. */
  get isFull(): boolean {
    const { perSecond, burst } = this.#rate;
    return this.#tokens + ((this.#now() - this.#at) / 1_000) * perSecond >= burst;
  }
}

const MAX_REMEMBERED = 10_000;

/** A bucket for each of many, such as people. */
export class Buckets {
  readonly #rate: Rate;
  readonly #now: (() => number) | undefined;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, now?: () => number) {
    this.#rate = rate;
    this.#now = now;
  }

  of(name: string): Bucket {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      if (this.#buckets.size >= MAX_REMEMBERED) this.#forget();
      bucket = new Bucket(this.#rate, this.#now);
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #forget(): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(name);
    // Under attack by more than that: the oldest ones start anew.
    for (const name of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_REMEMBERED) return;
      this.#buckets.delete(name);
    }
  }
}

/** A bucket for each network address. */
export class AddressLimit {
  readonly #buckets: Buckets;

  constructor(rate: Rate, now?: () => number) {
    this.#buckets = new Buckets(rate, now);
  }

  take(from: string): void {
    this.#buckets.of(networkOf(from)).take();
  }
}
