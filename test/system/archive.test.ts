/** Export and import: what goes into the file, what comes out of it, and what is refused. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { backUpTo } from "../../core/commands/backup.ts";
import { exportTo } from "../../core/commands/export.ts";
import { importFrom } from "../../core/commands/import.ts";
import type { Envelope } from "../../core/envelope.ts";
import { Log } from "../../core/log/log.ts";
import type { Message } from "../../core/plugin.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { type Client, connect } from "../helpers/client.ts";
import { command, converged, newNode, peer, spawnCommand, temporaryDirectory, told } from "../helpers/node.ts";
import { stored } from "../suites/log.ts";
import { at, draft, holds, written } from "../suites/samples.ts";

const as = (dataDir: string) => ({ dataDir, name: "node" });
const exporting = { program: "test", force: false };

/** The path of a file that is not there yet. */
const newFile = (t: TestContext) => join(temporaryDirectory(t), "archive.jsonl");

/** A log in a folder of its own, closed again: what a node leaves behind that has ended. */
async function leftBehind(t: TestContext, fill: (log: Log) => Promise<unknown>, dataDir = temporaryDirectory(t)) {
  const log = await Log.open(dataDir);
  try {
    await fill(log);
    return { dataDir, digest: await log.digest() };
  } finally {
    await log.close();
  }
}

/** Everything a room shows, page by page. */
async function history(client: Client, room: string): Promise<Message[]> {
  await client.join(room);
  const pages: Message[][] = [];
  for (let older = true; older; ) {
    const before = pages[0]?.find(({ role }) => role === undefined)?.key;
    const answer = await client.ask("history", { room, limit: 7, ...(before && { before }) });
    assert.ok(answer.ok, answer.message);
    pages.unshift(answer.messages as Message[]);
    older = answer.older as boolean;
  }
  // How many nodes hold it is another matter on every node.
  return pages.flat().map(({ copies: _, ...message }) => message);
}

test("what one node holds is the same on an empty one, message for message, and the people are still who they were", async t => {
  const one = await newNode(t);
  const ana = await connect(t, one, { name: "Ana" });
  const bo = await connect(t, one, { name: "Bo" });
  const { room } = (await ana.ask("chat:room", { name: "Küche" })) as unknown as { room: { id: string } };
  const said: string[] = [];
  for (const client of [ana, bo]) for (const id of ["lobby", room.id]) await client.join(id);
  for (let index = 0; index < 30; index++) {
    const { id } = await (index % 2 ? ana : bo).say(`message ${index}: 可以 🙂`, index % 3 ? "lobby" : room.id);
    said.push(id);
  }
  assert.ok((await bo.ask("redact", { room: room.id, ref: said[0], body: {} })).ok);
  await ana.ask("chat:logout");

  const file = newFile(t);
  assert.equal((await command(one.dataDir, "export", file)).code, 0);
  assert.ok(!readFileSync(file, "utf8").includes("message 0:"), "what was emptied is not in the file");
  const two = await newNode(t);
  const imported = await command(two.dataDir, "import", file);
  assert.equal(imported.code, 0, imported.error);
  assert.equal(await two.log.digest(), await one.log.digest());
  const here = await connect(t, one, { token: bo.welcome.token });
  const there = await connect(t, two, { token: bo.welcome.token });
  assert.deepEqual(there.welcome.you, bo.welcome.you);
  assert.deepEqual(there.welcome.rooms, here.welcome.rooms);
  for (const id of ["lobby", room.id]) {
    const expected = await history(here, id);
    assert.ok(expected.length >= 10);
    assert.deepEqual(await history(there, id), expected);
  }
  await assert.rejects(connect(t, two, { token: ana.welcome.token }), { code: "session-unknown" });
});

