/** When to fan out: at once, and under load so much later that more goes out together. */
import { type EventLoopUtilization, performance } from "node:perf_hooks";

/** How long anything is gathered at most. */
const LONGEST_MS = 20;
/** Over which the loop's load is measured: a short burst is no load. */
const WINDOW_MS = 100;
/** From the one share of the time in which the loop is busy, waiting grows up to the longest at the other. */
const BUSY = 0.6;
const SATURATED = 0.9;

export class Pace {
  readonly #run: () => void;
  #measured: EventLoopUtilization = performance.eventLoopUtilization();
  #measuredAt = performance.now();
  #ranAt = 0;
  #waitMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** There is something to run for. */
  ask(): void {
    if (this.#timer) return;
    const now = performance.now();
    if (now - this.#measuredAt >= WINDOW_MS) this.#measure(now);
    const waitMs = this.#ranAt + this.#waitMs - now;
    if (waitMs < 1) this.#go(now);
    else this.#timer = setTimeout(() => this.#go(performance.now()), waitMs);
  }

  #go(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ranAt = now;
    this.#run();
  }

  #measure(now: number): void {
    const { utilization } = performance.eventLoopUtilization(this.#measured);
    this.#measured = performance.eventLoopUtilization();
    this.#measuredAt = now;
    this.#waitMs = LONGEST_MS * Math.min(1, Math.max(0, (utilization - BUSY) / (SATURATED - BUSY)));
  }

  /** Runs for what is still to be run for. */
  close(): void {
    if (this.#timer) this.#go(performance.now());
  }
}
