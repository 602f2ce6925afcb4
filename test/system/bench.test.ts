/** The benchmark in its short form counts deliveries, and notices a server that loses, doubles or swaps one. */
import assert from "node:assert/strict";
import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { cleanUp } from "../helpers/cleanup.ts";

const BENCH = join(import.meta.dirname, "../../tools/bench/bench.ts");
const UNTRUE = pathToFileURL(join(import.meta.dirname, "../helpers/untrue.ts")).href;
const skip = process.platform !== "linux" && "what the servers took is read from /proc";

async function bench(t: TestContext, flags: string): Promise<{ code: number; said: string }> {
  const options: SpawnOptions = {
    env: { ...process.env, BENCH_FLAGS: flags },
    stdio: ["ignore", "pipe", "pipe"],
  };
  const child = spawn(process.execPath, [BENCH, "a2", "--short", "--only", "web-chat"], options);
  cleanUp(t, () => child.kill("SIGTERM"));
  const ended = once(child, "close");
  const [out, error] = await Promise.all(
    [child.stdout, child.stderr].map(stream => text(stream as NodeJS.ReadableStream)),
  );
  const [code] = (await ended) as [number];
  return { code, said: `${out}${error}` };
}

const FAULTS = {
  lose: /50 deliveries were lost/,
  double: /50 messages were delivered twice/,
  swap: /50 messages were delivered out of their author's order/,
};

describe("the benchmark", { skip, concurrency: 4 }, () => {
  test("passes a node that tells everybody everything once and in order, and shows its figures", async t => {
    const { code, said } = await bench(t, "");
    assert.equal(code, 0, said);
    assert.match(said, /web-chat, round 1: p50, ms [\d.]+, p99, ms [\d.]+/);
    assert.doesNotMatch(said, /WRONG/);
  });

  for (const [fault, said] of Object.entries(FAULTS)) {
    test(`fails a node that will ${fault} a message`, async t => {
      const result = await bench(t, `--import=${UNTRUE}?${fault}`);
      assert.equal(result.code, 1);
      assert.match(result.said, said);
    });
  }
});
