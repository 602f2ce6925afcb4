import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type TestContext } from "node:test";
import { EMPTY_CHAIN, hashChain } from "../../core/chain.ts";
import { type Envelope, FACT, FACTS } from "../../core/envelope.ts";
import { type Committed, Log, type Stored } from "../../core/log/log.ts";
import { Store } from "../../core/log/store.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { logSuite, type Subject, stored } from "../suites/log.ts";
import { at, draft, packed, unpacked, written } from "../suites/samples.ts";

logSuite("the log on its threads", directory => Log.open(directory), { runs: 2 });
logSuite("its store", async directory => asynchronous(new Store(join(directory, "log.db"))), { runs: 60 });

/** A store as the log offers it: calls are answered later. */
function asynchronous(store: Store): Subject {
  const call =
    (name: string) =>
    (first: never, ...rest: never[]) => {
      try {
        if (name === "take") return Promise.resolve(store.take([first], Date.now()).taken[0]);
        if (name === "append") return Promise.resolve(store.append(first, Date.now()).outcomes);
        return Promise.resolve(
          (store as unknown as Record<string, (...args: never[]) => unknown>)[name]?.(first, ...rest),
        );
      } catch (error) {
        return Promise.reject(error);
      }
    };
  return new Proxy({}, { get: (_, name) => (name === "then" ? undefined : call(String(name))) }) as Subject;
}

async function newLog(t: TestContext, directory = temporaryDirectory(t)) {
  const log = await Log.open(directory);
  cleanUp(t, () => log.close());
  const commits: Committed[] = [];
  log.committed = commit => commits.push(commit);
  return { log, directory, commits };
}

const ids = (envelopes: readonly { id: string }[]) => envelopes.map(({ id }) => id);

/** Opens, and closes again what should not have opened. */
async function opening(directory: string): Promise<void> {
  await (await Log.open(directory)).close();
}

test("every commit is synced to the disk", async t => {
  const { log } = await newLog(t);
  assert.equal(await log.pragma("synchronous"), 2);
  assert.equal(await log.pragma("journal_mode"), "wal");
});

test("appends of one turn share one commit, and each is answered with its own outcomes", async t => {
  const { log, commits } = await newLog(t);
  const sizes = [1, 3, 0, 2];
  const outcomes = await Promise.all(sizes.map(size => log.append(Array.from({ length: size }, () => draft()))));
  assert.equal(commits.length, 1);
  assert.deepEqual(
    outcomes.map(outcomes => stored(outcomes).map(({ seq }) => seq)),
    [[1], [2, 3, 4], [], [5, 6]],
  );
});

test("while a commit is under way what comes is gathered for the next: a thousand appends need few commits", async t => {
  const { log, commits } = await newLog(t);
  const appends: Promise<unknown>[] = [];
  for (let turn = 0; turn < 100; turn++) {
    for (let count = 0; count < 10; count++) appends.push(log.append([draft()]));
    await new Promise(resolve => setImmediate(resolve));
  }
  await Promise.all(appends);
  assert.ok(commits.length < 100, `${commits.length} commits`);
  const seqs = commits.flatMap(({ envelopes }) => envelopes.map(({ seq }) => seq));
  assert.deepEqual(
    seqs,
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  );
});

test("a group is bounded, a larger append is a group of its own", async t => {
  const { log, commits } = await newLog(t);
  const sizes = [1_500, 600, 3_000, 1];
  await Promise.all(sizes.map(size => log.append(Array.from({ length: size }, () => draft({ body: null })))));
  assert.deepEqual(
    commits.map(({ envelopes }) => envelopes.length),
    [1_500, 600, 3_000, 1],
  );
});

