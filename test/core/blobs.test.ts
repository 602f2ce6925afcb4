/** Files by their hash: whole and synced, or not there. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { Checks } from "../../core/blobs/checks.ts";
import { type BlobFile, BlobFiles } from "../../core/blobs/files.ts";
import { isInline, typeOf } from "../../core/blobs/type.ts";
import { filesIn, flipBit, hashOf, smallDisk, WEBM, webm } from "../helpers/blobs.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { holds } from "../suites/samples.ts";

const settled = () => new Promise(resolve => setImmediate(resolve));

async function opened(t: TestContext) {
  const directory = join(temporaryDirectory(t), "blobs");
  const files = await BlobFiles.open(directory);
  const add = async (bytes: Uint8Array, expected?: string) => {
    const incoming = await files.receive();
    await incoming.write(bytes);
    const hash = await incoming.finish(expected);
    return { hash, isNew: incoming.isNew };
  };
  const pathOf = (hash: string) => join(directory, hash.slice(0, 2), hash);
  return { files, directory, add, pathOf };
}

test("a file is there when it is finished, under its hash, for its owner only, and nothing else is", async t => {
  const { files, directory, pathOf } = await opened(t);
  const bytes = webm();
  const hash = hashOf(bytes);
  const incoming = await files.receive();
  await incoming.write(bytes.subarray(0, 4_000));
  await incoming.write(bytes.subarray(4_000));
  assert.equal(incoming.size, bytes.length);
  assert.equal(files.has(hash), false);
  assert.equal(await files.info(hash), undefined);
  assert.equal(await incoming.finish(), hash);
  assert.equal(incoming.isNew, true);
  assert.equal(files.has(hash), true);
  assert.deepEqual(await files.info(hash), { size: bytes.length, type: "video/webm" });
  assert.deepEqual(filesIn(directory), [join(hash.slice(0, 2), hash)]);
  assert.deepEqual(readFileSync(pathOf(hash)), bytes);
  if (process.platform === "win32") return;
  assert.equal(statSync(pathOf(hash)).mode & 0o777, 0o600);
  for (const folder of [directory, join(directory, "incoming"), join(directory, hash.slice(0, 2))])
    assert.equal(statSync(folder).mode & 0o777, 0o700, folder);
});

test("of a folder that the disk does not read nothing is here, which is said, and nothing fails", async t => {
  const { files, directory, add } = await opened(t);
  const [good, lost] = [await add(webm()), await add(webm())];
  const why: unknown[] = [];
  files.unreadable = ({ code }) => why.push(code);
  const folder = join(directory, lost.hash.slice(0, 2));
  rmSync(folder, { recursive: true });
  try {
    symlinkSync(lost.hash.slice(0, 2), folder);
  } catch {
    return t.skip("no links can be made here");
  }
  assert.deepEqual([files.has(lost.hash), files.touch(lost.hash), files.size(lost.hash)], [false, false, undefined]);
  assert.deepEqual([await files.info(lost.hash), await files.isWhole(lost.hash)], [undefined, false]);
  assert.equal(await files.remove(lost.hash), false);
  const listed = [];
  for await (const { hash } of files.all()) listed.push(hash);
  assert.deepEqual(listed, good.hash.startsWith(lost.hash.slice(0, 2)) ? [] : [good.hash]);
  assert.deepEqual(new Set(why), new Set(["ELOOP"]));
});

test("what is removed is told of", async t => {
  const { files, add } = await opened(t);
  const { hash } = await add(webm());
  const removed: string[] = [];
  files.removed = hash => removed.push(hash);
  assert.equal(await files.remove("0".repeat(64)), false);
  assert.equal(await files.remove(hash), true);
  assert.deepEqual(removed, [hash]);
});

test("any part of a file is read, and streamed, as it is", async t => {
  const { files, add } = await opened(t);
  const bytes = webm(200_000);
  const { hash } = await add(bytes);
  for (const [from, to] of [
    [0, 200_000],
    [0, 1],
    [199_999, 200_000],
    [70_000, 140_001],
    [5, 5],
    [199_990, 300_000],
    [300_000, 400_000],
  ] as const) {
    const expected = bytes.subarray(from, to);
    assert.deepEqual(Buffer.from(await files.read(hash, from, to)), Buffer.from(expected));
    assert.deepEqual(await buffer(files.stream(hash, from, to)), Buffer.from(expected));
  }
  await assert.rejects(files.read(hashOf(Buffer.from("not here")), 0, 1), { code: "not-found" });
});

test("the same bytes are stored once, whoever brings them, also at the same time", async t => {
  const { files, directory, add } = await opened(t);
  const bytes = webm();
  assert.equal((await add(bytes)).isNew, true);
  assert.equal((await add(bytes)).isNew, false);
  const others = webm();
  const brought = await Promise.all(Array.from({ length: 10 }, () => add(others)));
  assert.equal(brought.filter(({ isNew }) => isNew).length, 1);
  assert.equal(filesIn(directory).length, 2);
  assert.deepEqual(files.usage, { files: 2, bytes: bytes.length + others.length });
});

test("what is not what was expected, or is abandoned, leaves nothing behind", async t => {
  const { files, directory, add } = await opened(t);
  await assert.rejects(add(webm(), hashOf(Buffer.from("other"))), { code: "invalid" });
  const incoming = await files.receive();
  await incoming.write(webm());
  await incoming.abandon();
  await incoming.abandon();
  assert.deepEqual(filesIn(directory), []);
  assert.deepEqual(files.usage, { files: 0, bytes: 0 });
  const bytes = webm();
  assert.equal((await add(bytes, hashOf(bytes))).hash, hashOf(bytes));
});

test("what was coming in when the node ended is removed at the start, and the rest is counted", async t => {
  const { files, directory, add } = await opened(t);
  const { hash } = await add(webm(5_000));
  await add(webm(7_000));
  const incoming = await files.receive();
  await incoming.write(webm());
  assert.equal(filesIn(join(directory, "incoming")).length, 1);
  mkdirSync(join(directory, "aa"), { recursive: true });
  writeFileSync(join(directory, "aa", "no blob"), "what somebody else put there");
  const again = await BlobFiles.open(directory);
  assert.deepEqual(filesIn(join(directory, "incoming")), []);
  assert.ok(again.has(hash));
  // Removing waits until they are counted.
  await again.remove(hashOf(Buffer.from("none")));
  assert.deepEqual(again.usage, { files: 2, bytes: 12_000 });
  await again.remove(hash);
  assert.deepEqual(again.usage, { files: 1, bytes: 7_000 });
  assert.equal(again.has(hash), false);
  await incoming.abandon();
});

test("damage is seen, and the right bytes put in its place", async t => {
  const { files, add, pathOf } = await opened(t);
  const bytes = webm();
  const { hash } = await add(bytes);
  assert.equal(await files.verify(hash), true);
  truncateSync(pathOf(hash), 9_999);
  assert.equal(await files.verify(hash), false);
  assert.deepEqual(
    [files.has(hash), files.touch(hash), files.size(hash), await files.info(hash)],
    [false, false, undefined, undefined],
  );
  assert.equal(readFileSync(pathOf(hash)).length, 9_999, "its bytes stay until there are better ones");
  assert.equal((await add(bytes)).isNew, true);
  assert.equal(await files.verify(hash), true);
  assert.deepEqual(files.usage, { files: 1, bytes: 10_000 });
  await assert.rejects(files.verify(hashOf(Buffer.from("none"))), { code: "not-found" });
});

test("a file is read once to see whether it is whole, for all who ask, and not where it came since the start", async t => {
  const { files, directory, add, pathOf } = await opened(t);
  const { hash } = await add(webm());
  /** As a disk rots: nothing else about the file changes. */
  const rot = () => {
    const { mtimeMs } = statSync(pathOf(hash));
    flipBit(pathOf(hash));
    utimesSync(pathOf(hash), mtimeMs / 1_000, mtimeMs / 1_000);
    assert.equal(statSync(pathOf(hash)).mtimeMs, mtimeMs);
  };
  assert.equal(files.touch(hash), true);
  rot();
  assert.equal(await files.isWhole(hash), true, "its bytes were right when they came: it is not read");
  const again = await BlobFiles.open(directory);
  const damaged: string[] = [];
  again.damaged = hash => damaged.push(hash);
  assert.equal(again.has(hash), true, "nobody knows yet");
  const asked = await Promise.all(Array.from({ length: 10 }, () => again.isWhole(hash)));
  assert.deepEqual([asked.includes(true), again.isDamaged(hash), again.has(hash)], [false, true, false]);
  assert.deepEqual(damaged, [hash], "and that once");
  assert.equal(await again.isWhole(hash), false);
  assert.equal(damaged.length, 1, "it is not read again");
  flipBit(pathOf(hash));
  assert.equal(await again.isWhole(hash), true, "somebody put it right by hand");
  assert.equal(await again.isWhole(hashOf(Buffer.from("none"))), false);
});

