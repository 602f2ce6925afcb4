/**
 * The benchmark: `npm run bench`. Each workload against each contender, in turns; figures go to results/. Ends with 1 where
 * a count is wrong, and never because of a time.
 */
import { Command, InvalidArgumentError } from "commander";
import { runRounds } from "./rounds.ts";
import { find, letters } from "./workloads.ts";

const ROUNDS = 3;

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
for (const letter of command.args.length > 0 ? command.args : letters()) {
  const workload = await find(letter);
  const contenders = workload.contenders.filter(({ name }) => !only || only.split(",").includes(name));
  if (contenders.length === 0) continue;
  console.log(`\n${letter}: ${workload.title}`);
  const times = short ? 1 : (rounds ?? workload.rounds ?? ROUNDS);
  const result = await runRounds(workload, contenders, { rounds: times, short, say: console.log });
  faults.push(...result.faults);
}
for (const fault of faults) console.error(`WRONG: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);
