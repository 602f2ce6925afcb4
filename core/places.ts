/** How much at a time each of many may have under way. */
import { Reject } from "./errors.ts";

const ASK_AGAIN_MS = 1_000;

export class Places {
  readonly #most: number;
  readonly #what: string;
  readonly #taken = new Map<string, number>();
  #size = 0;

  /** `what` there are only so many of: `files`. */
  constructor(most: number, what: string) {
    this.#most = most;
    this.#what = what;
  }

  /** Places that are taken, of all. */
  get size(): number {
    return this.#size;
  }

  /** Takes a place, which whoever gets it leaves by calling what this returns. Throws `Reject` where none is free. */
  enter(name: string): () => void {
    const taken = this.#taken.get(name) ?? 0;
    if (taken >= this.#most)
      throw new Reject("rate-limited", `too many ${this.#what} at a time`, { retryAfterMs: ASK_AGAIN_MS });
    this.#taken.set(name, taken + 1);
    this.#size++;
    return () => {
      this.#size--;
      const left = (this.#taken.get(name) ?? 0) - 1;
      if (left > 0) this.#taken.set(name, left);
      else this.#taken.delete(name);
    };
  }
}