test("what is larger than 64 MB is read by none but the collector", async t => {
  const { files, pathOf } = await opened(t);
  const hash = hashOf(Buffer.from("something else"));
  mkdirSync(join(pathOf(hash), ".."));
  writeFileSync(pathOf(hash), "");
  truncateSync(pathOf(hash), 64 * 1024 ** 2 + 1);
  assert.equal(await files.isWhole(hash), true);
  assert.equal(await files.verify(hash), false);
  assert.equal(await files.isWhole(hash), false);
  truncateSync(pathOf(hash), 64 * 1024 ** 2);
  assert.equal(await files.isWhole(hash), false);
});

test("two files are read at a time, however many are asked for, and one that fails gives its place up", async () => {
  const checks = new Checks();
  const running: PromiseWithResolvers<boolean>[] = [];
  const check = () => {
    const one = Promise.withResolvers<boolean>();
    running.push(one);
    return one.promise;
  };
  const asked = ["a", "b", "a", "c", "d"].map(hash => checks.share(hash, check).catch((error: Error) => error.message));
  await settled();
  assert.equal(running.length, 2);
  running[0]?.resolve(true);
  running[1]?.reject(new Error("failed"));
  await settled();
  assert.equal(running.length, 4);
  for (const { resolve } of running) resolve(false);
  assert.deepEqual(await Promise.all(asked), [true, "failed", true, false, false]);
  void checks.share("a", check);
  await settled();
  assert.equal(running.length, 5, "what was asked for before is asked for anew");
});

