/** How many own messages may wait for the disk: as many as it takes in a fifth of a second. */
import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type Caller, Log } from "../../core/log/log.ts";
import { StoreThread } from "../../core/log/thread.ts";
import { realTime } from "../../core/time.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { stored } from "../suites/log.ts";
import { draft, written } from "../suites/samples.ts";

/** A log whose commits take as long as it is said. */
async function slowLog(t: TestContext) {
  const directory = temporaryDirectory(t);
  const path = join(directory, "log.db");
  const thread = await StoreThread.open(path, "write");
  const reader = await StoreThread.open(path, "read");
  let [now, tookMs] = [0, 0];
  const writer: Caller = {
    async call(name, ...args) {
      const answer = await thread.call(name, ...args);
      if (name === "appendPacked") now += tookMs;
      return answer;
    },
    hurry: isAwaited => thread.hurry(isAwaited),
    close: () => thread.close(),
    hasEnded: false,
  };
  const time = { ...realTime, elapsed: () => now };
  const log = await Log.of({ directory, writer, reader, time, isInPlace: () => true, release() {} });
  cleanUp(t, () => log.close());
  const append = (count: number) => log.append(Array.from({ length: count }, () => draft()));
  return {
    log,
    append,
    async commit(count: number, ms: number) {
      tookMs = ms;
      stored(await append(count));
    },
    pass(ms: number) {
      now += ms;
    },
  };
}

const overloaded = { name: "Reject", code: "overloaded" };

test("where drafts wait for too long, no more may wait than were lately acked in that time", async t => {
  const { log, commit, append } = await slowLog(t);
  assert.equal(log.drafts.limit, 10_000);
  await commit(1_300, 1_000);
  assert.equal(log.drafts.limit, 1_300);
  const waiting = append(1_300);
  assert.throws(() => log.assertOpen(), overloaded);
  await assert.rejects(append(1), overloaded);
  assert.equal(log.drafts.refused, 2);
  stored(await waiting);
  log.assertOpen();
});

test("a few may always wait, however slow the disk is", async t => {
  const { log, commit, append } = await slowLog(t);
  await commit(10, 5_000);
  assert.equal(log.drafts.limit, 500);
  const waiting = append(500);
  await assert.rejects(append(1), overloaded);
  stored(await waiting);
});

test("what comes from peers is never refused for that, and refuses nobody", async t => {
  const { log, commit, append } = await slowLog(t);
  await commit(10, 5_000);
  const theirs = log.append(written(...Array.from({ length: 800 }, () => draft())));
  const own = append(500);
  stored(await log.append(written(draft())));
  stored([...(await theirs), ...(await own)]);
});

test("where they wait briefly again, more may wait with each commit, up to a second's work", async t => {
  const { log, commit } = await slowLog(t);
  await commit(1, 1_000);
  await commit(400, 20);
  assert.equal(log.drafts.limit, 900);
  await commit(400, 150);
  assert.equal(log.drafts.limit, 900, "neither brief nor long");
  for (let count = 0; count < 20; count++) await commit(800, 20);
  assert.equal(log.drafts.limit, 10_000);
});

test("those who were refused do not come back all at once", async t => {
  const { log, commit, append } = await slowLog(t);
  await commit(1, 1_000);
  const waiting = append(500);
  const times = new Set<unknown>();
  for (let count = 0; count < 16; count++)
    await append(1).catch(({ details }) => {
      assert.ok(details.retryAfterMs >= 250 && details.retryAfterMs <= 1_000);
      times.add(details.retryAfterMs);
    });
  assert.equal(times.size, 16);
  stored(await waiting);
  assert.equal(log.drafts.waiting, 0);
});

test("it is told how many drafts wait, and since when", async t => {
  const { log, append, pass } = await slowLog(t);
  assert.deepEqual(log.drafts, { waiting: 0, oldestMs: 0, limit: 10_000, refused: 0 });
  const first = append(2);
  pass(30);
  const second = append(3);
  assert.equal(log.drafts.waiting, 5);
  assert.equal(log.drafts.oldestMs, 30);
  await first;
  await second;
  assert.deepEqual([log.drafts.waiting, log.drafts.oldestMs], [0, 0]);
});
