/** One of the nodes: a process that is started, stopped, killed and asked, and never looked into. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Place } from "./wires.ts";

export type Heads = Record<string, { seq: number; chain: string }>;
/** What a node says at its control socket. */
export type Health = { digest: string; heads: Heads; ready: boolean; peers: { name: string; up: boolean }[] };

export type NodeOptions = {
  name: string;
  place: Place;
  dataDir: string;
  /** Where its lines go. */
  logFile: string;
  /** An executable in place of `node core/main.ts`. */
  program: string | undefined;
  settings: Record<string, string>;
};

const MAIN = join(import.meta.dirname, "../../core/main.ts");
const START_WITHIN_MS = 60_000;
const ASK_WITHIN_MS = 5_000;
const EXPORT_WITHIN_MS = 120_000;

export class ChaosNode {
  readonly name: string;
  readonly url: string;
  readonly dataDir: string;
  readonly #options: NodeOptions;
  #process: ChildProcess | undefined;
  #isClosed = false;

  constructor(options: NodeOptions) {
    this.name = options.name;
    this.url = options.place.url;
    this.dataDir = options.dataDir;
    this.#options = options;
    mkdirSync(options.dataDir, { recursive: true });
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Runs it; resolves when it serves, and tries again where it ends before. */
  async start(): Promise<void> {
    const until = performance.now() + START_WITHIN_MS;
    while (!(await this.#started())) {
      if (performance.now() > until) throw new Error(`${this.name} does not start: ${this.#options.logFile} says why`);
      if (this.#isClosed) throw new Error(`${this.name} is closed`);
      if (!this.isRunning) await this.#run();
      await sleep(50);
    }
  }

  async #run(): Promise<void> {
    const { place, program, settings, logFile, name, dataDir } = this.#options;
    const [command = "", ...words] = [...place.wrapper, ...this.#program()];
    if (program === undefined) words.splice(words.indexOf(MAIN), 0, ...place.flags);
    const child = spawn(command, words, {
      env: { PATH: process.env.PATH, ...settings, ...place.settings, NODE_NAME: name, DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const log = createWriteStream(logFile, { flags: "a" });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("close", () => log.end());
    await once(child, "spawn");
  }

  /** Command and first words of whatever runs the program. */
  #program(): string[] {
    return this.#options.program === undefined ? [process.execPath, MAIN] : [this.#options.program];
  }

  async #started(): Promise<boolean> {
    if (!this.isRunning) return false;
    const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
    return answer?.status === 200;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process?.kill(signal);
  }

  /** Ends it by that signal; resolves with how it ended. */
  async end(signal: NodeJS.Signals): Promise<string> {
    const child = this.#process;
    if (!child || !this.isRunning) return "it had ended";
    const ended = once(child, "exit");
    child.kill(signal);
    const [code, by] = (await ended) as [number | null, string | null];
    return by ?? `exit code ${code}`;
  }

  /** Ends it for good, whatever it is doing, and whoever would start it again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.end("SIGKILL");
  }

  /** What it says of itself at its control socket; undefined where it does not answer. */
  async health(): Promise<Health | undefined> {
    const options = { socketPath: join(this.dataDir, "control.sock"), path: "/healthz" };
    try {
      return await new Promise<Health>((resolve, reject) => {
        request({ ...options, agent: false, signal: AbortSignal.timeout(ASK_WITHIN_MS) }, response => {
          json(response).then(body => resolve(body as Health), reject);
        })
          .on("error", reject)
          .end();
      });
    } catch {
      return undefined;
    }
  }

  /** Writes all it holds to a file, by the program's own command. */
  async exportTo(file: string): Promise<void> {
    const [command = "", ...words] = [...this.#program(), "export", "--force", file];
    const env = { PATH: process.env.PATH, DATA_DIR: this.dataDir };
    await promisify(execFile)(command, words, { env, timeout: EXPORT_WITHIN_MS });
  }
}
