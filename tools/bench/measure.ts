/** One run, in a process of its own that is the load: `node tools/bench/measure.ts <letter> <contender> [--short]`. */

import { type Figures, type Run, Skipped } from "./workload.ts";
import { find } from "./workloads.ts";

/** What the run has to say, as one line of JSON. */
export type Outcome = { figures?: Figures; faults: string[]; skipped?: string; failed?: string };

const [letter = "", name = "", short] = process.argv.slice(2);
const closing: (() => unknown)[] = [];
let closed = Promise.resolve();
// Who started this is gone, or it takes too long: nothing of it stays behind. An interrupt meets both, and its end is that of the one above.
process.stdin.resume().once("end", () => void close().then(() => process.exit(1)));
process.once("SIGTERM", () => void close().then(() => process.exit(1)));
process.on("SIGINT", () => {});
const outcome = await measure();
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit());

async function measure(): Promise<Outcome> {
  const faults: string[] = [];
  const run: Run = {
    short: short === "--short",
    defer: close => closing.push(close),
    fault: what => faults.push(what),
  };
  try {
    const workload = await find(letter);
    const contender = workload.contenders.find(contender => contender.name === name);
    if (!contender) throw new Error(`${letter} has no contender ${name}`);
    return { figures: await workload.measure(contender, run), faults };
  } catch (error) {
    if (error instanceof Skipped) return { faults, skipped: error.message };
    return { faults, failed: (error as Error).stack ?? String(error) };
  } finally {
    await close();
  }
}

/** Also what is started while it closes. */
function close(): Promise<void> {
  closed = closed.then(async () => {
    for (let last = closing.pop(); last; last = closing.pop()) await last();
  });
  return closed;
}
