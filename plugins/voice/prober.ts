/** A process that looks into files, one after the other: started with the first, and ended when none came for a while. */
import { type ChildProcess, fork } from "node:child_process";
import type { StoredBlob } from "../../core/plugin.ts";

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

/** What the process is told of a file before its bytes. */
export type Task = { size: number; cpuMs: number };
/** What it answers; without contents where the file is no audio, or is damaged. */
export type Finding = { contents?: Contents | undefined; exhausted?: true };

/** Then it is not the file that keeps it. Shorter than a node waits for a hook: the sender is told to try again. */
const PATIENCE_MS = 8_000;
/** Then it is not worth its memory. */
const IDLE_MS = 60_000;
/** Of its main thread, which only hands files on. */
const HEAP_MB = 32;
const PART_BYTES = 256 * 1024;

export class Prober {
  readonly #cpuMs: number;
  #last: Promise<unknown> = Promise.resolve();
  #process: ChildProcess | undefined;
  /** Takes what was found. */
  #answer: (finding?: Finding) => void = () => {};
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** `cpuMs` is how much of the processor's time a file may take: a machine that is busy, or slept, says nothing about it. */
  constructor(cpuMs: number) {
    this.#cpuMs = cpuMs;
  }

  /** What is in the file; undefined where the process ended before it said so. Rejects where the file cannot be read. */
  look(file: StoredBlob): Promise<Finding | undefined> {
    const looking = this.#last.then(() => this.#ask(file));
    this.#last = looking.catch(() => {});
    return looking;
  }

  async #ask(file: StoredBlob): Promise<Finding | undefined> {
    clearTimeout(this.#idle);
    this.#process ??= this.#start();
    const started = this.#process;
    const answered = new Promise<Finding | undefined>(resolve => {
      this.#answer = resolve;
    });
    const patience = setTimeout(() => this.#end(started), PATIENCE_MS);
    try {
      await this.#hand(file, started);
      return await answered;
    } finally {
      clearTimeout(patience);
      this.#idle = setTimeout(() => this.#end(started), IDLE_MS).unref();
    }
  }

  /** In parts: a large one at once would hold up everything else. */
  async #hand(file: StoredBlob, to: ChildProcess): Promise<void> {
    // That it cannot be sent is told by the end of the process.
    const send = (part: Task | Uint8Array) => new Promise(resolve => to.send(part, resolve));
    await send({ size: file.size, cpuMs: this.#cpuMs });
    for (let at = 0; at < file.size && this.#process === to; at += PART_BYTES)
      await send(await file.read(at, Math.min(at + PART_BYTES, file.size)));
  }

  #start(): ChildProcess {
    const started = fork(new URL("./process.ts", import.meta.url), {
      // Neither the node's secrets nor its flags are for a process that a file may come to command.
      env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const ended = () => this.#end(started);
    started
      .on("message", (finding: Finding) => this.#process === started && this.#answer(finding))
      .on("error", ended)
      .on("exit", ended)
      .unref();
    started.channel?.unref();
    return started;
  }

  #end(started: ChildProcess): void {
    if (this.#process !== started) return;
    this.#process = undefined;
    this.#answer();
    started.kill("SIGKILL");
  }
}
