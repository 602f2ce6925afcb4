/** Commands on a node's data directory: how they find the node, what they do to it, and what they say where they cannot. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { json } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { v7 as uuid } from "uuid";
import { controlPath } from "../../core/control/path.ts";
import { Log } from "../../core/log/log.ts";
import type { Message } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";

import { connect, type Joined } from "../helpers/client.ts";
import {
  command,
  converged,
  newNode,
  peer,
  spawnCommand,
  spawnNode,
  temporaryDirectory,
  told,
} from "../helpers/node.ts";
import { stored } from "../suites/log.ts";
import { at, draft, written } from "../suites/samples.ts";

const socketOf = (dataDir: string) => join(dataDir, "control.sock");

/** Asks the control socket, as `curl --unix-socket` would. */
async function ask(dataDir: string, path: string, method = "GET", body = "") {
  const { path: socketPath, release } = controlPath(dataDir);
  try {
    const asked = request({ socketPath, path, method });
    asked.end(body);
    const [response] = await once(asked, "response");
    return { status: response.statusCode as number, body: (await json(response)) as Record<string, unknown> };
  } finally {
    release();
  }
}

/** A folder whose path is longer than a socket's may be. */
function longDirectory(t: TestContext): string {
  const directory = join(temporaryDirectory(t), "d".repeat(100), "e".repeat(100));
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Whether any file of a data directory has these bytes. */
function isIn(dataDir: string, text: string): boolean {
  const files = readdirSync(dataDir, { withFileTypes: true }).filter(entry => entry.isFile());
  return files.some(({ name }) => readFileSync(join(dataDir, name)).includes(text));
}

test("the control socket is its owner's alone, says what the public port does not, and goes with the node", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("hello");
  if (process.platform !== "win32") assert.equal(statSync(socketOf(node.dataDir)).mode & 0o777, 0o600);
  const open = (await (await fetch(`${node.url}/healthz`)).json()) as object;
  const { status, body } = await ask(node.dataDir, "/healthz");
  assert.equal(status, 200);
  const { digest, heads, ...rest } = body;
  assert.deepEqual(rest, open);
  assert.equal(digest, await node.log.digest());
  assert.deepEqual(heads, await node.log.heads());
  for (const name of ["standing", "page", "append", "erase", "forget"]) {
    assert.equal((await fetch(`${node.url}/${name}`, { method: "POST" })).status, 405);
    assert.equal((await fetch(`${node.url}/${name}`)).status, 404);
  }
  await node.stop();
  assert.ok(!existsSync(socketOf(node.dataDir)));
});

test("what the control socket does not understand is refused under a code, and the node lives", async t => {
  const node = await newNode(t);
  const cases: [path: string, method: string, body: string, status: number, code: string][] = [
    ["/", "GET", "", 404, "not-found"],
    ["/__proto__", "POST", "", 404, "not-found"],
    ["/standing", "GET", "", 404, "not-found"],
    ["/page", "POST", "", 400, "invalid"],
    ["/page", "POST", "\u0001", 400, "invalid"],
    ["/append", "POST", "\u00c1", 400, "invalid"],
    ["/erase", "POST", "x".repeat(5 * 1024 * 1024), 400, "too-large"],
  ];
  for (const [path, method, body, status, code] of cases) {
    const answer = await ask(node.dataDir, path, method, body);
    assert.deepEqual([answer.status, answer.body.code], [status, code], `${method} ${path}`);
  }
  assert.equal((await command(node.dataDir, "digest")).code, 0);
});

test("a data directory with a path longer than a socket's works like any other", async t => {
  const dataDir = longDirectory(t);
  const node = await spawnNode(t, { DATA_DIR: dataDir });
  assert.ok(statSync(socketOf(dataDir)).isSocket());
  // The lock is the node's: whatever answers came through the socket.
  const { out, error } = await command(dataDir, "digest");
  assert.match(out, /^[0-9a-f]{64}\n$/, error);
  // Where a relative path is short enough, that serves.
  const near = spawnCommand("e".repeat(100), ["digest"], { cwd: join(dataDir, "..") });
  assert.equal((await told(near)).out, out);
  await node.kill("SIGTERM");
  assert.ok(!existsSync(socketOf(dataDir)));
});

