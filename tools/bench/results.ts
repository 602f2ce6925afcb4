/** The figures of runs, in results/results.json: letters that were measured at different times stand beside each other. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Rounds } from "./rounds.ts";
import type { Figures } from "./workload.ts";

export const RESULTS = join(import.meta.dirname, "results");
const FILE = join(RESULTS, "results.json");

/** What one letter came to. */
export type Measured = {
  /** Of the day, in UTC. */
  date: string;
  machine: string;
  rounds: number;
  /** By contender, one a round. */
  figures: Record<string, Figures[]>;
  /** Contenders that could not run, and why. */
  skipped: Record<string, string>;
  /** Contenders whose counts were wrong, and what of them. */
  wrong?: Record<string, string>;
};
export type Results = Record<string, Measured>;

export function readResults(): Results {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as Results) : {};
}

/** Puts the letter's figures in place of those that were there. */
export function keepResults(letter: string, rounds: number, { figures, skipped, wrong }: Rounds): void {
  const date = new Date().toISOString().slice(0, 10);
  const kept = { ...readResults(), [letter]: { date, machine: machine(), rounds, figures, skipped, wrong } };
  const sorted = Object.fromEntries(Object.entries(kept).sort(([a], [b]) => (a < b ? -1 : 1)));
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(FILE, `${JSON.stringify(sorted, rounded, 1)}\n`);
}

/** Five digits say all that a figure can. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(5)) : value;
}

function machine(): string {
  const [{ model } = { model: "an unknown processor" }, ...others] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const system = `${platform()} ${release()} ${arch()}`;
  return `${others.length + 1} cores of ${model.trim()}, ${gigabytes} GB, ${system}, Node ${process.version}`;
}

export type Spread = { median: number; min: number; max: number };

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}