test("what came again or was referred to meanwhile is not removed as old", async t => {
  const { files, add, pathOf } = await opened(t);
  const bytes = webm();
  const { hash } = await add(bytes);
  const longAgo = new Date("2020-01-01");
  const since = Date.now() - 60_000;
  const age = () => utimesSync(pathOf(hash), longAgo, longAgo);
  age();
  assert.equal(files.touch(hash), true);
  await files.remove(hash, since);
  assert.equal(files.has(hash), true);
  age();
  await add(bytes);
  await files.remove(hash, since);
  assert.equal(files.has(hash), true);
  age();
  await files.remove(hash, since);
  assert.equal(files.has(hash), false);
  assert.equal(files.touch(hash), false);
});

test("every file is listed, with its size and age", async t => {
  const { files, add } = await opened(t);
  const added = new Set<string>();
  for (let index = 0; index < 20; index++) added.add((await add(webm(100 + index))).hash);
  const listed: BlobFile[] = [];
  for await (const file of files.all()) listed.push(file);
  assert.deepEqual(
    listed,
    listed.toSorted((a, b) => (a.hash < b.hash ? -1 : 1)),
  );
  assert.deepEqual(new Set(listed.map(({ hash }) => hash)), added);
  assert.equal(
    listed.reduce((sum, { size }) => sum + size, 0),
    20 * 100 + 190,
  );
  assert.ok(listed.every(({ modifiedMs }) => Math.abs(Date.now() - modifiedMs) < 60_000));
});

