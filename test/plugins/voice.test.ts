import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import type { StoredBlob } from "../../core/plugin.ts";
import * as measures from "../../plugins/voice/measures.ts";
import voice, { MAX_MS, MIN_MS, type Recording } from "../../plugins/voice/message.ts";
import server from "../../plugins/voice/server.ts";
import { recording } from "../helpers/sound.ts";
import { receiving, session } from "./context.ts";

const peaks = Array(96).fill(100);

function stored(bytes: Uint8Array, type = "application/octet-stream"): StoredBlob {
  return {
    hash: createHash("sha256").update(bytes).digest("hex"),
    size: bytes.length,
    type,
    read: async (from, to) => bytes.slice(from, to),
  };
}

/** Those of one node, for all tests that need none of their own. */
const shared = server.hooks();

/** What the server makes of a message about that file. */
async function sent(bytes: Uint8Array, changes: Partial<Recording> = {}, hooks = shared, person = "ana") {
  const file = stored(bytes);
  const body = voice.parse({ blob: file.hash, mime: "audio/webm", durationMs: 2_000, peaks, ...changes });
  return hooks.receive?.(
    body,
    receiving(session(person), { blob: async hash => (hash === file.hash ? file : undefined) }),
  );
}

const invalid = { name: "Reject", code: "invalid" };

test("a recording in any of the three containers is taken", async () => {
  for (const [format, mime] of [
    ["webm", "audio/webm"],
    ["ogg", "audio/ogg"],
    ["mp4", "audio/mp4"],
  ] as const) {
    const body = (await sent(await recording(format), { mime })) as Recording;
    assert.equal(body.mime, mime);
  }
});

test("the summary says how long it is", () => {
  const body = { blob: "0".repeat(64), mime: "audio/webm", peaks } as const;
  assert.equal(voice.summary({ ...body, durationMs: 7_250 }), "Voice message, 0:07");
  assert.equal(voice.summary({ ...body, durationMs: 754_900 }), "Voice message, 12:35");
  assert.deepEqual([measures.MIN_MS, measures.MAX_MS], [MIN_MS, MAX_MS], "and the page knows the same limits");
  assert.deepEqual(voice.blobs?.({ ...body, durationMs: 7_250 }), ["0".repeat(64)]);
});

test("what does not have the form of a voice message is refused before any file is looked at", () => {
  const good = { blob: "0".repeat(64), mime: "audio/webm", durationMs: 2_000, peaks };
  for (const wrong of [
    { blob: "../../../etc/passwd" },
    { blob: "0".repeat(63) },
    { blob: "A".repeat(64) },
    { mime: "text/html" },
    { durationMs: 499 },
    { durationMs: 900_001 },
    { durationMs: 1_000.5 },
    { durationMs: Number.NaN },
    { peaks: peaks.slice(0, 63) },
    { peaks: Array(129).fill(1) },
    { peaks: [...peaks.slice(1), 256] },
    { peaks: [...peaks.slice(1), -1] },
    { peaks: [...peaks.slice(1), 0.5] },
    { peaks: "loud" },
  ])
    assert.throws(() => voice.parse({ ...good, ...wrong }), invalid, JSON.stringify(wrong));
});

test("a file that this node does not hold is not found", async () => {
  const body = voice.parse({ blob: "0".repeat(64), mime: "audio/webm", durationMs: 2_000, peaks });
  await assert.rejects(async () => server.hooks().receive?.(body, receiving(session("ana"))), {
    name: "Reject",
    code: "not-found",
  });
});