test("nothing that was acked before an export began is missing in it, while a thousand a second are written", async t => {
  const node = await newNode(t);
  const clients = await Promise.all(["Ana", "Bo", "Cy", "Di"].map(name => connect(t, node, { name })));
  const acked = new Set<string>();
  let writing = true;
  const writers = clients.map(async client => {
    await client.join("lobby");
    const answers: Promise<unknown>[] = [];
    for (let index = 0; writing; index++) {
      answers.push(client.say(`message ${index}`).then(({ id }) => acked.add(id)));
      if (index % 5 === 4) await new Promise(resolve => setTimeout(resolve, 10));
    }
    await Promise.all(answers);
  });
  await clients[0]?.until(() => acked.size > 500);
  const files: { path: string; before: Set<string> }[] = [];
  const startedAt = performance.now();
  const ackedAtStart = acked.size;
  for (let count = 0; count < 3; count++) {
    const path = newFile(t);
    files.push({ path, before: new Set(acked) });
    const { code, error } = await command(node.dataDir, "export", path);
    assert.equal(code, 0, error);
  }
  t.diagnostic(`${Math.round(((acked.size - ackedAtStart) / (performance.now() - startedAt)) * 1_000)} acked a second`);
  writing = false;
  await Promise.all(writers);
  for (const { path, before } of files) {
    const kept = new Set(envelopesIn(path).map(({ id }) => id));
    assert.deepEqual(
      [...before].filter(id => !kept.has(id)),
      [],
    );
    const empty = temporaryDirectory(t);
    assert.deepEqual(await importFrom(path, as(empty)), { stored: kept.size, known: 0 });
  }
});

/** The envelopes of a file, their bytes still in base64. */
function envelopesIn(path: string): Envelope[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.slice(1, -1).map(line => JSON.parse(line) as Envelope);
}

test("a damaged file is refused at the damaged line, and nothing of it is stored", async t => {
  const file = newFile(t);
  const { dataDir } = await leftBehind(t, async log => {
    await log.append(Array.from({ length: 20 }, () => draft()));
    await log.append(written(...Array.from({ length: 20 }, () => draft({ room: "hall" }))));
  });
  await exportTo(file, as(dataDir), exporting);
  const lines = readFileSync(file, "utf8").split(/(?<=\n)/);
  const node = await newNode(t);
  const digest = await node.log.digest();
  const damaged = newFile(t);
  await holds(
    t,
    fc.asyncProperty(
      fc.nat(lines.length - 1),
      fc.nat(),
      fc.constantFrom("flip", "cut", "remove", "repeat"),
      async (line, place, how) => {
        const parts: (string | Buffer)[] = [...lines];
        const bytes = Buffer.from(at(lines, line));
        let expected = line + 1;
        if (how === "flip") {
          bytes[place % bytes.length] = (bytes[place % bytes.length] as number) ^ 1;
          parts[line] = bytes;
        } else if (how === "cut") parts.splice(line, lines.length, bytes.subarray(0, place % bytes.length));
        else if (how === "remove") parts.splice(line, 1);
        else {
          parts.splice(line, 0, bytes);
          expected++;
        }
        writeFileSync(damaged, Buffer.concat(parts.map(part => Buffer.from(part))));
        await assert.rejects(importFrom(damaged, as(node.dataDir)), {
          name: "Reject",
          message: new RegExp(`line ${expected}: `),
        });
        assert.equal(await node.log.digest(), digest);
      },
    ),
    { numRuns: 150 },
  );
  await importFrom(file, as(node.dataDir));
  assert.equal((await node.log.heads())[at(envelopesIn(file), 0).origin]?.seq, 20);
});

test("the command says which line is damaged, in one line, and fails", async t => {
  const file = newFile(t);
  const { dataDir } = await leftBehind(t, log => log.append([draft(), draft()]));
  await exportTo(file, as(dataDir), exporting);
  writeFileSync(file, readFileSync(file, "utf8").replace("message", "massage"));
  const empty = temporaryDirectory(t);
  const { code, out, error } = await command(empty, "import", file);
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(error, /^web-chat: line 2: .*\[archive-damaged\]\n$/);
});

