/** Work that is done for so many at a time. The others wait in the order in which they came, and so many of them. */
import { Reject } from "./errors.ts";

const ASK_AGAIN_MS = 1_000;

export type GateLimits = { atOnce: number; waiting: number };

export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting: (() => void)[] = [];
  #passing = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** How many are at work, or wait. */
  get size(): number {
    return this.#passing + this.#waiting.length;
  }

  /** Resolves and rejects as `work` does, which is called when it is its turn. Rejects with `overloaded` where too many wait. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#passing < this.#limits.atOnce) this.#passing++;
    else if (this.#waiting.length < this.#limits.waiting)
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    else throw new Reject("overloaded", "too many wait for an answer", { retryAfterMs: ASK_AGAIN_MS });
    try {
      return await work();
    } finally {
      // The place goes to whoever waits longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#passing--;
    }
  }
}
