/** Nodes as processes of their own, for benches that work on them. Linux. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const MAIN = join(import.meta.dirname, "../../core/main.ts");

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

async function megabytes(pid: number | undefined, what: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Math.round(Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
}

export function say(what: string, figures: string): void {
  process.stdout.write(`${what}: ${figures}\n`);
}