test("a commit is told of before its appends are answered, in order, with the streams' new ends", async t => {
  const { log } = await newLog(t);
  const told: string[] = [];
  log.committed = ({ envelopes, heads }) => {
    for (const { id, origin, seq } of envelopes) {
      told.push(`told ${id}`);
      assert.ok((heads[origin]?.seq ?? 0) >= seq);
    }
    assert.equal(log.pos, envelopes.at(-1)?.pos);
  };
  const appends = ["a", "b", "c"].map(id => log.append([draft({ id })]).then(() => told.push(`answered ${id}`)));
  await Promise.all(appends);
  assert.deepEqual(told, ["told a", "told b", "told c", "answered a", "answered b", "answered c"]);
});

test("a commit of segments tells what they held, and has all of it for whom it concerns", async t => {
  const { log, commits } = await newLog(t);
  const [erasure] = written(draft({ role: "erase", ref: "gone" }));
  await log.append(erasure ? [erasure] : []);
  const envelopes = written(draft(), draft({ id: "gone" }), draft({ role: FACT, room: FACTS }), draft());
  const { origin } = at(envelopes, 0);
  await log.append(envelopes.slice(0, 1));
  await log.take({ origin, packed: packed(envelopes) });
  const { segments, heads } = at(commits, -1);
  assert.equal(segments.length, 1);
  const segment = at(segments, 0);
  assert.deepEqual([segment.count, segment.rooms], [3, ["lobby", FACTS]]);
  const plain = (envelope: Stored) => ({
    ...envelope,
    body: envelope.body && [...envelope.body],
    salt: null,
    contentHash: 0,
  });
  assert.deepEqual(segment.unpack().map(plain), (await log.since(2, 5, 10, 1_000_000)).map(plain));
  assert.equal(heads[origin]?.seq, 4);
  assert.equal(log.pos, 5);
});

test("drafts overtake what waits of peers, a commit apart, and do not keep it from the disk", async t => {
  const { log } = await newLog(t);
  const envelopes = written(...Array.from({ length: 6_000 }, () => draft()));
  const { origin } = at(envelopes, 0);
  const order: string[] = [];
  const came: Stored[] = [];
  log.committed = ({ envelopes, segments }) => {
    order.push(segments.length > 0 ? "peers" : `${envelopes.length}`);
    for (const segment of segments) came.push(...segment.unpack());
  };
  const pages = Array.from({ length: 10 }, (_, page) => envelopes.slice(page * 600, (page + 1) * 600));
  const taken = pages.map(page => log.take({ origin, packed: packed(page) }));
  await new Promise(resolve => setImmediate(resolve));
  // One of the peers' is under way by then.
  const stop = new AbortController();
  const drafts = (async () => {
    while (!stop.signal.aborted) stored(await log.append([draft()]));
  })();
  for (const { refused, forked } of await Promise.all(taken)) assert.deepEqual([refused, forked], [undefined, false]);
  stop.abort();
  await drafts;
  assert.ok(ids(came).join() === ids(envelopes).join(), "all of them, in their order, once");
  const alternating = order.slice(0, order.lastIndexOf("peers") + 1);
  assert.ok(alternating.length > 3, "what peers sent made room for the drafts");
  assert.deepEqual(
    alternating,
    alternating.map((_, index) => (index % 2 === 0 ? "peers" : "1")),
  );
});

test("a commit of peers' segments for which somebody waits ends early, wherever that is, and the rest follows", t => {
  const envelopes = written(...Array.from({ length: 9 }, () => draft()));
  const { origin } = at(envelopes, 0);
  const chains = [EMPTY_CHAIN];
  for (const envelope of envelopes) chains.push(hashChain(at(chains, -1), envelope));
  const pages = [0, 3, 6].map(from => ({
    origin,
    packed: packed(envelopes.slice(from, from + 3)),
    follows: at(chains, from),
    done: 0,
  }));
  for (let patience = 1; patience <= 9; patience++) {
    const store = new Store(":memory:", { mayYield: taken => taken >= patience });
    cleanUp(t, () => store.close());
    const counts: number[] = [];
    for (let rest = pages; rest.length > 0; ) {
      const { taken } = store.take(rest, 0);
      assert.ok(taken.every(({ refused, forked }) => refused === undefined && !forked));
      counts.push(taken.reduce((sum, { count }) => sum + count, 0));
      rest = rest.flatMap((page, index) => {
        const { yielded, skipped, count, follows = page.follows } = at(taken, index);
        return yielded ? [{ ...page, done: Math.max(page.done, skipped + count), follows }] : [];
      });
    }
    assert.equal(Math.max(...counts), patience);
    assert.equal(counts.length, Math.ceil(9 / patience));
    assert.deepEqual(ids(store.since(0, 100, 100, 1_000_000)), ids(envelopes));
  }
});