test("whatever a name holds, nothing outside the folder is touched", async t => {
  const { files, directory } = await opened(t);
  writeFileSync(join(directory, "..", "secret"), "secret");
  const name = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "../secret",
      "..",
      "/etc/passwd",
      "incoming",
      "",
      "__proto__",
      "A".repeat(64),
      `${"a".repeat(64)}\n`,
    ),
    fc.stringMatching(/^(\.\.[/\\])*[0-9a-f]{0,64}$/),
  );
  await holds(
    t,
    fc.asyncProperty(name, async name => {
      assert.equal(files.has(name), false);
      assert.equal(files.touch(name), false);
      assert.equal(await files.info(name), undefined);
      await files.remove(name);
      const isHash = /^[0-9a-f]{64}$/.test(name) && !name.includes("\n");
      await assert.rejects(files.read(name, 0, 10), { code: isHash ? "not-found" : "invalid" });
    }),
    { numRuns: 300 },
  );
  assert.equal(readFileSync(join(directory, "..", "secret"), "utf8"), "secret");
});

test("a disk that is nearly full takes no more, and one that is full refuses without a trace", async t => {
  const disk = smallDisk(t, 4);
  if (!disk) return t.skip("mounting a small disk is not allowed here");
  const files = await BlobFiles.open(join(disk, "blobs"));
  await files.assertRoom(3_500_000);
  await assert.rejects(files.assertRoom(4 * 1024 * 1024 - 20_000), { code: "no-space" });
  const incoming = await files.receive();
  await assert.rejects(
    async () => {
      for (let index = 0; index < 100; index++) await incoming.write(Buffer.alloc(100_000));
    },
    { code: "no-space" },
  );
  await incoming.abandon();
  assert.deepEqual(filesIn(join(disk, "blobs")), []);
  await files.assertRoom(3_500_000);
});

test("a folder that cannot be used is named", async t => {
  const file = join(temporaryDirectory(t), "file");
  writeFileSync(file, "");
  await assert.rejects(BlobFiles.open(file), { code: "data-dir" });
});

const OGG_OPUS = Buffer.concat([
  Buffer.from("4f6767530002000000000000000001000000000000000000000001", "hex"),
  Buffer.from("\x13OpusHead\x01\x01"),
  Buffer.alloc(40),
]);

test("the type is what the first bytes say", async () => {
  const cases: [bytes: Buffer, type: string | RegExp, inline: boolean][] = [
    [WEBM, "video/webm", true],
    [OGG_OPUS, /^audio\/ogg/, true],
    [Buffer.from("\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42", "latin1"), /^audio\//, true],
    [Buffer.from("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "latin1"), "video/mp4", true],
    [Buffer.from("GIF89a\x01\x00\x01\x00<script>alert(1)</script>"), "image/gif", true],
    [Buffer.from("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "latin1"), /png|octet/, true],
    [Buffer.from("<!doctype html><script>alert(1)</script>"), "application/octet-stream", false],
    [Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), /xml|svg/, false],
    [Buffer.from("%PDF-1.7\n%html"), "application/pdf", false],
    [Buffer.from("PK\x03\x04\x14\x00\x00\x00\x08\x00"), /zip|octet/, false],
    [Buffer.from("#!/bin/sh\n"), /./, false],
    [Buffer.alloc(0), "application/octet-stream", false],
  ];
  for (const [bytes, expected, inline] of cases) {
    const type = await typeOf(bytes);
    if (typeof expected === "string") assert.equal(type, expected);
    else assert.match(type, expected);
    if (type !== "application/octet-stream") assert.equal(isInline(type), inline, type);
  }
});

test("whatever the bytes are, they have a type", async t => {
  const start = fc.constantFrom(
    WEBM,
    OGG_OPUS,
    Buffer.from("RIFF"),
    Buffer.from("PK\x03\x04"),
    Buffer.from("ID3"),
    Buffer.alloc(0),
  );
  await holds(
    t,
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 4_100 }), async (start, rest) => {
      assert.match(await typeOf(Buffer.concat([start, rest]).subarray(0, 4_100)), /^[\w.+-]+\/[\w.+-]+/);
    }),
    { numRuns: 500 },
  );
});