test("the socket that a killed node leaves behind keeps neither commands nor the next node from their work", async t => {
  const node = await spawnNode(t);
  await node.kill("SIGKILL");
  assert.ok(statSync(socketOf(node.dataDir)).isSocket());
  assert.equal((await command(node.dataDir, "digest")).code, 0);
  const again = await spawnNode(t, { DATA_DIR: node.dataDir });
  assert.equal((await ask(again.dataDir, "/healthz")).status, 200);
});

test("a node that can make no socket says so in one line and serves; commands then say that they cannot reach it", async t => {
  const dataDir = temporaryDirectory(t);
  mkdirSync(join(socketOf(dataDir), "in the way"), { recursive: true });
  const node = await spawnNode(t, { DATA_DIR: dataDir });
  await node.ready();
  assert.equal(node.lines.filter(line => line.includes("there is no control socket")).length, 1);
  const { code, error } = await command(dataDir, "digest");
  assert.equal(code, 1);
  assert.match(
    error,
    /^web-chat: .* is in use, by a node without a control socket or another command \[unreachable\]\n$/,
  );
});

test("a node that hangs is called unreachable, one without a database by what to set", async t => {
  const node = await spawnNode(t);
  process.kill(node.process.pid as number, "SIGSTOP");
  const hangs = await command(node.dataDir, "digest");
  process.kill(node.process.pid as number, "SIGCONT");
  assert.equal(hangs.code, 1);
  assert.match(hangs.error, /^web-chat: the node on .* runs, and does not answer \[unreachable\]\n$/);
  const nothing = join(temporaryDirectory(t), "nothing");
  for (const words of [["digest"], ["export", "-"], ["erase", "x"], ["forget", "x"], ["backup", join(nothing, "b")]]) {
    const { code, error } = await command(nothing, ...words);
    assert.equal(code, 1);
    assert.match(error, /^web-chat: .* holds no database: set PORT or DATA_DIR \[data-dir\]\n$/);
  }
  assert.ok(!existsSync(nothing), "and nothing was made");
  const unknown = await command(node.dataDir, "export");
  assert.equal(unknown.code, 1);
  assert.match(unknown.error, /^web-chat: missing required argument 'file'/);
});

test("a database of a newer version is left alone by every command that reads or writes messages", async t => {
  const dataDir = temporaryDirectory(t);
  const path = join(dataDir, "log.db");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA user_version = 4711");
  db.close();
  const before = readFileSync(path);
  for (const words of [["digest"], ["export", "-"], ["erase", "x"]]) {
    const { code, out, error } = await command(dataDir, ...words);
    assert.deepEqual([code, out], [1, ""], words.join(" "));
    assert.match(
      error,
      /^web-chat: the database has version 4711, .* run a newer web-chat on it \[database-newer\]\n$/,
    );
  }
  assert.deepEqual(readFileSync(path), before);
});

test("of a folder/* the one node that is there is meant, of several the one of that name, or one has to be named", async t => {
  const parent = temporaryDirectory(t);
  const any = join(parent, "*");
  assert.match((await command(any, "digest")).error, /holds no database/);
  await newNode(t, { DATA_DIR: any, NODE_NAME: "one" });
  assert.equal((await command(any, "digest")).code, 0);
  const second = await newNode(t, { DATA_DIR: any, NODE_NAME: "two" });
  await second.log.append([draft()]);
  const { code, error } = await command(any, "digest");
  assert.equal(code, 1);
  assert.match(
    error,
    /^web-chat: .* stands for several nodes: name one with --data-dir, such as .*\/1 \[data-dir\]\n$/,
  );
  const digest = `${await second.log.digest()}\n`;
  assert.equal((await command(second.dataDir, "digest")).out, digest);
  assert.equal((await command(any, "digest", "--node-name", "two")).out, digest);
});

test("another user is told whose node it is", async t => {
  if (process.getuid?.() !== 0) return t.skip("running a command as another user needs root");
  const node = await newNode(t);
  const run = () => told(spawnCommand(node.dataDir, ["digest"], { uid: 65_534, gid: 65_534 }));
  const belongs = /^web-chat: .* belongs to another user: run this as that one \[not-allowed\]\n$/;
  assert.match((await run()).error, belongs);
  chmodSync(node.dataDir, 0o755);
  assert.match((await run()).error, belongs, "the socket alone keeps strangers out");
});

