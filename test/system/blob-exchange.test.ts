/** Files on more than one node: real disks, real HTTP, and a real bus between the nodes. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Given } from "../../core/settings.ts";
import { realTime } from "../../core/time.ts";
import { flipBit, hashOf } from "../helpers/blobs.ts";
import { type Client, connect } from "../helpers/client.ts";
import { download, typesWithFile, upload } from "../helpers/file-type.ts";
import {
  converged,
  type NodeProcess,
  newNode,
  peer,
  spawnNode,
  type TestNode,
  temporaryDirectory,
} from "../helpers/node.ts";
import { at } from "../suites/samples.ts";

const newFileNode = (t: TestContext, settings: Given = {}) =>
  newNode(t, { BLOB_QUOTA: "0", ...settings }, typesWithFile);

const FILE_NODE = [process.execPath, join(import.meta.dirname, "../../tools/bench/file-node.ts")];
/** As `newFileNode`, as a process of its own. */
const spawnFileNode = (t: TestContext, settings: Given = {}) =>
  spawnNode(t, { BLOB_QUOTA: "0", ...settings }, [], [], FILE_NODE);

type AnyNode = Pick<NodeProcess, "dataDir" | "url" | "port">;

const pathOf = (node: AnyNode, hash: string) => join(node.dataDir, "blobs", hash.slice(0, 2), hash);
const isSound = (node: AnyNode, hash: string) =>
  existsSync(pathOf(node, hash)) && hashOf(readFileSync(pathOf(node, hash))) === hash;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
}

async function enter(t: TestContext, node: AnyNode, name: string): Promise<Client> {
  const client = await connect(t, node, { name });
  await client.join("lobby");
  return client;
}

const message = (...hashes: string[]) => ({ id: randomUUID(), room: "lobby", body: { hashes } });

/** Uploads files, and sends one message for each. */
async function sendFiles(node: AnyNode, client: Client, count: number, bytes: number): Promise<string[]> {
  const hashes: string[] = [];
  for (let index = 0; index < count; index++) hashes.push(await upload(node, client, randomBytes(bytes)));
  for (const hash of hashes) assert.equal((await client.ask("file", message(hash))).ok, true);
  return hashes;
}

/** As clients do: under load a confirmation may come later than its ack could wait. Ends only where one comes at all. */
async function sendUntilConfirmed(client: Client, sent: ReturnType<typeof message>): Promise<void> {
  for (let answer = await client.ask("file", sent); !answer.ok; answer = await client.ask("file", sent)) {
    assert.equal(answer.code, "unconfirmed");
    await sleep(answer.retryAfterMs as number);
  }
}

/** How many copies a page of the room says that there are of these messages. */
async function copiesSeen(client: Client, ...ids: string[]): Promise<(number | undefined)[]> {
  const { messages } = await client.join("lobby");
  return ids.map(id => messages.find(message => message.id === id)?.copies);
}

/** How many copies there were of a message, each time that a session was told. */
const copiesTold = ({ events }: Client, id: string): number[] =>
  events
    .flatMap(([event, list]) => (event === "stored" ? (list as { id: string; copies: number }[]) : []))
    .flatMap(told => (told.id === id ? [told.copies] : []));

test("a file that was sent on one node is had from every other, also when the first is gone", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const bytes = randomBytes(700_001);
  const hash = await upload(a, ana, bytes);
  await ana.ask("file", message(hash));
  await bo.until(() => bo.messages().length === 1);
  assert.deepEqual(await download(b, bo, hash), { status: 200, bytes });
  await a.stop();
  assert.deepEqual(await download(b, bo, hash, { range: "bytes=600000-" }), {
    status: 206,
    bytes: bytes.subarray(600_000),
  });
  const c = await newFileNode(t, { NODE_NAME: "c", ...peer(b) });
  await until(() => isSound(c, hash));
  assert.deepEqual(readdirSync(join(c.dataDir, "blobs", "incoming")), []);
});

test("a request for what has not come is served through from a holder, and what nobody has is not found at once", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const bytes = randomBytes(1_500_000);
  const hash = await upload(a, ana, bytes);
  assert.equal(existsSync(pathOf(b, hash)), false, "no message refers to it");
  assert.deepEqual(await download(b, bo, hash), { status: 200, bytes });
  rmSync(pathOf(b, hash));
  assert.deepEqual(await download(b, bo, hash, { range: "bytes=5-8" }), { status: 206, bytes: bytes.subarray(5, 9) });
  assert.equal((await download(b, bo, "0".repeat(64))).status, 404);
  await a.stop();
  assert.equal((await download(b, bo, "1".repeat(64))).status, 404);
});