test("what is no recording is invalid, whatever it is called", async () => {
  const webm = await recording("webm");
  const mp4 = await recording("mp4");
  const text = (words: string) => Buffer.from(words.padEnd(2_000));
  for (const [what, bytes, changes] of [
    ["a page", text("<!doctype html><script>alert(1)</script>"), {}],
    ["a page with a container's first bytes", Buffer.concat([webm.subarray(0, 4), text("<script>")]), {}],
    ["nothing", Buffer.alloc(0), {}],
    ["a file of zeros", Buffer.alloc(50_000), {}],
    ["a zip file", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(1_000)]), {}],
    ["another container than it says", mp4, { mime: "audio/webm" }],
    ["another codec", await recording("mp4", { codec: "opus" }), { mime: "audio/mp4" }],
    ["Vorbis", await recording("webm", { codec: "pcm-s16" as "opus" }).catch(() => text("none")), {}],
    ["half a WebM", webm.subarray(0, webm.length / 2), {}],
    ["half an MP4", mp4.subarray(0, mp4.length / 2), { mime: "audio/mp4" }],
    ["a shorter one", webm, { durationMs: 5_000 }],
    ["a longer one", await recording("webm", { seconds: 5 }), {}],
    ["one with a megabyte behind it", Buffer.concat([webm, Buffer.alloc(1 << 20)]), {}],
    ["one of less than half a second", await recording("webm", { seconds: 0.3 }), { durationMs: 500 }],
    ["one of 16 minutes", await recording("webm", { seconds: 960 }), { durationMs: 900_000 }],
  ] as const)
    await assert.rejects(async () => sent(bytes, changes), invalid, what);
});

/** The same MP4 with one more box at the end of the innermost of those that `path` leads through. */
function withBox(file: Buffer, path: readonly string[], box: Buffer): Buffer {
  const grown = Buffer.concat([file, Buffer.alloc(box.length)]);
  let from = 0;
  let to = file.length;
  for (const name of path) {
    while (from < to && file.toString("latin1", from + 4, from + 8) !== name) from += file.readUInt32BE(from);
    assert.ok(from < to, `there is no ${name}`);
    to = from + file.readUInt32BE(from);
    grown.writeUInt32BE(to - from + box.length, from);
    from += 8;
  }
  box.copy(grown, to);
  file.copy(grown, to + box.length, to);
  return grown;
}

function box(name: string, ...words: number[]): Buffer {
  const bytes = Buffer.alloc(8 + 4 * words.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.write(name, 4, "latin1");
  for (const [at, word] of words.entries()) bytes.writeUInt32BE(word, 8 + 4 * at);
  return bytes;
}

test("an MP4 that claims a hundred hours, or more samples than memory holds, is invalid, and the node lives", async t => {
  const mp4 = await recording("mp4");
  const before = process.memoryUsage().rss;
  let most = before;
  const watching = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 5);
  const long = Buffer.from(mp4);
  const times = long.indexOf("stts");
  long.writeUInt32BE(48_000 * 3_600, times + 16);
  await assert.rejects(async () => sent(long, { mime: "audio/mp4" }), invalid);

  const many = withBox(mp4, ["moov", "trak", "mdia", "minf", "stbl"], box("ctts", 0, 1, 0xffff_ffff, 0));
  many.writeUInt32BE(0xffff_ffff, many.indexOf("stts") + 12);
  await assert.rejects(async () => sent(many, { mime: "audio/mp4" }), invalid);
  clearInterval(watching);
  const grownMb = (most - before) / 2 ** 20;
  t.diagnostic(`${grownMb.toFixed(0)} MB more while it was looked into`);
  assert.ok(grownMb < 300, `${grownMb} MB`);

  const good = (await sent(mp4, { mime: "audio/mp4" })) as Recording;
  assert.equal(good.durationMs, 2_000, "an honest one after it is taken");
});

test("one person's recordings are looked into one at a time, and the same file once", async () => {
  const hooks = server.hooks();
  const [one, two] = [await recording("webm"), await recording("ogg")];
  const first = sent(one, {}, hooks);
  await assert.rejects(async () => sent(two, { mime: "audio/ogg" }, hooks), { code: "rate-limited" });
  const other = sent(two, { mime: "audio/ogg" }, hooks, "raj");
  await Promise.all([first, other]);
  let reads = 0;
  const file = stored(one);
  const counted = { ...file, read: async () => Buffer.alloc(reads++) };
  const body = voice.parse({ blob: file.hash, mime: "audio/webm", durationMs: 2_000, peaks });
  await hooks.receive?.(body, receiving(session("mia"), { blob: async () => counted }));
  assert.equal(reads, 0);
});