test("what is left of a segment is not taken upon another branch", t => {
  const [one, two, other] = [draft(), draft(), draft()];
  const envelopes = written(one, two);
  const store = new Store(":memory:", { mayYield: () => true });
  cleanUp(t, () => store.close());
  const segment = { origin: at(envelopes, 0).origin, packed: packed(envelopes), follows: EMPTY_CHAIN };
  const { taken } = store.take([segment], 0);
  const { count, follows } = at(taken, 0);
  assert.deepEqual([count, follows], [1, hashChain(EMPTY_CHAIN, at(envelopes, 0))]);
  const elsewhere = new Store(":memory:");
  cleanUp(t, () => elsewhere.close());
  const [branch] = written(other);
  elsewhere.append([{ ...at([branch], 0), origin: segment.origin } as Envelope], 0);
  const onto = elsewhere.take([{ ...segment, done: count, follows }], 0).taken;
  assert.deepEqual([at(onto, 0).count, at(onto, 0).forked], [0, true]);
});

test("live batches of peers share the commits of drafts, and keep their order among the segments", async t => {
  const { log, commits } = await newLog(t);
  const envelopes = written(...Array.from({ length: 8 }, () => draft()));
  const { origin } = at(envelopes, 0);
  const [one, two] = [log.append(envelopes.slice(0, 2)), log.take({ origin, packed: packed(envelopes.slice(2, 4)) })];
  const [three, own] = [log.append(envelopes.slice(4)), log.append([draft()])];
  stored([...(await one), ...(await three), ...(await own)]);
  assert.equal((await two).count, 2);
  assert.deepEqual(
    commits.map(({ envelopes, segments }) => [envelopes.length, segments.length]),
    [
      [3, 0],
      [0, 1],
      [4, 0],
    ],
  );
});

test("what was known or refused already is no commit to tell of", async t => {
  const { log, commits } = await newLog(t);
  await log.append([draft({ id: "one" })]);
  await log.append([draft({ id: "one" }), draft({ id: "one", author: "bo" })]);
  assert.equal(commits.length, 1);
});

test("readers see a commit as soon as it is answered", async t => {
  const { log } = await newLog(t);
  for (let count = 1; count <= 20; count++) {
    const [{ origin }] = stored(await log.append([draft()])) as [ReturnType<typeof stored>[0]];
    assert.equal((await log.heads())[origin]?.seq, count);
  }
});

test("closing commits what waits; nothing is taken any more", async t => {
  const directory = temporaryDirectory(t);
  const log = await Log.open(directory);
  const appends = Array.from({ length: 50 }, () => log.append([draft()]));
  const closing = log.close();
  await assert.rejects(log.append([draft()]), { code: "stopping" });
  assert.equal((await Promise.all(appends)).flatMap(stored).length, 50);
  await closing;
  const { log: again } = await newLog(t, directory);
  assert.equal(again.pos, 50);
});

test("a log that is closed refuses whatever is asked of it, and may be closed again", async t => {
  const { log } = await newLog(t);
  await log.append([draft()]);
  await Promise.all([log.close(), log.close()]);
  await log.close();
  const refused = { name: "Reject", code: "storage-failed" };
  for (const call of [() => log.heads(), () => log.find("one"), () => log.setting("node"), () => log.set("a", "b")])
    await assert.rejects(call(), refused);
});

