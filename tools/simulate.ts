/**
 * Drives nodes without sockets, threads and clocks through trouble drawn from a seed, and checks the promises after each:
 * `npm run simulate -- --seed N --steps M [--mutant "no heads"] [--trace]`.
 */
import { parseArgs } from "node:util";
import { MUTANTS } from "./simulate/mutants.ts";
import { type Figures, type Outcome, Run } from "./simulate/run.ts";

/** What is shown of the last world where it ended badly. */
const TRACE_LINES = 150;
/** Steps in one world: a run of more goes on in another, with the seed after. */
const WORLD_STEPS = 20_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    steps: { type: "string", default: "200000" },
    mutant: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});
const first = Number(values.seed ?? Date.now() % 1_000_000_000);
const wanted = Number(values.steps);
const mutant = values.mutant === undefined ? undefined : MUTANTS[values.mutant];
if (values.mutant !== undefined && !mutant) {
  console.error(`there is no such mutant; there are: ${Object.keys(MUTANTS).join(", ")}`);
  process.exit(2);
}

const totals: Partial<Figures> = {};
const startedAt = performance.now();
let steps = 0;
for (let seed = first; steps < wanted; seed++) {
  const size = Math.min(WORLD_STEPS, wanted - steps);
  const outcome = await Run.of(seed, size, { tracing: values.trace, mutant });
  steps += outcome.steps;
  for (const [name, count] of Object.entries(outcome.figures) as [keyof Figures, number][])
    totals[name] = (totals[name] ?? 0) + count;
  if (values.trace) console.log(outcome.trace.slice(-TRACE_LINES).join("\n"));
  if (outcome.problems.length > 0) await fail(seed, size, outcome);
}
const seconds = (performance.now() - startedAt) / 1_000;
console.log(
  `${steps} steps from seed ${first} in ${seconds.toFixed(0)} s: ${Object.entries(totals)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ")}; every promise was kept`,
);

/** Runs the world again to tell how it came to that. */
async function fail(seed: number, size: number, { problems, steps }: Outcome): Promise<never> {
  const again = await Run.of(seed, size, { tracing: true, mutant });
  console.log(again.trace.slice(-TRACE_LINES).join("\n"));
  const same = again.steps === steps && again.problems.join() === problems.join();
  console.log(problems.slice(0, 20).join("\n"));
  console.log(
    `seed ${seed}: ${problems.length} promises were broken after ${steps} steps${same ? "" : " (and not in the same way again)"}; once more: npm run simulate -- --seed ${seed} --steps ${size}${values.mutant ? ` --mutant "${values.mutant}"` : ""} --trace`,
  );
  process.exit(1);
}