test("the file of an erased message is gone from every node at once, unless another message refers to it", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const [own, shared] = [await upload(a, ana), await upload(a, ana)];
  const said = message(own, shared);
  for (const one of [said, message(shared)]) assert.equal((await ana.ask("file", one)).ok, true);
  await until(() => isSound(b, own) && isSound(b, shared) && bo.messages().length === 2);
  assert.equal((await ana.ask("redact", { room: "lobby", ref: said.id, body: {} })).ok, true);
  await until(() => !existsSync(pathOf(a, own)) && !existsSync(pathOf(b, own)));
  for (const [node, who] of [
    [a, ana],
    [b, bo],
  ] as const) {
    assert.equal((await download(node, who, own)).status, 404);
    assert.equal((await download(node, who, shared)).status, 200);
  }
});

test("who hopped to another node after the upload sends the message there", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const hash = await upload(a, ana);
  assert.equal((await bo.ask("file", message(hash))).ok, true);
  assert.ok(isSound(b, hash));
  assert.equal((await bo.ask("file", message("0".repeat(64)))).code, "not-found");
});

test("a node that joins late, and is stopped in the middle, has every file in the end, and nothing half", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const ana = await enter(t, a, "Ana");
  const hashes = await sendFiles(a, ana, 60, 400_000);
  const DATA_DIR = temporaryDirectory(t);
  const first = await newFileNode(t, { NODE_NAME: "b", DATA_DIR, ...peer(a) });
  const here = (node: TestNode) => hashes.filter(hash => existsSync(pathOf(node, hash))).length;
  await until(() => here(first) >= 5);
  await first.stop();
  const before = here(first);
  t.diagnostic(`${before} of ${hashes.length} were there when it stopped`);
  const b = await newFileNode(t, { NODE_NAME: "b", DATA_DIR, ...peer(a) });
  await until(() => here(b) === hashes.length);
  assert.ok(hashes.every(hash => isSound(b, hash)));
  assert.deepEqual(readdirSync(join(DATA_DIR, "blobs", "incoming")), []);
});

test("what was damaged on a holder's disk is had from another, and healed", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  const ana = await enter(t, a, "Ana");
  const hashes = await sendFiles(a, ana, 4, 300_000);
  await until(() => hashes.every(hash => isSound(b, hash)));
  for (const hash of hashes) writeFileSync(pathOf(b, hash), randomBytes(300_000));
  const c = await newFileNode(t, { NODE_NAME: "c", ...peer(a, b) });
  await until(() => hashes.every(hash => isSound(c, hash)));
  // It asked both of them, and so told b of some.
  await until(() => hashes.some(hash => isSound(b, hash)));
});

test("damage is healed from a node that has the file: when all are read, before one is served, and when such a node comes", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  let readAll = () => assert.fail("nothing was planned");
  const afterMinute = (ms: number, run: () => void) => {
    if (ms !== 60_000) return realTime.after(ms, run);
    readAll = run as typeof readAll;
    return () => {};
  };
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) }, typesWithFile, undefined, {
    ...realTime,
    after: afterMinute,
  });
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const [hash = ""] = await sendFiles(a, ana, 1, 600_000);
  const bytes = readFileSync(pathOf(a, hash));
  await until(() => isSound(b, hash));

  flipBit(pathOf(b, hash));
  readAll();
  await until(() => isSound(b, hash));

  flipBit(pathOf(b, hash));
  const parts = await Promise.all(
    ["bytes=0-9", "bytes=299990-300009", "bytes=0-599999"].map(range => download(b, bo, hash, { range })),
  );
  assert.deepEqual(parts, [
    { status: 206, bytes: bytes.subarray(0, 10) },
    { status: 206, bytes: bytes.subarray(299_990, 300_010) },
    { status: 206, bytes },
  ]);
  assert.ok(isSound(b, hash));

  await a.stop();
  const damaged = flipBit(pathOf(b, hash));
  assert.equal((await download(b, bo, hash)).status, 503);
  assert.deepEqual(readFileSync(pathOf(b, hash)), damaged);
  await newFileNode(t, { NODE_NAME: "a", DATA_DIR: a.dataDir, ...peer(b) });
  await until(() => isSound(b, hash));
  assert.deepEqual(await download(b, bo, hash), { status: 200, bytes });
});

