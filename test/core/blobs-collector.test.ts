/** Blobs that nothing refers to: a real log and real files, whose age the test sets. */
import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Collector, ORPHAN_AFTER_MS } from "../../core/blobs/collector.ts";
import { BlobFiles } from "../../core/blobs/files.ts";
import { Log } from "../../core/log/log.ts";
import { realTime } from "../../core/time.ts";
import { webm } from "../helpers/blobs.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { draft } from "../suites/samples.ts";

async function opened(t: TestContext) {
  const log = await Log.open(temporaryDirectory(t));
  cleanUp(t, () => log.close());
  const directory = join(log.directory, "blobs");
  const files = await BlobFiles.open(directory);
  const damaged: string[] = [];
  files.damaged = hash => damaged.push(hash);
  const collector = new Collector({
    files,
    log,
    time: realTime,
    failed: (_, error) => assert.fail(error as Error),
  });
  cleanUp(t, () => collector.close());
  const add = async (ageMs = ORPHAN_AFTER_MS + 60_000) => {
    const incoming = await files.receive();
    await incoming.write(webm(100));
    const hash = await incoming.finish();
    const at = new Date(Date.now() - ageMs);
    utimesSync(join(directory, hash.slice(0, 2), hash), at, at);
    return hash;
  };
  return { log, directory, files, collector, damaged, add };
}

test("what no message refers to goes after a day, and not before; what one refers to stays", async t => {
  const { log, files, collector, add } = await opened(t);
  const [referred, twice, orphan] = [await add(), await add(), await add()];
  const young = await add(ORPHAN_AFTER_MS - 60_000);
  await log.append([draft({ blobs: [referred, twice] }), draft(), draft({ blobs: [twice] })]);
  assert.equal(await collector.collect(), 1);
  assert.deepEqual(
    [referred, twice, orphan, young].map(hash => files.has(hash)),
    [true, true, false, true],
  );
  assert.equal(await collector.collect(), 0);
});

test("the blobs of an erased message go with it, unless another one refers to them", async t => {
  const { log, files, collector, add } = await opened(t);
  const [own, shared] = [await add(), await add()];
  const erased = draft({ blobs: [own, shared] });
  await log.append([erased, draft({ blobs: [shared] })]);
  assert.equal(await collector.collect(), 0);
  await log.append([draft({ role: "erase", ref: erased.id })]);
  assert.equal(await collector.collect(), 1);
  assert.deepEqual(
    [own, shared].map(hash => files.has(hash)),
    [false, true],
  );
});

test("references are found however many there are, page by page", async t => {
  const { log, files, collector, add } = await opened(t);
  const [first, last, orphan] = [await add(), await add(), await add()];
  await log.append([draft({ blobs: [first] })]);
  for (let index = 0; index < 5; index++)
    await log.append(Array.from({ length: 1_000 }, () => draft({ blobs: ["f".repeat(64)] })));
  await log.append([draft({ blobs: [last] })]);
  assert.equal(await collector.collect(), 1);
  assert.deepEqual(
    [first, last, orphan].map(hash => files.has(hash)),
    [true, true, false],
  );
});

test("it looks by itself, and not after it is closed", async t => {
  const { log, files, add } = await opened(t);
  const orphan = await add();
  const runs: [ms: number, run: () => void][] = [];
  const cancelled: number[] = [];
  const plan = (ms: number, run: () => void) => {
    runs.push([ms, run]);
    return () => cancelled.push(ms);
  };
  const { promise: removed, resolve } = Promise.withResolvers<void>();
  const watched = {
    all: () => files.all(),
    verify: (hash: string) => files.verify(hash),
    async remove(hash: string, since?: number) {
      const isRemoved = await files.remove(hash, since);
      resolve();
      return isRemoved;
    },
  };
  const collector = new Collector({
    files: watched,
    log,
    time: { ...realTime, after: plan, every: plan },
    failed: (_, error) => assert.fail(error as Error),
  });
  assert.deepEqual(
    runs.map(([ms]) => ms),
    [60_000, 3_600_000],
  );
  runs[1]?.[1]();
  await removed;
  assert.equal(files.has(orphan), false);
  await collector.close();
  assert.deepEqual(cancelled, [60_000, 3_600_000]);
  const other = await add();
  assert.equal(await collector.collect(), 0);
  assert.equal(files.has(other), true);
});

test("damage is told of, a part of all blobs at each look, and again in the next round", async t => {
  const { directory, collector, damaged, add } = await opened(t);
  const hashes: string[] = [];
  for (let index = 0; index < 10; index++) hashes.push(await add(0));
  hashes.sort();
  const [second, last] = [hashes[1] as string, hashes[9] as string];
  for (const hash of [second, last]) writeFileSync(join(directory, hash.slice(0, 2), hash), "rotten");
  await collector.verify(100);
  assert.deepEqual(damaged, []);
  await collector.verify(100);
  assert.deepEqual(damaged, [second]);
  await collector.verify();
  assert.deepEqual(damaged, [second, last]);
  await collector.verify(100);
  assert.deepEqual(damaged, [second, last]);
  await collector.verify();
  assert.deepEqual(damaged, [second, last, second, last]);
});