test("what is committed is acked, whatever fails in telling of it", async t => {
  const { log } = await newLog(t);
  const failures: unknown[] = [];
  log.failed = error => failures.push(error);
  const failure = new Error("not today");
  log.committed = () => {
    throw failure;
  };
  const appends = await Promise.all([log.append([draft()]), log.append([draft()])]);
  assert.deepEqual(
    stored(appends.flat()).map(({ seq }) => seq),
    [1, 2],
  );
  assert.deepEqual(failures, [failure]);
  stored(await log.append([draft()]));
});

test("until a node may write its own messages wait, in their order, and what peers wrote does not", async t => {
  const { log } = await newLog(t);
  const arrived = Promise.withResolvers<void>();
  log.writeAfter(arrived.promise);
  let early = 0;
  const own = [draft(), draft(), draft()].map(async draft => {
    const outcomes = await log.append([draft]);
    early++;
    return stored(outcomes)[0]?.seq;
  });
  const [theirs] = stored(await log.append(written(draft())));
  assert.equal(theirs?.pos, 1);
  assert.equal(early, 0);
  assert.equal(log.origin, undefined, "no stream is begun before");
  arrived.resolve();
  assert.deepEqual(await Promise.all(own), [1, 2, 3]);
  assert.equal(stored(await log.append([draft()]))[0]?.seq, 4);
});

test("what waits until a node may write is bounded, and refused where the node stops before", async t => {
  const { log } = await newLog(t);
  log.writeAfter(new Promise(() => {}));
  const waiting = Array.from({ length: 10 }, () => log.append(Array.from({ length: 1_000 }, () => draft())));
  for (const outcome of waiting) outcome.catch(() => {});
  await assert.rejects(log.append([draft()]), { code: "overloaded" });
  await log.append(written(draft()));
  await log.drain();
  for (const outcome of waiting) await assert.rejects(outcome, { code: "stopping" });
  assert.equal(log.waiting, 0);
});

test("more than may wait for the disk is refused at the door, and what waited is stored", async t => {
  const { log } = await newLog(t);
  const many = Array.from({ length: 12_000 }, () => draft({ body: null, alt: null }));
  const waiting = log.append(many);
  assert.equal(log.waiting, 12_000);
  await assert.rejects(log.append([draft()]), { code: "overloaded", details: { retryAfterMs: 250 } });
  assert.equal(stored(await waiting).length, 12_000);
  assert.equal(log.waiting, 0);
  stored(await log.append([draft()]));
});

test("a second node on the same directory is refused, until the first has ended", async t => {
  const directory = temporaryDirectory(t);
  const log = await Log.open(directory);
  await assert.rejects(opening(directory), { name: "Reject", code: "data-dir-busy", message: /DATA_DIR/ });
  await log.append([draft()]);
  await log.close();
  await opening(directory);
});

test("nodes that share a parent directory each take the first free one in it, and find their own again", async t => {
  const parent = join(temporaryDirectory(t), "data");
  const logs = await Promise.all(Array.from({ length: 3 }, () => Log.open(join(parent, "*"))));
  assert.deepEqual(
    logs.map(log => log.directory).sort(),
    ["1", "2", "3"].map(name => join(parent, name)),
  );
  const [one] = logs.filter(log => log.directory === join(parent, "1"));
  await one?.append([draft()]);
  await one?.close();
  const again = await Log.open(join(parent, "*"));
  cleanUp(t, () => again.close());
  for (const log of logs) cleanUp(t, () => log.close());
  assert.equal(again.directory, join(parent, "1"));
  assert.equal(again.pos, 1);
});

test("a node that was killed leaves no lock behind", async t => {
  const directory = temporaryDirectory(t);
  const program = join(directory, "program.mjs");
  const log = JSON.stringify(new URL("../../core/log/log.ts", import.meta.url).href);
  writeFileSync(
    program,
    `import { Log } from ${log}; await Log.open(${JSON.stringify(directory)}); process.kill(process.pid, "SIGKILL");`,
  );
  const { signal } = spawnSync(process.execPath, [program], { stdio: "ignore" });
  assert.equal(signal, "SIGKILL");
  assert.ok(readdirSync(directory).includes("log.db"));
  await opening(directory);
});