test("under ACK=peer an ok means that another node holds the file, too", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a", ACK: "peer" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const ana = await enter(t, a, "Ana");
  await ana.say("before");
  for (let index = 0; index < 5; index++) {
    const hash = await upload(a, ana, randomBytes(400_000));
    const answer = await ana.ask("file", message(hash));
    assert.deepEqual([answer.ok, answer.copies], [true, 2]);
    assert.ok(isSound(b, hash));
  }
  const twice = await upload(a, ana);
  assert.equal((await ana.ask("file", message(twice))).ok, true);
  assert.equal((await ana.ask("file", message(twice))).ok, true, "the other node has had it before");
});

test("under ACK=peer a file that another node has lost since it had it counts only when it is there again", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a", ACK: "peer" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const ana = await enter(t, a, "Ana");
  const hash = await upload(a, ana);
  assert.equal((await ana.ask("file", message(hash))).ok, true);
  rmSync(pathOf(b, hash));
  const incoming = join(b.dataDir, "blobs", "incoming");
  rmSync(incoming, { recursive: true });
  writeFileSync(incoming, "no folder");
  const again = message(hash);
  assert.equal((await ana.ask("file", again)).code, "unconfirmed");
  assert.deepEqual(await copiesSeen(ana, again.id), [1]);
  rmSync(incoming);
  mkdirSync(incoming);
  await sendUntilConfirmed(ana, again);
  assert.ok(isSound(b, hash));
  assert.deepEqual(await copiesSeen(ana, again.id), [2]);
});

test("a folder of files that fails holds up neither messages nor other files, and what belongs there comes when it is mended", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const lost = await upload(a, ana);
  let other = lost;
  while (other.startsWith(lost.slice(0, 2))) other = await upload(a, ana);
  const folder = join(b.dataDir, "blobs", lost.slice(0, 2));
  try {
    symlinkSync(lost.slice(0, 2), folder);
  } catch {
    return t.skip("no links can be made here");
  }
  const sent = [message(lost), message(other)];
  await Promise.all([...sent.map(message => ana.ask("file", message)), ana.say("with them")]);
  await bo.until(() => bo.messages().length === 3);
  await until(() => isSound(b, other));
  assert.equal((await download(b, bo, lost)).status, 503);
  rmSync(folder);
  assert.equal((await download(b, bo, lost)).status, 200);
  assert.ok(isSound(b, lost));
});

test("who asks for files that nobody has keeps no file of a message from its ack", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a", ACK: "peer" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, mallory] = [await enter(t, a, "Ana"), await enter(t, b, "Mallory")];
  let isOver = false;
  const statuses = new Set<number>();
  const ask = async () => {
    while (!isOver) statuses.add((await download(b, mallory, hashOf(randomBytes(8)))).status);
  };
  const asking = Array.from({ length: 40 }, ask);
  await until(() => statuses.has(404));
  for (let index = 0; index < 2; index++) {
    const hash = await upload(a, ana);
    await sendUntilConfirmed(ana, message(hash));
    assert.ok(isSound(b, hash));
  }
  const unsent = await upload(a, ana);
  assert.equal((await download(b, await enter(t, b, "Bo"), unsent)).status, 200);
  isOver = true;
  await Promise.all(asking);
  assert.deepEqual([...statuses].sort(), [404, 429]);
});

test("the file of a message that was acked under ACK=peer outlives the node that acked it, killed at that moment", async t => {
  const a = await spawnFileNode(t, { NODE_NAME: "a", ACK: "peer" });
  const b = await spawnFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready();
  const ana = await enter(t, a, "Ana");
  await ana.say("before");
  const bytes = randomBytes(1_200_000);
  const hash = await upload(a, ana, bytes);
  assert.equal((await ana.ask("file", message(hash))).ok, true);
  await a.kill("SIGKILL");
  const bo = await enter(t, b, "Bo");
  assert.deepEqual(await download(b, bo, hash), { status: 200, bytes });
});

