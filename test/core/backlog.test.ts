/** The write-ahead log is moved into the database beside the writer, and does not grow without end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type Caller, Log } from "../../core/log/log.ts";
import { StoreThread } from "../../core/log/thread.ts";
import { realTime } from "../../core/time.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { stored } from "../suites/log.ts";
import { draft } from "../suites/samples.ts";

/** A log that tells of its checkpoints, as `thread mode`. */
async function newLog(t: TestContext) {
  const directory = temporaryDirectory(t);
  const path = join(directory, "log.db");
  const checkpoints: string[] = [];
  let moved = () => {};
  const told = async (access: "write" | "read"): Promise<Caller> => {
    const thread = await StoreThread.open(path, access);
    return {
      async call(name, ...args) {
        const answer = await thread.call(name, ...args);
        if (name === "checkpoint") {
          checkpoints.push(`${access} ${args[0]}`);
          moved();
        }
        return answer;
      },
      hurry: isAwaited => thread.hurry(isAwaited),
      close: () => thread.close(),
      hasEnded: false,
    };
  };
  const [writer, reader] = [await told("write"), await told("read")];
  let now = 0;
  const timers: (() => void)[] = [];
  const time = {
    ...realTime,
    elapsed: () => now,
    every: (_ms: number, run: () => void) => {
      timers.push(run);
      return () => {};
    },
  };
  const log = await Log.of({ directory, writer, reader, time, isInPlace: () => true, release() {} });
  cleanUp(t, () => log.close());
  const isMoved = () =>
    new Promise<void>(resolve => {
      moved = resolve;
    });
  const pass = (ms: number) => {
    now += ms;
    for (const run of timers) run();
  };
  // What the run before this one erased.
  const scrubbed = isMoved();
  pass(5_000);
  await scrubbed;
  return { log, checkpoints: checkpoints.splice(0) && checkpoints, pass, isMoved };
}

test("after three hundred commits it is moved by the reader's thread", async t => {
  const { log, checkpoints, isMoved } = await newLog(t);
  const moving = isMoved();
  for (let count = 0; count < 299; count++) stored(await log.append([draft()]));
  assert.deepEqual(checkpoints, []);
  stored(await log.append([draft()]));
  await moving;
  assert.equal(checkpoints[0], "read PASSIVE");
});

test("four thousand envelopes are worth it as well, however few commits they took", async t => {
  const { log, checkpoints, isMoved } = await newLog(t);
  const moving = isMoved();
  stored(await log.append(Array.from({ length: 4_000 }, () => draft({ body: null, alt: null }))));
  await moving;
  assert.equal(checkpoints[0], "read PASSIVE");
});

test("a little is moved after a while, and nothing where nothing came", async t => {
  const { log, checkpoints, pass, isMoved } = await newLog(t);
  pass(20_000);
  stored(await log.append([draft()]));
  const moving = isMoved();
  pass(5_000);
  await moving;
  pass(20_000);
  stored(await log.append([draft()]));
  assert.deepEqual(checkpoints, ["read PASSIVE"]);
});

test("what was erased is scrubbed on the writer's thread", async t => {
  const { log, checkpoints, pass, isMoved } = await newLog(t);
  stored(await log.append([draft({ id: "one" })]));
  stored(await log.append([draft({ role: "erase", ref: "one" })]));
  const scrubbing = isMoved();
  pass(5_000);
  await scrubbing;
  assert.deepEqual(checkpoints, ["write TRUNCATE"]);
  assert.equal(log.walBytes, 0);
});

test("it stays small while somebody writes all the time", async t => {
  const { log } = await newLog(t);
  let most = 0;
  for (let count = 0; count < 100; count++) {
    stored(await log.append(Array.from({ length: 500 }, () => draft())));
    most = Math.max(most, log.walBytes);
  }
  assert.ok(most > 0 && most < 24 * 1024 * 1024, `${most} bytes`);
});
