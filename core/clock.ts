/**
 * Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014). A time is one safe integer: milliseconds since
 * 1970 × 1024, plus a counter that carries into the milliseconds when it runs over.
 */
const STEPS_PER_MS = 1024;

/** How far ahead of this node's own clock another clock is believed, in milliseconds. */
export const MAX_DRIFT_MS = 60_000;

export class Clock {
  readonly #now: () => number;
  #last: number;

  /** `now` returns milliseconds since 1970; `last` is the highest time this node has given out before. */
  constructor(now: () => number = Date.now, last = 0) {
    this.#now = now;
    this.#last = last;
  }

  /** A time later than all that were given out or observed here. */
  tick(): number {
    this.#last = Math.max(this.#now() * STEPS_PER_MS, this.#last + 1);
    return this.#last;
  }

  /** Moves this clock past a time from elsewhere, but never more than `MAX_DRIFT_MS` ahead of itself. */
  observe(hlc: number): void {
    this.#last = Math.max(this.#last, this.believable(hlc));
  }

  /** `hlc`, or the latest time that is believed if it lies further ahead. */
  believable(hlc: number): number {
    return Math.min(hlc, (this.#now() + MAX_DRIFT_MS) * STEPS_PER_MS);
  }

  /** The latest time that was given out or observed here. */
  get last(): number {
    return this.#last;
  }

  now(): number {
    return this.#now();
  }
}

/** Milliseconds since 1970. */
export function millisecondsOf(hlc: number): number {
  return Math.floor(hlc / STEPS_PER_MS);
}
