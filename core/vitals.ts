/** How a node is: its load and its event loop, over the last seconds. */
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from "node:perf_hooks";

const LAG_RESOLUTION_MS = 20;
/** A loop that was busy for less of the last second is not watched: that alone would be most of what an idle node does. */
const BUSY_MS = 50;
const TICK_MS = 1_000;
/** Seconds over which messages are averaged. */
const WINDOW = 5;

export class Vitals {
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  #isWatched = false;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  /** Messages in each of the last seconds; the last one is still running. */
  readonly #received = [0];
  readonly startedAt = Date.now();
  #tickedAt = performance.now();
  /** Delay of the event loop in the last second, in milliseconds: 99th percentile, or what the last tick was late. */
  lagMs = 0;

  received(messages: number): void {
    this.#received[this.#received.length - 1] = (this.#received.at(-1) ?? 0) + messages;
  }

  get messagesPerSecond(): number {
    return this.#received.reduce((sum, count) => sum + count, 0) / this.#received.length;
  }

  /** Once a second. */
  tick(): void {
    const now = performance.now();
    const lateMs = now - this.#tickedAt - TICK_MS;
    this.#tickedAt = now;
    // The monitor's own interval is part of what it measures.
    const lagMs = this.#isWatched ? this.#lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS : lateMs;
    this.lagMs = Math.max(0, lagMs);
    this.#lag.reset();
    this.#watchIfBusy();
    this.#received.push(0);
    if (this.#received.length > WINDOW) this.#received.shift();
  }

  #watchIfBusy(): void {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    this.#isWatched = this.#utilization.active - before.active >= BUSY_MS;
    if (this.#isWatched) this.#lag.enable();
    else this.#lag.disable();
  }

  close(): void {
    this.#lag.disable();
  }
}