test("the digest is the same through the node and without it, and with --json says where each stream ends", async t => {
  const dataDir = temporaryDirectory(t);
  const log = await Log.open(dataDir);
  await log.append([draft(), ...written(draft(), draft())]);
  const [digest, heads] = [await log.digest(), await log.heads()];
  await log.close();
  const said = async () => {
    const { out } = await command(dataDir, "digest");
    const { out: more } = await command(dataDir, "digest", "--json");
    return [out, JSON.parse(more)];
  };
  const expected = [`${digest}\n`, { digest, envelopes: 3, heads }];
  assert.deepEqual(await said(), expected);
  await newNode(t, { DATA_DIR: dataDir });
  assert.deepEqual(await said(), expected);
});

test("a backup under load is a moment of the log that a node starts on; keys and certificates are not in it", async t => {
  const node = await newNode(t);
  mkdirSync(join(node.dataDir, "tls"));
  writeFileSync(join(node.dataDir, "tls", "key.pem"), "secret");
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const acked: string[] = [];
  let writing = true;
  const writer = (async () => {
    while (writing) acked.push((await ana.say(`message ${acked.length}`)).id);
  })();
  await ana.until(() => acked.length > 50);
  const before = [...acked];
  const folder = join(temporaryDirectory(t), "deep", "copy");
  const { code, error } = await command(node.dataDir, "backup", folder);
  assert.equal(code, 0, error);
  writing = false;
  await writer;
  assert.deepEqual(readdirSync(folder), ["log.db"]);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "log.db")).mode & 0o777, 0o600);

  const again = await command(node.dataDir, "backup", folder);
  assert.equal(again.code, 1);
  assert.match(again.error, /^web-chat: .*log\.db is there already \[file-exists\]\n$/);

  const quiet = join(temporaryDirectory(t), "copy");
  assert.equal((await command(node.dataDir, "backup", quiet)).code, 0);
  const digest = await node.log.digest();
  await node.stop();
  const [loaded, same] = [await newNode(t, { DATA_DIR: folder }), await newNode(t, { DATA_DIR: quiet })];
  assert.equal(await same.log.digest(), digest);
  assert.deepEqual([loaded.id, same.id], [node.id, node.id]);
  assert.equal(same.log.origin, node.log.origin);
  const bo = await connect(t, loaded, { token: ana.welcome.token });
  const kept = new Set<string>();
  for (let joined: Joined | undefined; joined?.more !== false; ) {
    joined = await bo.join("lobby", joined?.cursor ?? {});
    for (const { id } of joined.messages) kept.add(id);
  }
  assert.deepEqual(
    before.filter(id => !kept.has(id)),
    [],
  );
  await same.log.append([draft()]);
});

test("a database of a node that is down is backed up as it is, also where a kill left part of it in the write-ahead log", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("kept");
  await node.kill("SIGKILL");
  const folder = temporaryDirectory(t);
  assert.equal((await command(node.dataDir, "backup", folder)).code, 0);
  assert.equal((await command(folder, "digest")).out, (await command(node.dataDir, "digest")).out);
  assert.ok(isIn(folder, "kept"));
});