test("importing again stores nothing, here or through a node that runs, nor does what it holds already come twice", async t => {
  const file = newFile(t);
  const { dataDir, digest } = await leftBehind(t, async log => {
    await log.append(Array.from({ length: 10 }, () => draft()));
    await log.append(written(draft(), draft()));
  });
  await exportTo(file, as(dataDir), exporting);
  assert.deepEqual(await importFrom(file, as(dataDir)), { stored: 0, known: 12 });
  const node = await newNode(t);
  assert.deepEqual(await importFrom(file, as(node.dataDir)), { stored: 12, known: 0 });
  assert.deepEqual(await importFrom(file, as(node.dataDir)), { stored: 0, known: 12 });
  assert.equal(await node.log.digest(), digest);
  // The node goes on, and so does the one that the file came from.
  await node.log.append([draft()]);
  await leftBehind(t, log => log.append([draft(), draft()]), dataDir);
  const newer = newFile(t);
  await exportTo(newer, as(dataDir), exporting);
  assert.deepEqual(await importFrom(newer, as(node.dataDir)), { stored: 2, known: 12 });
  assert.deepEqual(await importFrom(file, as(node.dataDir)), { stored: 0, known: 12 });
});

test("an import through the standard input, of an export through the standard output", async t => {
  const { dataDir, digest } = await leftBehind(t, log => log.append(Array.from({ length: 500 }, () => draft())));
  const target = temporaryDirectory(t);
  const from = spawnCommand(dataDir, ["export", "-"]);
  const into = spawnCommand(target, ["import", "-"]);
  from.stdout.pipe(into.stdin);
  const [exported, imported] = await Promise.all([once(from, "close"), once(into, "close")]);
  assert.deepEqual([exported[0], imported[0]], [0, 0]);
  assert.equal((await command(target, "digest")).out, `${digest}\n`);
});

test("an import through the standard input says what became of it, and leaves nothing behind", async t => {
  const file = newFile(t);
  const { dataDir } = await leftBehind(t, log => log.append([draft(), draft()]));
  await exportTo(file, as(dataDir), exporting);
  const archive = readFileSync(file, "utf8");
  const target = temporaryDirectory(t);
  const env = { PATH: process.env.PATH, DATA_DIR: target, TMPDIR: temporaryDirectory(t) };
  for (const [input, code, says] of [
    [archive.replace(/sum":"./, 'sum":"-'), 1, /^web-chat: line 1: .*\[archive-damaged\]$/m],
    ["", 1, /^web-chat: line 1: the file is empty \[archive-damaged\]$/m],
    [archive, 0, /^2 envelopes were new in .*, 0 were there$/m],
    [archive, 0, /^0 envelopes were new in .*, 2 were there$/m],
  ] as const) {
    const importing = spawnCommand(target, ["import", "-"], { env });
    importing.stdin.write(input);
    const ended = await told(importing);
    assert.equal(ended.code, code, ended.error);
    assert.match(code === 0 ? ended.out : ended.error, says);
  }
  assert.deepEqual(readdirSync(env.TMPDIR), []);
});

