/**
 * Looks into files that anybody may have made. What reads them can be brought to fill the memory with a few bytes, and
 * a thread that does so takes its process along: hence a process of their own, which may end at any time.
 */
import { type ChildProcess, fork } from "node:child_process";
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

/** What the prober is told of a file before it is sent the bytes: how many they are, and how long they may take. */
export type Task = { size: number; cpuMs: number };
/** What it answers; without contents where the file is no audio, or is damaged. */
export type Finding = { contents?: Contents | undefined; exhausted?: true };
type Asked = {
  file: StoredBlob;
  person: string;
  resolve: (contents: Contents | undefined) => void;
  reject: (error: unknown) => void;
};

/**
 * Time of the processor: a machine that is busy, or slept, says nothing about a file. An honest one of 15 minutes takes
 * some 50 ms. What takes longer is looked into again when nobody else waits.
 */
const FIRST_CPU_MS = 200;
const MAX_CPU_MS = 2_000;
/** Then it is not the file that keeps it. */
const PATIENCE_MS = 20_000;
/** Then the process is not worth its memory. */
const IDLE_MS = 60_000;
/** Of the process's main thread, which only hands files on. */
const HEAP_MB = 32;
const PART_BYTES = 256 * 1024;
const MAX_WAITING = 64;
/** Files never change, so neither does what was found in them. */
const MAX_REMEMBERED = 1_000;
/** Something else may have ended the process, but not each time. */
const MAX_DEATHS = 3;
/** How long somebody waits whose file took all the time or memory that one may take, or after whose the process ended. */
const AFTER_EXHAUSTION_MS = 10 * 60_000;
const AFTER_DEATH_MS = 5_000;

export class Probes {
  readonly #found = new Map<string, Promise<Contents | undefined>>();
  readonly #deaths = new Map<string, number>();
  /** The people whose files are looked into, or wait for it. */
  readonly #busy = new Set<string>();
  /** Until when people have to wait. */
  readonly #paused = new Map<string, number>();
  readonly #waiting: Asked[] = [];
  /** Those that took too much at first. */
  readonly #doubtful: Asked[] = [];
  #isWorking = false;
  #prober: ChildProcess | undefined;
  /** Takes what the prober found. */
  #answer: (finding?: Finding) => void = () => {};
  #idle: ReturnType<typeof setTimeout> | undefined;

  /**
   * What is in the file; undefined where it is no audio, or damaged. Throws or rejects with `Reject` where that cannot be
   * told in time, or where too many others wait.
   */
  look(file: StoredBlob, person: string): Promise<Contents | undefined> {
    const known = this.#found.get(file.hash);
    if (known) return known;
    this.#assertMayAsk(person);
    this.#busy.add(person);
    const looking = new Promise<Contents | undefined>((resolve, reject) => {
      this.#waiting.push({ file, person, resolve, reject });
    });
    void this.#work();
    remember(this.#found, file.hash, looking);
    // That it could not be read says nothing about the file.
    looking.catch(() => this.#found.delete(file.hash));
    return looking.finally(() => this.#busy.delete(person));
  }

  #assertMayAsk(person: string): void {
    // One file may take its time, and everybody's are looked into in turn.
    if (this.#busy.has(person)) throw new Reject("rate-limited", "one recording at a time", { retryAfterMs: 1_000 });
    const retryAfterMs = Math.ceil((this.#paused.get(person) ?? 0) - performance.now());
    if (retryAfterMs > 0)
      throw new Reject("rate-limited", "the last recording took too long to read", { retryAfterMs });
    if (this.#busy.size >= MAX_WAITING) throw new Reject("overloaded", undefined, { retryAfterMs: 1_000 });
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (;;) {
      const fresh = this.#waiting.shift();
      const asked = fresh ?? this.#doubtful.shift();
      if (!asked) break;
      try {
        const finding = await this.#ask(asked.file, fresh ? FIRST_CPU_MS : MAX_CPU_MS);
        if (fresh && finding?.exhausted) this.#doubtful.push(asked);
        else asked.resolve(this.#judge(asked, finding));
      } catch (error) {
        asked.reject(error);
      }
    }
    this.#isWorking = false;
  }

  /** Throws where the file is not to blame, or not yet. */
  #judge({ file, person }: Asked, finding: Finding | undefined): Contents | undefined {
    if (finding && !finding.exhausted) return finding.contents;
    const pauseMs = finding ? AFTER_EXHAUSTION_MS : AFTER_DEATH_MS;
    remember(this.#paused, person, performance.now() + pauseMs);
    if (finding) return undefined;
    const deaths = (this.#deaths.get(file.hash) ?? 0) + 1;
    remember(this.#deaths, file.hash, deaths);
    if (deaths >= MAX_DEATHS) return undefined;
    throw new Reject("overloaded", "the recording could not be looked into", { retryAfterMs: pauseMs });
  }

  /** Undefined where the process ended before it answered. */
  async #ask(file: StoredBlob, cpuMs: number): Promise<Finding | undefined> {
    clearTimeout(this.#idle);
    this.#prober ??= this.#start();
    const prober = this.#prober;
    const answered = new Promise<Finding | undefined>(resolve => {
      this.#answer = resolve;
    });
    const patience = setTimeout(() => this.#end(prober), PATIENCE_MS);
    try {
      await this.#hand(file, cpuMs, prober);
      return await answered;
    } finally {
      clearTimeout(patience);
      this.#idle = setTimeout(() => this.#end(prober), IDLE_MS).unref();
    }
  }

  /** In parts: a large one at once would hold up everything else. */
  async #hand(file: StoredBlob, cpuMs: number, prober: ChildProcess): Promise<void> {
    // That it cannot be sent is told by the end of the process.
    const send = (part: Task | Uint8Array) => new Promise(resolve => prober.send(part, resolve));
    await send({ size: file.size, cpuMs });
    for (let at = 0; at < file.size && this.#prober === prober; at += PART_BYTES)
      await send(await file.read(at, Math.min(at + PART_BYTES, file.size)));
  }

  #start(): ChildProcess {
    const prober = fork(new URL("./prober.ts", import.meta.url), {
      // Neither the node's secrets nor its flags are for a process that a file may come to command.
      env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const ended = () => this.#end(prober);
    prober
      .on("message", (finding: Finding) => this.#prober === prober && this.#answer(finding))
      .on("error", ended)
      .on("exit", ended)
      .unref();
    prober.channel?.unref();
    return prober;
  }

  #end(prober: ChildProcess): void {
    if (this.#prober !== prober) return;
    this.#prober = undefined;
    this.#answer();
    prober.kill("SIGKILL");
  }
}

/** Sets it, and forgets the oldest of too many. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