test("an operator empties a message on every node, whoever wrote it, and its text is gone from the files", async t => {
  const one = await newNode(t);
  const two = await newNode(t, peer(one));
  // One without the plugin that removes messages.
  const three = await newNode(
    t,
    peer(one),
    plugins.filter(({ message }) => message.type === "text"),
  );
  const nodes = [one, two, three];
  const clients = await Promise.all(nodes.map((node, index) => connect(t, node, { name: `Ana ${index}` })));
  for (const client of clients) await client.join("lobby");
  const [ana, bo] = clients as [(typeof clients)[0], (typeof clients)[0]];
  const secret = "the cake is in the cellar";
  const { id } = await bo.say(secret);
  await bo.say("harmless");
  await ana.until(() => ana.messages().length === 2);
  await converged(...nodes);
  assert.ok(isIn(one.dataDir, secret));

  const { code, out, error } = await command(one.dataDir, "erase", id);
  assert.equal(code, 0, error);
  assert.match(out, new RegExp(`^emptied: lobby, Ana 1 \\(${bo.welcome.you.id}\\), 20\\d\\d-.*Z\n$`));
  assert.ok(!isIn(one.dataDir, secret), "as soon as the command has ended");
  for (const client of clients) {
    const erasure = await client.until(() => client.messages().find(({ role }) => role === "erase"));
    assert.deepEqual([erasure.type, erasure.ref, erasure.author.id], ["chat:erase", id, bo.welcome.you.id]);
  }
  await converged(...nodes);
  for (const { log } of nodes) assert.equal((await log.find(id))?.body, null);
  for (const client of clients) {
    const { messages } = await client.join("lobby");
    assert.deepEqual(
      messages.map(({ erased }) => erased),
      [true, undefined],
    );
    assert.ok(
      messages.every(({ role }) => role === undefined),
      "a row says no role",
    );
  }
  for (const node of nodes) {
    await node.stop();
    assert.ok(!isIn(node.dataDir, secret));
    assert.ok(isIn(node.dataDir, "harmless"));
  }
});

test("a message is erased while the node is down, too, and once only", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const secret = "the key is under the mat";
  const { id } = await ana.say(secret);
  await node.stop();
  const first = await command(node.dataDir, "erase", id);
  assert.equal(first.code, 0, first.error);
  assert.ok(!isIn(node.dataDir, secret));
  const { out } = await command(node.dataDir, "digest");
  assert.equal((await command(node.dataDir, "erase", id)).out, first.out);
  assert.equal((await command(node.dataDir, "digest")).out, out, "the second time there was nothing to do");
  const again = await newNode(t, { DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: ana.welcome.token });
  assert.equal((await back.join("lobby")).messages[0]?.erased, true);
});

test("everybody's message of that id is erased, in every room; what replaced it goes with it", async t => {
  const node = await newNode(t);
  const id = uuid();
  const text = (changes: object) => draft({ id, alt: "gone", body: Buffer.from("gone"), ...changes });
  for (const changes of [{}, { author: "bo", authorName: "Bo\u001b[2J" }, { room: "hall" }])
    stored(await node.log.append(written(text(changes))));
  stored(
    await node.log.append([
      text({ id: uuid(), role: "replace", ref: id }),
      draft({ id: uuid(), role: "mark", ref: id }),
    ]),
  );
  const { code, out, error } = await command(node.dataDir, "erase", id);
  assert.equal(code, 0, error);
  assert.equal(out.trim().split("\n").length, 3);
  assert.ok(!out.includes("\u001b"), "a name cannot steer the terminal");
  const pos = node.log.pos;
  const held = await node.log.since(0, pos, 100, 1024 * 1024);
  assert.equal(held.filter(({ body }) => body === null).length, 4);
  assert.equal(held.filter(({ role, body }) => role === "mark" && body !== null).length, 1);
  assert.deepEqual(
    held
      .filter(({ role }) => role === "erase")
      .map(({ type, room, author, ref }) => [type, room, author, ref])
      .sort(),
    [
      ["chat:erase", "hall", "ana", id],
      ["chat:erase", "lobby", "ana", id],
      ["chat:erase", "lobby", "bo", id],
    ],
  );
  const unknown = await command(node.dataDir, "erase", uuid());
  assert.equal(unknown.code, 1);
  assert.match(unknown.error, /^web-chat: there is no message of that id \[not-found\]\n$/);
});

test("no client can send what is the core's own", async t => {
  const node = await newNode(t);
  const [ana, bo] = await Promise.all([connect(t, node, { name: "Ana" }), connect(t, node, { name: "Bo" })]);
  await Promise.all([ana.join("lobby"), bo.join("lobby")]);
  const { id } = await ana.say("stays");
  for (const type of ["chat:erase", "chat:name", "chat:anything"])
    assert.equal((await bo.ask(type, { room: "lobby", ref: id, body: {} })).code, "unknown-type");
  const { messages } = (await bo.join("lobby")) as { messages: Message[] };
  assert.equal(at(messages, 0).erased, undefined);
});
