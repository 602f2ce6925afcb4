/** How a node is: its load and its event loop, over the last seconds. */
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Each sample wakes the process, and a node that idles does little else: a stall shorter than this may go unseen. */
const LAG_RESOLUTION_MS = 100;
/** Seconds over which messages are averaged. */
const WINDOW = 5;

export class Vitals {
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  /** Messages in each of the last seconds; the last one is still running. */
  readonly #received = [0];
  readonly startedAt = Date.now();
  /** Delay of the event loop in the last second, 99th percentile, in milliseconds. */
  lagMs = 0;

  constructor() {
    this.#lag.enable();
  }

  received(messages: number): void {
    this.#received[this.#received.length - 1] = (this.#received.at(-1) ?? 0) + messages;
  }

  get messagesPerSecond(): number {
    return this.#received.reduce((sum, count) => sum + count, 0) / this.#received.length;
  }

  /** Once a second. */
  tick(): void {
    // The monitor's own interval is part of what it measures.
    this.lagMs = Math.max(0, this.#lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS);
    this.#lag.reset();
    this.#received.push(0);
    if (this.#received.length > WINDOW) this.#received.shift();
  }

  close(): void {
    this.#lag.disable();
  }
}
