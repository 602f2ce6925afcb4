/** The promises of the cluster, held against thousands of troubles in simulated worlds; and whether the simulation sees at all. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";

const PROGRAM = join(import.meta.dirname, "../../tools/simulate.ts");
/** Worlds in which something was wrong once. */
const OLD_SEEDS = [3, 11, 100, 101, 105, 107, 5056, 20000163, 60000043];

/** Runs the simulation to its end; the output has its last lines only. */
async function simulate(t: TestContext, ...words: string[]): Promise<{ code: number | null; output: string }> {
  const program = spawn(process.execPath, [PROGRAM, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  cleanUp(t, () => program.kill("SIGKILL"));
  let output = "";
  program.stdout.on("data", (data: Buffer) => {
    output = `${output}${data}`.slice(-20_000);
  });
  const code = await new Promise<number | null>(resolve => program.once("close", resolve));
  return { code, output };
}

const skip = existsSync("/dev/shm") ? false : "the disks of the simulation are in /dev/shm, which this system lacks";

test("two hundred thousand steps of trouble nobody has seen before break no promise", { skip }, async t => {
  const { code, output } = await simulate(t, "--steps", "200000");
  assert.equal(code, 0, output);
  const [, steps, seed, acked] = /(\d+) steps from seed (\d+).* (\d+) acked/.exec(output) ?? [];
  t.diagnostic(`seed ${seed}`);
  assert.ok(Number(steps) >= 200_000, output);
  assert.ok(Number(acked) >= 1_000, output);
});

test("what went wrong in a simulated world once does not again", { skip }, async t => {
  for (const seed of OLD_SEEDS) {
    const { code, output } = await simulate(t, "--seed", String(seed), "--steps", "5000");
    assert.equal(code, 0, output);
  }
});

/** What the nodes leave out, and the seed of a world in which that soon shows. */
for (const [mutant, seed] of [
  ["no gap pull", 1],
  ["no heads", 1],
  ["no dedupe", 7],
  ["ack before commit", 1],
  ["early over a gap", 6],
  ["early and again", 1],
  ["early and never", 1],
  ["no fork handling", 5],
  ["no join barrier", 4],
  ["no fetching of files", 6],
  ["ack before the file", 6],
] as const)
  test(`the simulation notices nodes with ${mutant}, and tells how it came to that`, { skip }, async t => {
    const { code, output } = await simulate(t, "--seed", String(seed), "--steps", "400000", "--mutant", mutant);
    assert.equal(code, 1, output);
    const said = /seed (\d+): \d+ promises were broken after (\d+) steps; once more: npm run simulate -- /.exec(output);
    assert.ok(said, output);
    t.diagnostic(`seed ${said[1]} after ${said[2]} steps`);
  });
