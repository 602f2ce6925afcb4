/**
 * Ends a plugin that never returns: a thread sees that the main one stands still, finds out in whose code, switches that
 * plugin off on disk, and restarts the node. It is for plugins that were dropped in; a built-in type that hangs is only
 * named, and the node restarted.
 */
import { url as debuggerUrl } from "node:inspector";
import { isatty } from "node:tty";
import { Worker } from "node:worker_threads";
import { BEATS, DEBUGGED, LOADING, newMarks } from "./marks.ts";
import { type Command, ownCommand } from "./restart.ts";

export type Watched = {
  /** The plugin folders, by name. */
  folders: readonly string[];
  /** Where their compiled server halves lie: `<folder>-<hash>.mjs`, each with its source map. */
  compiled: string;
  /** Where the markers of plugins go that are off. */
  dataDir: string;
  /** The names of the hooks, each at its index. */
  hooks: readonly string[];
  /** How long a call may keep the main thread. */
  stuckMs?: number;
};

/** What the thread is started with. */
export type Watching = Required<Watched> & {
  marks: Int32Array<SharedArrayBuffer>;
  command: Command;
  /** A person reads the log. */
  terminal: boolean;
};

/** Everybody waits meanwhile, and nobody does anything useful for that long. */
export const STUCK_MS = 5_000;
const BEAT_MS = 1_000;
const HEAP_MB = 16;

export class Watchdog {
  /** What runs now is to be marked here; marks.ts says how. */
  readonly marks: Int32Array<SharedArrayBuffer>;
  readonly #folders: readonly string[];
  readonly #worker: Worker;
  readonly #beat: ReturnType<typeof setInterval>;

  private constructor(worker: Worker, { marks, folders, stuckMs }: Watching) {
    this.marks = marks;
    this.#folders = folders;
    this.#worker = worker;
    const beat = () => {
      Atomics.add(marks, BEATS, 1);
      Atomics.store(marks, DEBUGGED, debuggerUrl() === undefined ? 0 : 1);
    };
    beat();
    this.#beat = setInterval(beat, Math.min(BEAT_MS, stuckMs / 5)).unref();
  }

  /** `failed` is told when the thread has ended by itself: the node lives on without it. */
  static start(watched: Watched, failed: (error: Error) => void): Watchdog {
    const watching: Watching = {
      stuckMs: STUCK_MS,
      ...watched,
      marks: newMarks(),
      command: ownCommand(),
      terminal: isatty(1),
    };
    const worker = new Worker(new URL("./watcher.ts", import.meta.url), {
      workerData: watching,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 1 },
      name: "watchdog",
    });
    worker.on("error", failed).unref();
    return new Watchdog(worker, watching);
  }

  /** The types that calls are marked with, each at its index; to be told before the first call of a new one. */
  types(names: readonly string[]): void {
    this.#worker.postMessage(names);
  }

  /** Loads the module of a plugin folder: meanwhile what keeps the main thread is laid to that. */
  async loading<Module>(folder: string, load: () => Promise<Module>): Promise<Module> {
    Atomics.store(this.marks, LOADING, this.#folders.indexOf(folder) + 1);
    try {
      return await load();
    } finally {
      Atomics.store(this.marks, LOADING, 0);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await this.#worker.terminate();
  }
}