test("a directory that cannot be one is said so", async t => {
  const directory = temporaryDirectory(t);
  const file = join(directory, "file");
  writeFileSync(file, "");
  for (const path of [file, join(file, "below"), `${directory}/with\0nul`])
    await assert.rejects(opening(path), { name: "Reject", code: "data-dir", message: /DATA_DIR/ });
  mkdirSync(join(directory, "log.db"));
  await assert.rejects(opening(directory), { name: "Reject", code: "data-dir" });
});

test("a missing directory is made, for its owner only", async t => {
  const directory = join(temporaryDirectory(t), "a", "b");
  await opening(directory);
  if (process.platform !== "win32") assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test("in a folder that is open to others the files are for their owner only", async t => {
  if (process.platform === "win32") return t.skip("there are no such modes on Windows");
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const { log } = await newLog(t, directory);
  await log.append([draft()]);
  const files = readdirSync(directory);
  for (const name of ["lock", "log.db", "log.db-wal", "log.db-shm"]) assert.ok(files.includes(name), files.join());
  for (const name of files) assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name);
});

test("a file that is no database is damaged", async t => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "log.db"), "this is no database. ".repeat(1_000));
  await assert.rejects(opening(directory), { name: "Reject", code: "database-corrupt", message: /restore a backup/ });
  await assert.rejects(opening(directory), { code: "database-corrupt" }, "and no lock is left behind");
});

test("a database that was cut short is damaged", async t => {
  const directory = temporaryDirectory(t);
  const log = await Log.open(directory);
  await log.append(Array.from({ length: 500 }, () => draft({ body: Buffer.alloc(1_000) })));
  await log.close();
  truncateSync(join(directory, "log.db"), 8_192);
  await assert.rejects(
    (async () => {
      const { log } = await newLog(t, directory);
      await log.append([draft()]);
    })(),
    { name: "Reject", code: "database-corrupt" },
  );
});

test("a database of a newer version is left alone", async t => {
  const directory = temporaryDirectory(t);
  await opening(directory);
  const db = new DatabaseSync(join(directory, "log.db"));
  db.exec("PRAGMA user_version = 99");
  db.close();
  await assert.rejects(opening(directory), { name: "Reject", code: "database-newer", message: /99/ });
});

test("erased text is gone from the write-ahead log, too, when the log is closed by force later", t => {
  const directory = temporaryDirectory(t);
  const store = new Store(join(directory, "log.db"));
  cleanUp(t, () => store.close());
  const reader = new Store(join(directory, "log.db"), { access: "read" });
  cleanUp(t, () => reader.close());
  const envelopes = written(...Array.from({ length: 20 }, () => draft()));
  store.append(envelopes, 0);
  // A read that stopped half-way holds no snapshot, so the checkpoint gets through.
  assert.equal(unpacked(reader.stream(at(envelopes, 0).origin, 0, 20, 1)).length, 1);
  store.append([draft({ role: "erase", ref: at(envelopes, 0).id })], 0);
  assert.ok(statSync(join(directory, "log.db-wal")).size > 0);
  store.checkpoint("TRUNCATE");
  assert.equal(statSync(join(directory, "log.db-wal")).size, 0);
});

test("who reads for long, as a backup does, holds up neither writers nor the checkpoint that it stands in the way of", async t => {
  const { log, directory } = await newLog(t);
  stored(await log.append([draft({ id: "one" })]));
  const reader = new DatabaseSync(join(directory, "log.db"), { readOnly: true });
  cleanUp(t, () => reader.close());
  reader.exec("BEGIN");
  reader.prepare("SELECT * FROM log").all();
  stored(await log.append([draft({ role: "erase", ref: "one" })]));
  const scrubbing = log.scrub();
  for (let count = 0; count < 20; count++) stored(await log.append([draft()]));
  assert.ok(statSync(join(directory, "log.db-wal")).size > 0);
  reader.exec("COMMIT");
  await scrubbing;
  assert.equal(await log.scrub(), true);
  assert.equal(statSync(join(directory, "log.db-wal")).size, 0);
});

