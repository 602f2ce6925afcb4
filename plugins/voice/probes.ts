/** Looks into files that anybody may have made, on a thread that may be ended: no file holds up or ends the node. */
import { Worker } from "node:worker_threads";
import { Reject, type StoredBlob } from "../../core/plugin.ts";

/** What a file says of itself. */
export type Contents = {
  /** As in `audio/webm`. */
  format: string;
  /** Of all its tracks. */
  codecs: string[];
  /** Where its last packet ends. */
  endMs: number;
  /** What its header says about that; null where it says nothing. */
  saidMs: number | null;
};

/** An honest file of 15 minutes takes some 50 ms. */
const PATIENCE_MS = 10_000;
const HEAP_MB = 64;
/** Then the thread is not worth its memory. */
const IDLE_MS = 30_000;
const MAX_WAITING = 64;
/** Files never change, so neither does what was found in them. */
const MAX_REMEMBERED = 1_000;

export class Probes {
  readonly #found = new Map<string, Promise<Contents | undefined>>();
  /** The people whose files are looked into, or wait for it. */
  readonly #busy = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #thread: Worker | undefined;
  /** Takes what the thread found. */
  #answer: (found?: Contents) => void = () => {};
  #idle: ReturnType<typeof setTimeout> | undefined;

  /**
   * What is in the file; undefined where it is no audio, or damaged. Throws or rejects with `Reject` where that cannot be
   * told in time, or where too many others wait.
   */
  look(file: StoredBlob, person: string): Promise<Contents | undefined> {
    const known = this.#found.get(file.hash);
    if (known) return known;
    // One file may take its time, and everybody's are looked into in turn.
    if (this.#busy.has(person)) throw new Reject("rate-limited", "one recording at a time", { retryAfterMs: 1_000 });
    if (this.#busy.size >= MAX_WAITING) throw new Reject("overloaded", undefined, { retryAfterMs: 1_000 });
    this.#busy.add(person);
    const looking = this.#last.then(() => this.#ask(file));
    this.#last = looking.catch(() => {});
    this.#remember(file.hash, looking);
    return looking.finally(() => this.#busy.delete(person));
  }

  #remember(hash: string, looking: Promise<Contents | undefined>): void {
    this.#found.set(hash, looking);
    const [oldest] = this.#found.keys();
    if (this.#found.size > MAX_REMEMBERED && oldest) this.#found.delete(oldest);
    // That it could not be read says nothing about the file.
    looking.catch(() => this.#found.delete(hash));
  }

  async #ask(file: StoredBlob): Promise<Contents | undefined> {
    const bytes = await file.read(0, file.size);
    clearTimeout(this.#idle);
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const answered = new Promise<Contents | undefined>(resolve => {
      this.#answer = resolve;
    });
    let isLate = false;
    const patience = setTimeout(() => {
      isLate = true;
      this.#end(thread);
    }, PATIENCE_MS);
    thread.postMessage(bytes);
    const contents = await answered;
    clearTimeout(patience);
    if (isLate) throw new Reject("invalid", "the file takes too long to read");
    this.#idle = setTimeout(() => this.#end(thread), IDLE_MS).unref();
    return contents;
  }

  #start(): Worker {
    const thread = new Worker(new URL("./probe.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: HEAP_MB / 4 },
      name: "voice probe",
    });
    const ended = () => this.#end(thread);
    thread
      .on("message", found => this.#answer(found))
      .on("error", ended)
      .on("exit", ended)
      .unref();
    return thread;
  }

  #end(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#answer();
    void thread.terminate();
  }
}
