import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import test from "node:test";
import type { StoredBlob } from "../../core/plugin.ts";
import * as measures from "../../plugins/voice/measures.ts";
import voice, { MAX_MS, MIN_MS, type Recording } from "../../plugins/voice/message.ts";
import server from "../../plugins/voice/server.ts";
import { box, changed, claiming, encrypted, fragmented, withBox } from "../helpers/boxes.ts";
import { recording } from "../helpers/sound.ts";
import { receiving, session } from "./context.ts";

const peaks = Array(96).fill(100);
const CONTAINERS = [
  ["webm", "audio/webm"],
  ["ogg", "audio/ogg"],
  ["mp4", "audio/mp4"],
] as const;

/** The process that looks into files, the one that was started last. */
let prober: ChildProcess | undefined;
subscribe("child_process", started => {
  prober = (started as { process: ChildProcess }).process;
});

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
const overloaded = { name: "Reject", code: "overloaded" };

test("a recording in any of the three containers is taken", async () => {
  for (const [format, mime] of CONTAINERS) {
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

/** The same file with other bytes after the first of those. */
function withBytes(file: Buffer, after: number[], ...bytes: number[]): Buffer {
  const copy = Buffer.from(file);
  Buffer.from(bytes).copy(copy, copy.indexOf(Buffer.from(after)) + after.length);
  return copy;
}

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
    ["one whose header knows no duration", withBytes(webm, [0x44, 0x89, 0x88], 0x7f, 0xf8), {}],
    ["one without a clock", withBytes(webm, [0x2a, 0xd7, 0xb1, 0x83], 0, 0, 0), {}],
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

test("one of half a second is taken in any of the three containers, and one of 0.4 s in none", async () => {
  for (const [format, mime] of CONTAINERS) {
    const changes = { mime, durationMs: 500 };
    assert.ok(await sent(await recording(format, { seconds: 0.5 }), changes), format);
    await assert.rejects(async () => sent(await recording(format, { seconds: 0.4 }), changes), invalid, format);
  }
});

test("tables of an MP4 that claim more packets than it has bytes are refused before anybody reads them", async () => {
  const mp4 = await recording("mp4");
  const path = ["moov", "trak", "mdia", "minf", "stbl"];
  const hooks = server.hooks();
  let seconds = 1;
  for (const [what, bytes] of [
    ["stz2", claiming(mp4, 60_000_000)],
    ["trun", fragmented(mp4, box("trun", 0, 60_000_000))],
    ["stts", changed(mp4, "stts", 8, 0xffff_ffff)],
    ["ctts", withBox(mp4, path, box("ctts", 0, 2, 1, 0, 0xffff_ffff, 0))],
    ["stsc", changed(mp4, "stsc", 12, 0xffff_ffff)],
  ] as const) {
    await assert.rejects(async () => sent(bytes, { mime: "audio/mp4" }, hooks), invalid, what);
    // Whoever keeps the prober busy has to wait.
    seconds++;
    assert.ok(await sent(await recording("webm", { seconds }), { durationMs: seconds * 1_000 }, hooks), what);
  }
});

test("an MP4 with an absurd duration, no time, no packets, more tracks or a cipher is invalid", async () => {
  const mp4 = await recording("mp4");
  const at = mp4.indexOf("trak") - 4;
  const track = mp4.subarray(at, at + mp4.readUInt32BE(at));
  for (const [what, bytes] of [
    ["a hundred hours", changed(mp4, "stts", 12, 48_000 * 3_600)],
    ["no time", changed(mp4, "mdhd", 12, 0)],
    ["no packets", changed(mp4, "stts", 4, 0)],
    ["200 tracks", withBox(mp4, ["moov"], Buffer.concat(Array(200).fill(track)))],
    ["a cipher", encrypted(mp4)],
  ] as const)
    await assert.rejects(async () => sent(bytes, { mime: "audio/mp4" }), invalid, what);
});

test("a file that is never read to its end is invalid, keeps nobody waiting, and its sender has to pause", async () => {
  const hooks = server.hooks();
  const [webm, ogg] = [await recording("webm"), await recording("ogg")];
  // Its list of tracks has a size that is none.
  const endless = withBytes(webm, [0, 0x16, 0x54, 0xae, 0x6b], 0);
  const order: string[] = [];
  await Promise.all([
    assert.rejects(sent(endless, {}, hooks, "mia"), invalid).then(() => order.push("mia")),
    sent(webm, {}, hooks, "raj").then(() => order.push("raj")),
  ]);
  assert.deepEqual(order, ["raj", "mia"]);
  await assert.rejects(sent(ogg, { mime: "audio/ogg" }, hooks, "mia"), { code: "rate-limited" });
});

/** Sends a file, and ends the prober while that looks into it. */
async function interrupted(bytes: Buffer, hooks: typeof shared, person: string): Promise<void> {
  const file = stored(bytes);
  const { promise: isRead, resolve } = Promise.withResolvers<void>();
  const read: StoredBlob["read"] = async (from, to) => {
    prober?.kill("SIGSTOP");
    setImmediate(resolve);
    return file.read(from, to);
  };
  const body = voice.parse({ blob: file.hash, mime: "audio/webm", durationMs: 2_000, peaks });
  const answer = hooks.receive?.(body, receiving(session(person), { blob: async () => ({ ...file, read }) }));
  await Promise.all([isRead.then(() => prober?.kill("SIGKILL")), answer]);
}

test("where the prober ends in the middle of a file, that may be sent again; where it ends each time, it is invalid", async () => {
  const hooks = server.hooks();
  const webm = await recording("webm");
  await assert.rejects(async () => interrupted(webm, hooks, "ana"), overloaded);
  assert.ok(await sent(webm, {}, hooks, "raj"));

  const other = await recording("webm", { seconds: 2.1 });
  await assert.rejects(async () => interrupted(other, hooks, "mia"), overloaded);
  await assert.rejects(async () => interrupted(other, hooks, "ben"), overloaded);
  await assert.rejects(async () => interrupted(other, hooks, "eve"), invalid);
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