test("an import that is ended while it reads the standard input leaves nothing of it behind", async t => {
  if (process.platform !== "linux") return t.skip("only Linux shows which files a process has open");
  const env = { PATH: process.env.PATH, DATA_DIR: temporaryDirectory(t), TMPDIR: temporaryDirectory(t) };
  const importing = spawnCommand(env.DATA_DIR, ["import", "-"], { env });
  const ended = once(importing, "close");
  importing.stdin.write("what was said");
  const open = `/proc/${importing.pid}/fd`;
  const holdsText = (fd: string) => {
    try {
      const path = join(open, fd);
      // The folder is open, too, while it is being removed.
      const held = statSync(path);
      return readlinkSync(path).startsWith(env.TMPDIR) && held.isFile() && held.size > 0;
    } catch {
      // Closed meanwhile.
      return false;
    }
  };
  const isUnderWay = () => {
    try {
      return readdirSync(open).some(holdsText);
    } catch {
      // The process is not quite there.
      return false;
    }
  };
  while (!isUnderWay()) {
    assert.equal(importing.exitCode, null, "it reads on");
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  importing.kill("SIGKILL");
  await ended;
  assert.deepEqual(readdirSync(env.TMPDIR), []);
});

test("an import that is killed half-way leaves a beginning; importing again completes it", async t => {
  const file = newFile(t);
  const { dataDir, digest } = await leftBehind(t, async log => {
    for (let count = 0; count < 20; count++) {
      await log.append(Array.from({ length: 1_000 }, () => draft()));
      await log.append(written(draft(), draft()));
    }
  });
  const { envelopes } = await exportTo(file, as(dataDir), exporting);
  const target = temporaryDirectory(t);
  const importing = spawnCommand(target, ["import", file]);
  const ended = once(importing, "close");
  const walBytes = () => statSync(join(target, "log.db-wal"), { throwIfNoEntry: false })?.size ?? 0;
  while (importing.exitCode === null && walBytes() < 1024 * 1024) await new Promise(resolve => setTimeout(resolve, 5));
  importing.kill("SIGKILL");
  await ended;
  const { stored: rest, known } = await importFrom(file, as(target));
  t.diagnostic(`${known} of ${envelopes} were there when the import was killed`);
  assert.ok(known > 0);
  assert.equal(rest + known, envelopes);
  assert.equal((await command(target, "digest")).out, `${digest}\n`);
});

test("what is imported into a node that runs reaches who is in the room, and the other nodes", async t => {
  const file = newFile(t);
  const { dataDir } = await leftBehind(t, log => log.append(Array.from({ length: 40 }, () => draft())));
  await exportTo(file, as(dataDir), exporting);
  const one = await newNode(t);
  const two = await newNode(t, peer(one));
  const [here, there] = await Promise.all([connect(t, one, { name: "Ana" }), connect(t, two, { name: "Bo" })]);
  await Promise.all([here.join("lobby"), there.join("lobby")]);
  assert.equal((await command(one.dataDir, "import", file)).code, 0);
  for (const client of [here, there]) await client.until(() => client.messages("lobby").length === 40);
  await converged(one, two);
});

test("a fresh node that takes an export of another writes a stream of its own", async t => {
  const file = newFile(t);
  const { dataDir } = await leftBehind(t, log => log.append([draft(), draft(), draft()]));
  await exportTo(file, as(dataDir), exporting);
  const { origin } = at(envelopesIn(file), 0);
  const fresh = join(temporaryDirectory(t), "new");
  const { code, out } = await command(fresh, "import", file);
  assert.equal(code, 0);
  assert.match(out, /^3 envelopes were new in .*, 0 were there\n$/);
  const node = await newNode(t, { DATA_DIR: fresh });
  const [next] = stored(await node.log.append([draft()]));
  assert.notEqual(next?.origin, origin);
  assert.deepEqual([next?.seq, next?.n], [1, 1]);
});

/** A node's later state in a file, and two copies of its database from before. */
async function olderCopies(t: TestContext) {
  const dataDir = temporaryDirectory(t);
  const copies = [join(temporaryDirectory(t), "copy"), join(temporaryDirectory(t), "copy")] as const;
  const file = newFile(t);
  await leftBehind(t, log => log.append([draft(), draft()]), dataDir);
  for (const copy of copies) await backUpTo(copy, as(dataDir));
  const { digest } = await leftBehind(t, log => log.append([draft(), draft()]), dataDir);
  await exportTo(file, as(dataDir), exporting);
  return { copies, file, digest, origin: at(envelopesIn(file), 0).origin };
}

test("an older copy of a node takes a later export of it, and then writes a new stream: the old one may have gone on", async t => {
  const { copies, file, digest, origin } = await olderCopies(t);
  const runs = await newNode(t, { DATA_DIR: copies[0] });
  for (const copy of copies) assert.deepEqual(await importFrom(file, as(copy)), { stored: 2, known: 2 });
  const node = await newNode(t, { DATA_DIR: copies[1] });
  for (const { log, ...each } of [runs, node]) {
    assert.equal(await log.digest(), digest);
    const ana = await connect(t, each, { name: "Ana" });
    await ana.join("lobby");
    assert.equal((await ana.say("goes on")).copies, 1);
    const heads = await log.heads();
    assert.equal(heads[origin]?.seq, 4);
    assert.deepEqual(Object.keys(heads).sort(), [origin, log.origin].sort());
  }
});

test("a stream that is another one on this node is a conflict, and nothing is stored", async t => {
  const { copies, file } = await olderCopies(t);
  const { dataDir, digest } = await leftBehind(t, log => log.append([draft()]), copies[0]);
  const refused = await command(dataDir, "import", file);
  assert.equal(refused.code, 1);
  assert.match(
    refused.error,
    /^web-chat: stream \w+ is another one on this node, at line 4 or before \[archive-conflict\]\n$/,
  );
  // What goes beyond the file and differs within it is none the better for it.
  const { digest: longer } = await leftBehind(t, log => log.append([draft(), draft(), draft()]), copies[1]);
  await assert.rejects(importFrom(file, as(copies[1])), { code: "archive-conflict", message: /line 5/ });
  for (const [copy, expected] of [
    [dataDir, digest],
    [copies[1], longer],
  ] as const)
    assert.equal((await command(copy, "digest")).out, `${expected}\n`);
});

test("a file is there whole, for its owner only, or not at all, and none is replaced unasked", async t => {
  const { dataDir } = await leftBehind(t, log => log.append([draft()]));
  const folder = temporaryDirectory(t);
  const file = join(folder, "archive.jsonl");
  assert.equal((await command(dataDir, "export", file)).code, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file);
  const again = await command(dataDir, "export", file);
  assert.equal(again.code, 1);
  assert.match(again.error, /^web-chat: .* is there already \[file-exists\]\n$/);
  assert.deepEqual(readFileSync(file), before);
  await leftBehind(t, log => log.append([draft()]), dataDir);
  assert.equal((await command(dataDir, "export", "--force", file)).code, 0);
  assert.notDeepEqual(readFileSync(file), before);
  for (const path of [folder, join(folder, "nowhere", "archive.jsonl"), join(file, "archive.jsonl"), "/dev/null"])
    await assert.rejects(exportTo(path, as(dataDir), { ...exporting, force: true }), { code: "file-unusable" }, path);
  assert.deepEqual(readdirSync(folder), ["archive.jsonl"]);
  await assert.rejects(importFrom(join(folder, "nowhere"), as(dataDir)), { code: "file-unusable" });
  await assert.rejects(importFrom(folder, as(dataDir)), { code: "file-unusable" });
});

test("a reader that goes away, a full disk and a signal end an export in one line, and leave no half file", async t => {
  const { dataDir } = await leftBehind(t, async log => {
    for (let count = 0; count < 10; count++) await log.append(Array.from({ length: 1_000 }, () => draft()));
  });
  const stopped = spawnCommand(dataDir, ["export", "-"]);
  stopped.stdout.once("data", () => stopped.stdout.destroy());
  const [error, [code]] = await Promise.all([text(stopped.stderr), once(stopped, "close")]);
  assert.equal(code, 1);
  assert.match(error, /^web-chat: the standard output: whoever read it has stopped reading \[file-unusable\]\n$/);

  const folder = temporaryDirectory(t);
  const interrupted = spawnCommand(dataDir, ["export", join(folder, "archive.jsonl")]);
  while (readdirSync(folder).length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  interrupted.kill("SIGINT");
  const ended = await told(interrupted);
  if (ended.code === 0) t.diagnostic("the export was faster than the signal");
  else assert.deepEqual([ended.code, readdirSync(folder)], [130, []]);

  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=500k", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    return t.skip("mounting a small file system needs root");
  }
  cleanUp(t, () => execFileSync("umount", ["-l", folder]));
  const full = await command(dataDir, "export", join(folder, "archive.jsonl"));
  assert.equal(full.code, 1);
  assert.match(full.error, /^web-chat: .*: the disk is full \[no-space\]\n$/);
  assert.deepEqual(readdirSync(folder), []);
});
