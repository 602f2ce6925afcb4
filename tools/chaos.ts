/**
 * The fault run: `npm run chaos`. Three nodes as processes, people who write and read, and what can go wrong with processes,
 * networks and disks; at the end every acked message has to be on every node exactly once, and each author's in their order.
 * Faults are drawn from a seed. Ends with 1 where a promise was broken, and keeps the data then.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Result, run } from "./chaos/run.ts";
import { KINDS } from "./chaos/schedule.ts";

/** Of each place; the rest is in a file beside the data. */
const MOST_SHOWN = 5;
const LEAST_SECONDS = 5;

const whole =
  (least: number) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new InvalidArgumentError(`a whole number from ${least} up`);
    return Number(text);
  };

const { seconds, seed, program, relay, ack } = new Command("chaos")
  .description("Break three nodes for a while, and see whether they keep what they promise.")
  .option("--seconds <n>", "how long", whole(LEAST_SECONDS), 300)
  .option("--seed <n>", "of the faults; the same seed draws the same ones", whole(0), Date.now() % 1_000_000)
  .option("--program <path>", "executable to run in place of node core/main.ts")
  .option("--relay", "relays on the loopback, also where there could be network namespaces")
  .addOption(new Option("--ack <mode>", "ACK of the nodes").choices(["local", "peer"]))
  .parse()
  .opts<{ seconds: number; seed: number; program?: string; relay?: true; ack?: string }>();

const folder = mkdtempSync(join(tmpdir(), `web-chat-chaos-${process.pid}-`));
/** Data of a run that broke a promise, or came to no end, is evidence. */
let keeps = false;
let isInterrupted = false;
const open = new AsyncDisposableStack();
open.defer(() => {
  if (!keeps) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, async () => {
    if (isInterrupted) return;
    isInterrupted = true;
    await open.disposeAsync();
    process.exit(130);
  });

console.log(`seed ${seed}, ${seconds} s`);
try {
  const say = (line: string) => console.log(line);
  const wires = relay ? "relay" : undefined;
  const result = await run({ seconds, seed, folder, program, wires, ack, keeps: () => keeps, say }, open);
  report(result);
  keeps = result.breaches.length > 0;
} catch (error) {
  // What was taken away under the run fails, and is no news.
  if (isInterrupted) await new Promise(() => {});
  console.error(`The run came to no end: ${(error as Error).message}`);
  keeps = true;
}
await open.disposeAsync();
if (keeps) console.log(`the data is in ${folder}`);
// People who write and read have no end of their own where the run had none.
process.exit(keeps ? 1 : 0);

function report({
  acked,
  unknown,
  silences,
  refused,
  happened,
  holdings,
  readers,
  convergedMs,
  breaches,
}: Result): void {
  const codes = [...refused].map(([code, times]) => `${times} ${code}`).join(", ");
  const count = [...refused.values()].reduce((sum, times) => sum + times, 0);
  console.log(`\nwrites: ${acked} acked, ${unknown} unknown`);
  console.log(`answers: ${count} refused${codes && ` (${codes})`}, ${silences} did not come`);
  for (const { node, shown, hidden, envelopes, digest } of holdings)
    console.log(`node ${node}: ${shown} messages, ${hidden} second copies, ${envelopes} envelopes, digest ${digest}`);
  for (const { name, shown, joins, holes, resets, lags } of readers)
    console.log(
      `${name}: ${shown} messages, ${joins} joins, ${holes} holes seen, ${resets} resets, ${lags} times lagging`,
    );
  const times = KINDS.map(kind => `${happened.filter(fault => fault.kind === kind).length} ${kind}`);
  console.log(`faults: ${times.join(", ")}`);
  const healed = happened.flatMap(({ healedMs }) => healedMs ?? []);
  const inSeconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  console.log(
    `longest time to heal: ${inSeconds(Math.max(0, ...healed))} (${happened.length - healed.length} did not while the run went on)`,
  );
  console.log(
    `digests: ${convergedMs === undefined ? "different" : `equal ${inSeconds(convergedMs)} after the last write`}`,
  );
  for (const [where, found] of Map.groupBy(breaches, ({ where }) => where)) {
    for (const { what } of found.slice(0, MOST_SHOWN)) console.log(`broken: ${where}: ${what}`);
    if (found.length > MOST_SHOWN) console.log(`broken: ${where}: ${found.length - MOST_SHOWN} more in broken.txt`);
  }
  const lines = breaches.map(({ where, what }) => `${where}: ${what}\n`);
  if (breaches.length > 0) writeFileSync(join(folder, "broken.txt"), lines.join(""));
  if (breaches.length > 0) console.log("result: a promise was broken");
  else console.log("result: every acked message is on every node exactly once, in its author's order");
}
