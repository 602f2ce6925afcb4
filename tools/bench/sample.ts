/** What benches work on: a log of many messages, and nodes as processes of their own. Linux. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { v7 as uuid } from "uuid";
import { type Draft, encode } from "../../core/envelope.ts";
import { Log, type Stored } from "../../core/log/log.ts";

const MAIN = join(import.meta.dirname, "../../core/main.ts");
const GROUP = 2_000;

/** One of many messages in ten rooms. */
export function draft(index: number): Draft {
  const text = `message ${index}: shall we ship it? 可以。`;
  return {
    room: `room ${index % 10}`,
    hlc: 1_800_000_000_000 * 1_024 + index,
    type: "text",
    version: 1,
    role: "row",
    author: `person ${index % 100}`,
    authorName: "Ana",
    id: uuid(),
    ref: null,
    alt: text,
    body: encode({ text }),
    blobs: [],
    extra: null,
  };
}

/** Appends that many messages; `each` is told one of every group. */
export async function fill(log: Log, count: number, each: (stored: Stored) => void = () => {}): Promise<void> {
  for (let index = 0; index < count; index += GROUP) {
    const size = Math.min(GROUP, count - index);
    const outcomes = await log.append(Array.from({ length: size }, (_, step) => draft(index + step)));
    const outcome = outcomes[index % size];
    if (outcome?.status === "stored") each(outcome.envelope);
  }
}

/** Makes a data directory that holds that many messages. */
export async function makeData(dataDir: string, count: number): Promise<void> {
  const log = await Log.open(dataDir);
  await fill(log, count);
  await log.close();
}

export type Program = {
  process: ChildProcess;
  /** What it has printed so far. */
  output: () => string;
  /** Resolves with the first line it prints that has this text; rejects where it fails before. */
  line(text: string): Promise<string>;
  /** Resolves when it has ended; rejects unless that was with 0. */
  ended: Promise<void>;
};

/** Runs web-chat from source. */
export function run(settings: Record<string, string>, ...words: string[]): Program {
  return runProgram(MAIN, settings, ...words);
}

/** Runs a program that takes web-chat's settings. */
export function runProgram(path: string, settings: Record<string, string>, ...words: string[]): Program {
  const env = { PATH: process.env.PATH, PORT: "0", HOST: "127.0.0.1", LOG_LEVEL: "info", ...settings };
  const child = spawn(process.execPath, [path, ...words], { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const printed = createInterface({ input: child.stdout });
  printed.on("line", line => lines.push(line));
  const ended = once(child, "close").then(([code]) => {
    if (code !== 0) throw new Error(`web-chat ${words.join(" ")} ended with ${code}`);
  });
  const line = async (text: string) => {
    for (;;) {
      const found = lines.find(line => line.includes(text));
      if (found !== undefined) return found;
      await Promise.race([once(printed, "line"), ended]);
    }
  };
  return { process: child, output: () => lines.join("\n"), line, ended };
}

/** The most memory that a process has held so far, in megabytes; 0 where it has ended. */
export async function peakMegabytes({ pid }: ChildProcess): Promise<number> {
  return megabytes(pid, "VmHWM");
}

export async function residentMegabytes({ pid }: ChildProcess): Promise<number> {
  return megabytes(pid, "VmRSS");
}

/** Milliseconds on a core so far, by the names of the process's threads; nothing where it has ended. */
export async function threadTimes({ pid }: ChildProcess): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  const tasks = `/proc/${pid}/task`;
  for (const task of await readdir(tasks).catch(() => [])) {
    const name = task === String(pid) ? "main" : (await readFile(`${tasks}/${task}/comm`, "utf8")).trim();
    const [nanoseconds] = (await readFile(`${tasks}/${task}/schedstat`, "utf8")).split(" ");
    times.set(name, (times.get(name) ?? 0) + Number(nanoseconds) / 1e6);
  }
  return times;
}

async function megabytes(pid: number | undefined, what: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Math.round(Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
}

export function say(what: string, figures: string): void {
  process.stdout.write(`${what}: ${figures}\n`);
}
