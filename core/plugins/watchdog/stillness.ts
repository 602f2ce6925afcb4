/** For how long the main thread has not moved, as another thread sees it. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { BEATS, CALL, CALLS } from "./marks.ts";

/** What Linux says of a thread, see proc_pid_stat(5); the first one of a process has its number. */
const MAIN_THREAD = `/proc/self/task/${process.pid}/stat`;
/** The unit of the times there: USER_HZ, which is the same on every machine. */
const TICK_MS = 10;

export class Stillness {
  readonly #marks: Int32Array;
  readonly #everyMs: number;
  #seen: readonly number[];
  #lookedAt = performance.now();
  #ranMs = mainThread()?.ranMs ?? 0;
  #ms = 0;

  /** `look` is going to be called that often. */
  constructor(marks: Int32Array, everyMs: number) {
    this.#marks = marks;
    this.#everyMs = everyMs;
    this.#seen = this.#see();
  }

  /** How many milliseconds it has had to move in and did not. A machine that is busy, or sleeps, leaves it none. */
  look(): number {
    const before = this.#seen;
    this.#seen = this.#see();
    const hadMs = this.#hadMs();
    this.#ms = isDeepStrictEqual(before, this.#seen) ? this.#ms + hadMs : 0;
    return this.#ms;
  }

  /** Whether it has moved since the last look. */
  get isOver(): boolean {
    return !isDeepStrictEqual(this.#seen, this.#see());
  }

  /** Begins to count anew. */
  forget(): void {
    this.#hadMs();
    this.#ms = 0;
  }

  #hadMs(): number {
    const now = performance.now();
    const thread = mainThread();
    // Where the process was stopped this thread was, too: that counts for one look and no more.
    const awakeMs = Math.min(now - this.#lookedAt, 2 * this.#everyMs);
    const ranMs = (thread?.ranMs ?? 0) - this.#ranMs;
    this.#lookedAt = now;
    this.#ranMs += ranMs;
    if (!thread || thread.state === "S") return awakeMs;
    // What would run may be waiting for a processor; what waits for a disk or a page of memory is ended by nobody.
    return thread.state === "R" ? Math.min(ranMs, awakeMs) : 0;
  }

  #see(): number[] {
    return [CALL, CALLS, BEATS].map(index => Atomics.load(this.#marks, index));
  }
}

/** Its state, and how long it has run. Undefined on other systems, where time is all that can be known. */
export function mainThread(): { state: string; ranMs: number } | undefined {
  try {
    const stat = readFileSync(MAIN_THREAD, "latin1");
    // Behind its name, which may have anything in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] as string, ranMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return undefined;
  }
}