test("a log that gave its stream up says so, and what comes of the old one is no longer its own", async t => {
  const { log, directory } = await newLog(t);
  const [first, second] = written(draft(), draft());
  const theirs = [first, second] as [NonNullable<typeof first>, NonNullable<typeof first>];
  await log.append([theirs[0]]);
  await log.set("origin", theirs[0].origin);
  await log.close();
  const { log: copy } = await newLog(t, directory);
  assert.equal(copy.origin, theirs[0].origin);
  assert.equal(await copy.abandon(theirs[0].origin, 1), true);
  assert.equal(copy.origin, undefined);
  stored(await copy.append([theirs[1]]));
  assert.equal(copy.origin, undefined);
  const [own] = stored(await copy.append([draft()]));
  assert.equal(copy.origin, own?.origin);
});

/** Fills a small file system, and makes room again. */
function smallDisk(t: TestContext, bytes: number) {
  const directory = temporaryDirectory(t);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  cleanUp(t, () => execFileSync("umount", ["-l", directory]));
  const resize = (bytes: number) => execFileSync("mount", ["-o", `remount,size=${bytes}`, directory]);
  return { directory, resize };
}

test("a full disk refuses the whole commit; with space again writing goes on without a hole", async t => {
  const disk = smallDisk(t, 1024 * 1024);
  if (!disk) return t.skip("mounting a small file system needs root");
  const { log, commits } = await newLog(t, disk.directory);
  const body = Buffer.alloc(50 * 1024, 1);
  const peers = written(...Array.from({ length: 3 }, () => draft({ body })));
  let refusedAt = 0;
  for (let count = 0; count < 100 && refusedAt === 0; count++) {
    const appends = [log.append([draft({ body })]), log.append([draft({ body, room: "hall" })])];
    const results = await Promise.allSettled(appends);
    const refused = results.filter(({ status }) => status === "rejected");
    if (refused.length === 0) continue;
    assert.equal(refused.length, 2, "a commit is all or nothing");
    for (const result of refused) assert.equal((result as PromiseRejectedResult).reason.code, "no-space");
    refusedAt = count;
  }
  assert.ok(refusedAt > 0);
  await assert.rejects(log.append(peers), { code: "no-space" });
  const origin = log.origin as string;
  const before = (await log.heads())[origin]?.seq as number;
  assert.equal(before, refusedAt * 2);
  assert.equal(unpacked(await log.stream(origin, before - 1, 10, 1024)).length, 1, "reading goes on");

  disk.resize(16 * 1024 * 1024);
  const outcomes = await Promise.all([log.append([draft(), draft({ room: "hall" })]), log.append(peers)]);
  assert.deepEqual(
    stored(outcomes.flat()).map(({ seq, n }) => [seq, n]),
    [[before + 1, refusedAt + 1], [before + 2, refusedAt + 1], ...peers.map(({ seq, n }) => [seq, n])],
  );
  const seqs = commits.flatMap(({ envelopes }) => envelopes).filter(envelope => envelope.origin === origin);
  assert.deepEqual(
    seqs.map(({ seq }) => seq),
    seqs.map((_, index) => index + 1),
  );
});

test("a first write that fails mints no stream; the next one begins it", async t => {
  const disk = smallDisk(t, 512 * 1024);
  if (!disk) return t.skip("mounting a small file system needs root");
  const { log } = await newLog(t, disk.directory);
  const body = Buffer.alloc(256 * 1024, 1);
  await assert.rejects(log.append([draft({ body }), draft({ body })]), { code: "no-space" });
  assert.deepEqual(await log.heads(), {});
  assert.equal(await log.setting("origin"), undefined);
  disk.resize(16 * 1024 * 1024);
  const [first] = stored(await log.append([draft({ body })]));
  assert.equal(first?.seq, 1);
  assert.equal(await log.setting("origin"), first?.origin);
});
