/** Timers of a plugin that is being written: those that one version of it left standing end when the next takes its place. */
import { promisify } from "node:util";
import { GIVE_UP_MS } from "../calls/calls.ts";

const KEY = "web-chat/timers";

/** What the compiled module begins with, and what it then finds under the names of the timers. */
export const BANNER = `const $timers=globalThis[Symbol.for("${KEY}")](import.meta.url);`;
export const NAMES = {
  setTimeout: "$timers.setTimeout",
  setInterval: "$timers.setInterval",
  setImmediate: "$timers.setImmediate",
} as const;

type Run = (...args: unknown[]) => void;

/** What `promisify` makes of a timer, as it stands on that. */
function asPromise(timer: object): object {
  return { [promisify.custom]: (timer as Record<symbol, unknown>)[promisify.custom] };
}

/** Those of one module. */
class Timers {
  readonly #standing = new Set<NodeJS.Timeout>();
  readonly #repeating = new Set<NodeJS.Timeout>();
  #isOld = false;
  #isOver = false;

  readonly setTimeout = Object.assign((run: Run, ms?: number, ...args: unknown[]) => {
    const timer: NodeJS.Timeout = setTimeout(() => {
      this.#standing.delete(timer);
      run(...args);
    }, ms);
    if (this.#isOver) clearTimeout(timer);
    else this.#standing.add(timer);
    return timer;
  }, asPromise(setTimeout));

  readonly setInterval = (run: Run, ms?: number, ...args: unknown[]) => {
    const timer = setInterval(run, ms, ...args);
    if (this.#isOld) clearInterval(timer);
    else this.#repeating.add(timer);
    return timer;
  };

  readonly setImmediate = Object.assign((run: Run, ...args: unknown[]) => {
    const immediate = setImmediate(run, ...args);
    if (this.#isOver) clearImmediate(immediate);
    return immediate;
  }, asPromise(setImmediate));

  /** What repeats itself at once; what a message on its way may wait for when nobody waits for that message any longer. */
  end(): void {
    this.#isOld = true;
    for (const timer of this.#repeating) clearInterval(timer);
    setTimeout(() => {
      this.#isOver = true;
      for (const timer of this.#standing) clearTimeout(timer);
    }, GIVE_UP_MS).unref();
  }
}

const byUrl = new Map<string, Timers>();

/** Has to have been called before such a module is loaded. */
export function offerTimers(): void {
  Object.assign(globalThis, {
    [Symbol.for(KEY)](url: string) {
      const timers = byUrl.get(url) ?? new Timers();
      byUrl.set(url, timers);
      return timers;
    },
  });
}

/** Ends those of the module at that URL. */
export function endTimers(url: string): void {
  byUrl.get(url)?.end();
  byUrl.delete(url);
}
