/** Rounds of a workload: in each every contender runs once, in another order each time, so that all meet the same machine. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Outcome } from "./measure.ts";
import { LOAD_CORE, pinned } from "./servers/server.ts";
import type { Contender, Figures, Workload } from "./workload.ts";

const MEASURE = join(import.meta.dirname, "measure.ts");
const RUN_WITHIN_MS = 10 * 60_000;

export type Rounds = {
  /** Figures by contender, one a round. */
  figures: Record<string, Figures[]>;
  skipped: Record<string, string>;
  /** What was wrong with a peer's counts, by its name: it has no figures then. */
  wrong: Record<string, string>;
  /** Counts that were wrong, and runs that came to no end. */
  faults: string[];
};

type RoundsOptions = { rounds: number; short: boolean; say: (line: string) => void };

export async function runRounds(
  workload: Workload,
  contenders: readonly Contender[],
  { rounds, short, say }: RoundsOptions,
): Promise<Rounds> {
  const result: Rounds = { figures: {}, skipped: {}, wrong: {}, faults: [] };
  for (let round = 0; round < rounds; round++) {
    for (const { name, server } of rotated(contenders, round)) {
      if (name in result.skipped || name in result.wrong) continue;
      const { figures, faults, skipped, failed } = await runOnce(workload.letter, name, short);
      const what = `${workload.letter} ${name}, round ${round + 1}`;
      // That a peer loses messages is a finding; in the short form, or where nobody serves, it would be this load's own mistake.
      const isFinding = server !== "web-chat" && server !== "prepared" && !short && faults.length > 0;
      if (isFinding) result.wrong[name] = faults.join("; ");
      else for (const fault of faults) result.faults.push(`${what}: ${fault}`);
      if (failed !== undefined) result.faults.push(`${what}: ${failed}`);
      if (skipped !== undefined) result.skipped[name] = skipped;
      if (figures && !isFinding) result.figures[name] = [...(result.figures[name] ?? []), figures];
      say(
        `${what}: ${skipped ?? failed ?? shown(workload, figures ?? {})}${faults.map(fault => `; ${fault}`).join("")}`,
      );
    }
  }
  for (const name of Object.keys(result.wrong)) delete result.figures[name];
  return result;
}

/** Each round begins with the next one, and every second goes the other way round, so that nobody always follows the same one. */
function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const first = round % items.length;
  const turned = [...items.slice(first), ...items.slice(0, first)];
  return round % 2 === 0 ? turned : [...turned.slice(0, 1), ...turned.slice(1).reverse()];
}

async function runOnce(letter: string, contender: string, short: boolean): Promise<Outcome> {
  const words = [process.execPath, "--no-warnings", MEASURE, letter, contender, ...(short ? ["--short"] : [])];
  const [program = "", ...rest] = pinned(LOAD_CORE, words);
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"], timeout: RUN_WITHIN_MS });
  const said = await text(child.stdout);
  const line = said.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? (JSON.parse(line) as Outcome) : { faults: [], failed: "the run came to no end" };
}

function shown({ figures: columns }: Workload, figures: Figures): string {
  return columns
    .filter(({ key }) => key in figures)
    .map(({ key, title, digits = 0 }) => `${title} ${(figures[key] as number).toFixed(digits)}`)
    .join(", ");
}
