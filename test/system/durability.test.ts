/** An acked message is on disk: what a kill, a full disk or a stop leaves behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { v7 as uuid } from "uuid";
import { cleanUp } from "../helpers/cleanup.ts";
import { type Answer, connect } from "../helpers/client.ts";
import { endsInOrder, everything } from "../helpers/load.ts";
import { newNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";

test("kill -9 in the middle of 5,000 messages: every acked one is there once, and nothing that was refused", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const sent = new Set<string>();
  const acked = new Set<string>();
  const refused = new Set<string>();
  for (let index = 0; index < 5_000; index++) {
    const id = uuid();
    const isBad = index % 10 === 9;
    sent.add(id);
    ana.socket.emit(
      "text",
      { id, room: "lobby", body: { text: isBad ? "" : `message ${index}` } },
      (answer: { ok: boolean }) => (answer.ok ? acked : refused).add(id),
    );
    if (index % 100 === 99) await new Promise(resolve => setImmediate(resolve));
    if (acked.size > 1_500) break;
  }
  await ana.until(() => acked.size > 1_000);
  await node.kill("SIGKILL");
  assert.ok(acked.size < sent.size, "the kill came in the middle");

  const again = await spawnNode(t, { DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: ana.welcome.token });
  const ids = (await everything(back)).map(({ id }) => id);
  t.diagnostic(`${sent.size} sent, ${acked.size} acked, ${refused.size} refused, ${ids.length} kept`);
  assert.equal(new Set(ids).size, ids.length, "nothing is there twice");
  const kept = new Set(ids);
  assert.deepEqual(
    [...acked].filter(id => !kept.has(id)),
    [],
    "every acked message is there",
  );
  assert.deepEqual(
    [...refused].filter(id => kept.has(id)),
    [],
    "no refused message is there",
  );
  assert.deepEqual(
    ids.filter(id => !sent.has(id)),
    [],
  );
});

test("a flood that the disk does not keep up with is refused at the door, and what was acked survives a kill", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const db = new DatabaseSync(join(node.dataDir, "log.db"), { timeout: 5_000 });
  cleanUp(t, () => db.close());
  const codes = new Map<string, string>();
  const send = (count: number) => {
    for (let index = 0; index < count; index++) {
      const id = uuid();
      const answered = ({ ok, code = "", retryAfterMs = 0 }: Answer) => {
        assert.ok(ok || retryAfterMs > 0);
        codes.set(id, ok ? "acked" : code);
      };
      ana.socket.emit("text", { id, room: "lobby", body: { text: `message ${index}` } }, answered);
    }
  };
  const counted = (code: string) => [...codes.values()].filter(value => value === code).length;
  // A disk that is slow once: from then on no more may wait than it took.
  db.exec("BEGIN IMMEDIATE");
  send(10);
  await ana.join("lobby");
  await new Promise(resolve => setTimeout(resolve, 300));
  db.exec("COMMIT");
  while (counted("acked") < 10) await ana.join("lobby");
  db.exec("BEGIN IMMEDIATE");
  send(2_000);
  while (counted("overloaded") < 1_000) await ana.join("lobby");
  assert.equal(counted("acked"), 10);
  db.exec("COMMIT");
  while (codes.size < 2_010) await ana.join("lobby");
  assert.equal(counted("acked") + counted("overloaded"), 2_010);
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  assert.match(metrics, new RegExp(`^chat_drafts_refused ${counted("overloaded")}$`, "m"));
  await node.kill("SIGKILL");

  const again = await spawnNode(t, { DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: ana.welcome.token });
  const acked = [...codes].flatMap(([id, code]) => (code === "acked" ? [id] : []));
  assert.deepEqual(
    (await everything(back)).map(({ id }) => id),
    acked,
  );
});

test("SIGTERM while people write: what was acked is kept, and the node ends in order", async t => {
  await endsInOrder(t, settings => spawnNode(t, settings));
});

test("SQLite syncs each commit, as its own word says", async t => {
  const node = await newNode(t);
  assert.equal(await node.log.pragma("synchronous"), 2, "FULL");
  assert.equal(await node.log.pragma("journal_mode"), "wal");
});

test("the sync to disk comes before the ack, as the kernel saw it", async t => {
  if (!existsSync("/usr/bin/strace")) return t.skip("strace is not on this machine");
  const trace = join(temporaryDirectory(t), "trace");
  // Long polling, so that the message can be read in the trace: WebSocket frames from a client are masked.
  const calls = "trace=fdatasync,fsync,read,recvfrom,write,writev,sendto,sendmsg";
  const node = await spawnNode(t, {}, ["strace", "-f", "-s", "2000", "-e", calls, "-o", trace]);
  const ana = await connect(t, node, { name: "Ana" }, { transports: ["polling"] });
  await ana.join("lobby");
  const id = uuid();
  assert.equal((await ana.ask("text", { id, room: "lobby", body: { text: "traced" } })).ok, true);
  await node.kill("SIGTERM");
  const lines = readFileSync(trace, "utf8").split("\n");
  const arrived = lines.findIndex(line => /read|recv/.test(line) && line.includes(id));
  const acked = lines.findIndex(line => /write|send/.test(line) && line.includes(id));
  assert.ok(arrived > 0 && acked > arrived, "message and ack are in the trace");
  const synced = lines.slice(arrived, acked).filter(line => /\bf(data)?sync\(/.test(line) && !line.includes("= -1"));
  assert.ok(synced.length > 0, "a sync lies between them");
});

/** A file system of that many bytes; undefined where this user cannot mount one. */
function tinyDisk(t: TestContext, bytes: number): string | undefined {
  const directory = join(temporaryDirectory(t), "disk");
  mkdirSync(directory);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  cleanUp(t, () => execFileSync("umount", ["-l", directory]));
  return directory;
}

