/** Sees from a thread of its own that a plugin never returns, or takes all memory, and ends the process with a finding. */
import { Worker } from "node:worker_threads";
import { HOOKS } from "../plugins/calls/calls.ts";
import { callOf } from "../plugins/watchdog/culprit.ts";
import { BEATS, CALL, newMarks } from "../plugins/watchdog/marks.ts";

/** What the thread is started with. */
export type Overseeing = {
  marks: Int32Array<SharedArrayBuffer>;
  /** The folder of the report. */
  place: string;
  hooks: readonly string[];
  /** How long a call may keep the main thread. */
  stuckMs: number;
};

const BEAT_MS = 500;

export class Overseer {
  /** What runs now is to be marked here; plugins/watchdog/marks.ts says how. */
  readonly marks: Int32Array<SharedArrayBuffer>;
  readonly #worker: Worker;
  #types: readonly string[] = [];

  private constructor(worker: Worker, { marks, stuckMs }: Overseeing) {
    this.marks = marks;
    this.#worker = worker;
    // The author's tests have ended when nothing else keeps the process.
    worker.unref();
    setInterval(() => Atomics.add(marks, BEATS, 1), Math.min(BEAT_MS, stuckMs / 5)).unref();
  }

  static start(place: string, stuckMs: number): Overseer {
    const workerData: Overseeing = { marks: newMarks(), place, hooks: HOOKS, stuckMs };
    const worker = new Worker(new URL("./overseeing.ts", import.meta.url), {
      workerData,
      name: "overseer",
    });
    return new Overseer(worker, workerData);
  }

  /** The call into the plugin that runs now. */
  call(): { type: string; hook: string } | undefined {
    return callOf(Atomics.load(this.marks, CALL), { types: this.#types, hooks: HOOKS });
  }

  /** The types that calls are marked with, each at its index; to be told before the first call of a new one. */
  types(names: readonly string[]): void {
    this.#types = names;
    this.#worker.postMessage(names);
  }
}