test("a node that is killed while it fetches has every file after its next start, also where a holder stands still", async t => {
  const a = await spawnFileNode(t, { NODE_NAME: "a" });
  const b = await spawnFileNode(t, { NODE_NAME: "b", ...peer(a) });
  const ana = await enter(t, a, "Ana");
  const hashes = await sendFiles(a, ana, 40, 1_000_000);
  const has = (node: AnyNode) => hashes.filter(hash => existsSync(pathOf(node, hash))).length;
  await until(() => has(b) === hashes.length);
  const DATA_DIR = temporaryDirectory(t);
  const first = await spawnFileNode(t, { NODE_NAME: "c", DATA_DIR, ...peer(a, b) });
  await until(() => has(first) > 0);
  await first.kill("SIGKILL");
  const left = has(first);
  process.kill(a.process.pid as number, "SIGSTOP");
  const c = await spawnFileNode(t, { NODE_NAME: "c", DATA_DIR, ...peer(a, b) });
  await until(() => has(c) === hashes.length);
  process.kill(a.process.pid as number, "SIGCONT");
  t.diagnostic(`${left} of ${hashes.length} were there when it was killed`);
  assert.ok(hashes.every(hash => isSound(c, hash)));
});

test("a message whose file no other node can keep is unconfirmed under ACK=peer, and has one copy; later it is confirmed, and has two", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a", ACK: "peer" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const { token } = ana.welcome;
  await ana.say("before");
  const incoming = join(b.dataDir, "blobs", "incoming");
  rmSync(incoming, { recursive: true });
  writeFileSync(incoming, "no folder");
  const hash = await upload(a, ana);
  const sent = message(hash);
  assert.equal((await ana.ask("file", sent)).code, "unconfirmed");
  await bo.until(() => bo.messages().some(({ id }) => id === sent.id));
  const text = await ana.say("after it");
  assert.equal(text.copies, 2);
  assert.deepEqual(await copiesSeen(ana, sent.id, text.id), [1, 2]);
  const there = await connect(t, b, { token });
  assert.deepEqual(await copiesSeen(there, sent.id, text.id), [1, 2], "the node that lacks the file says so, too");
  assert.deepEqual(copiesTold(ana, sent.id), []);
  rmSync(incoming);
  mkdirSync(incoming);
  for (;;) {
    const answer = await ana.ask("file", sent);
    if (answer.ok) break;
    assert.equal(answer.code, "unconfirmed");
    await sleep(answer.retryAfterMs as number);
  }
  assert.ok(isSound(b, hash));
  assert.equal(bo.messages().filter(({ id }) => id === sent.id).length, 1);
  assert.deepEqual(copiesTold(ana, sent.id), [2]);
  assert.deepEqual([await copiesSeen(ana, sent.id), await copiesSeen(there, sent.id)], [[2], [2]]);
  await converged(a, b);

  await a.stop();
  const again = await newFileNode(t, { NODE_NAME: "a", DATA_DIR: a.dataDir, ...peer(b) });
  await again.ready;
  const back = await connect(t, again, { token });
  assert.deepEqual(await copiesSeen(back, sent.id), [1], "nobody has said since the start who holds its file");
  await back.until(() => copiesTold(back, sent.id).includes(2));
});

test("texts go on while a hundred megabytes of files go over", async t => {
  const a = await newFileNode(t, { NODE_NAME: "a" });
  const b = await newFileNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const [ana, bo] = [await enter(t, a, "Ana"), await enter(t, b, "Bo")];
  const hashes: string[] = [];
  for (let index = 0; index < 50; index++) hashes.push(await upload(a, ana, randomBytes(2_000_000)));
  assert.equal((await ana.ask("file", message(...hashes))).ok, true);
  const isHere = () => hashes.every(hash => existsSync(pathOf(b, hash)));
  const times: number[] = [];
  while (!isHere()) {
    const startedAt = performance.now();
    const { id } = await ana.say("meanwhile");
    await bo.until(() => bo.messages().some(message => message.id === id));
    times.push(performance.now() - startedAt);
    await sleep(10);
  }
  times.sort((a, b) => a - b);
  const p99 = at(times, Math.floor(times.length * 0.99));
  t.diagnostic(`${times.length} texts, p50 ${at(times, times.length >> 1).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  assert.ok(times.length >= 10, "nobody could write meanwhile");
  assert.ok(hashes.every(hash => isSound(b, hash)));
});