test("a full disk: writing is refused, reading goes on, and writing works again when there is space", async t => {
  const disk = tinyDisk(t, 4 * 1024 * 1024);
  if (!disk) return t.skip("mounting a small file system needs root");
  const told: string[] = [];
  const tell = (_details: object, message: string) => void told.push(message);
  const logger = { info: tell, warn: () => {}, error: tell };
  const node = await newNode(t, { DATA_DIR: join(disk, "data") }, undefined, logger);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const kept: string[] = [];
  for (let index = 0; index < 20; index++) kept.push((await ana.say(`before ${index}`)).id);
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, "");
  try {
    for (let size = 64 * 1024; size >= 4_096; ) {
      try {
        writeFileSync(ballast, Buffer.alloc(size), { flag: "a" });
      } catch {
        size /= 2;
      }
    }
  } catch {}
  const refused: string[] = [];
  const text = "x".repeat(4_000);
  for (let index = 0; index < 400 && refused.length < 5; index++) {
    const id = uuid();
    const answer = await ana.ask("text", { id, room: "lobby", body: { text } });
    if (answer.ok) kept.push(id);
    else {
      assert.equal(answer.code, "no-space");
      refused.push(id);
    }
  }
  assert.equal(refused.length, 5, "the disk was full");
  assert.ok((await ana.join("lobby")).messages.length > 0, "reading goes on");
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
  rmSync(ballast);
  kept.push((await ana.say("after")).id);
  const stored = told.filter(message => message.includes("stored"));
  assert.deepEqual(stored, [
    "nothing can be stored: the disk of this node is full; nothing was stored",
    "messages are stored again",
  ]);
  assert.deepEqual(
    (await everything(ana)).map(({ id }) => id),
    kept,
  );
  const ns = (await everything(ana)).map(({ n }) => n);
  assert.deepEqual(
    ns,
    ns.map((_, index) => index + 1),
    "the refused ones leave no hole",
  );
});

test("what was removed is gone from the files, not only from view", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const secret = "vanishing-text-of-this-test";
  const { id } = await ana.say(secret);
  const before = await node.log.digest();
  await ana.ask("redact", { room: "lobby", ref: id, body: {} });
  await node.stop();
  for (const file of ["log.db", "log.db-wal"]) {
    const path = join(node.dataDir, file);
    if (existsSync(path)) assert.ok(!readFileSync(path).includes(secret), `${file} still has the text`);
  }
  const db = new DatabaseSync(join(node.dataDir, "log.db"), { readOnly: true });
  const row = db.prepare("SELECT alt, body, salt, length(contentHash) AS hash FROM log WHERE id = ?").get(id);
  assert.deepEqual({ ...row }, { alt: null, body: null, salt: null, hash: 32 });
  db.close();
  assert.ok(before.length > 0);
});

test("a database that is deleted under a running node is noticed: nothing more is acked, and it is not ready", async t => {
  const node = await spawnNode(t);
  await node.ready();
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("kept");
  rmSync(join(node.dataDir, "log.db"));
  await node.logged("the database is gone");
  const answer = await ana.ask("text", { room: "lobby", body: { text: "not kept" } });
  assert.equal(answer.code, "storage-failed");
  assert.equal((await fetch(`${node.url}/readyz`)).status, 503);
});
