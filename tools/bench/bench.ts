/**
 * The benchmark: `npm run bench`. Each workload against each contender, in turns; figures go to results/. Ends with 1 where
 * a count is wrong, and never because of a time.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { chart } from "./chart.ts";
import { keepResults, RESULTS, readResults } from "./results.ts";
import { runRounds } from "./rounds.ts";
import { report } from "./table.ts";
import type { Contender } from "./workload.ts";
import { find, letters } from "./workloads.ts";

const ROUNDS = 3;
const SHORT_WITH_PEERS = "a1";
/** Workloads at a time: counts do not depend on what else the machine does. */
const SHORT_LANES = 2;

const whole = (text: string): number => {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError("a whole number from 1 up");
  return Number(text);
};

const command = new Command("bench")
  .description("Measure web-chat beside what one would use instead.")
  .argument("[letters...]", `workloads: ${letters().join(", ")}; all unless given`)
  .option("--short", "small runs that show whether the counts are right; keeps no figures")
  .option("--rounds <n>", "how often each contender runs", whole)
  .option("--only <names>", "contenders, separated by commas")
  .parse();
const { short = false, rounds, only } = command.opts<{ short?: true; rounds?: number; only?: string }>();

const faults: string[] = [];
const left = command.args.length > 0 ? [...command.args] : letters();
await Promise.all(Array.from({ length: short ? SHORT_LANES : 1 }, measure));
if (!short) await draw();
for (const fault of faults) console.error(`WRONG: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);

/** Measures what is left, one workload after another. */
async function measure(): Promise<void> {
  for (let letter = left.shift(); letter !== undefined; letter = left.shift()) {
    const workload = await find(letter);
    const contenders = workload.contenders.filter(contender => takesPart(workload.letter, contender));
    if (contenders.length === 0) continue;
    console.log(`\n${letter}: ${workload.title}`);
    const times = short ? 1 : (rounds ?? workload.rounds ?? ROUNDS);
    const result = await runRounds(workload, contenders, { rounds: times, short, say: line => console.log(line) });
    faults.push(...result.faults);
    // What was not measured beside all others, or not as it is, is no result.
    const isWhole = !short && !only && !process.env.BENCH_FLAGS && !process.env.OVERLOAD_SECONDS;
    if (isWhole && result.faults.length === 0) keepResults(letter, times, result);
  }
}

/** The short form asks whether web-chat counts right, and in one workload whether all others still can be measured. */
function takesPart(letter: string, { name, server, speech }: Contender): boolean {
  if (only) return only.split(",").includes(name);
  return !short || (server === "web-chat" && speech === "batch") || letter === SHORT_WITH_PEERS;
}

/** Table and picture of all results, also of those that were there before. */
async function draw(): Promise<void> {
  const results = readResults();
  if (Object.keys(results).length === 0) return;
  const workloads = await Promise.all(letters().map(find));
  writeFileSync(join(RESULTS, "results.md"), report(workloads, results));
  const picture = chart(workloads, results);
  if (picture) writeFileSync(join(RESULTS, "results.svg"), picture);
}
