/** What was written is found by its words, as long as it was not erased, and whatever became of the index. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import { encode, FACT, FACTS, keyOf } from "../../core/envelope.ts";
import { asReject } from "../../core/errors.ts";
import { Indexing } from "../../core/log/indexing.ts";
import { Log, type Query, type Stored } from "../../core/log/log.ts";
import { Search } from "../../core/log/search.ts";
import { matchOf, wordsOf } from "../../core/log/words.ts";
import { realTime } from "../../core/time.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { stored } from "../suites/log.ts";
import { at, draft, holds, packed, written } from "../suites/samples.ts";

async function newLog(t: TestContext, directory = temporaryDirectory(t)) {
  const log = await Log.open(directory);
  cleanUp(t, () => log.close());
  return log;
}

const write = async (log: Log, ...texts: string[]) => stored(await log.append(texts.map(alt => draft({ alt }))));

/** The texts that are found, oldest first. */
async function find(log: Log, text: string, given: Partial<Query> = {}): Promise<(string | null)[]> {
  const { envelopes, behind } = await log.search({ text, limit: 20, ...given });
  assert.equal(behind, 0);
  return envelopes.map(({ alt }) => alt);
}

/** The files of a log that have these bytes. */
function filesThatSay(directory: string, bytes: string): string[] {
  const files = ["search.db", "search.db-wal", "log.db", "log.db-wal"].map(file => join(directory, file));
  return files.filter(path => existsSync(path) && readFileSync(path).includes(bytes));
}

async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (error: unknown) => error,
  );
  return asReject(error).code;
}

test("a text is found by its words, whatever their case, accents and width", async t => {
  const log = await newLog(t);
  await write(
    log,
    "Shall we SHIP it? Ｆｕｌｌ width",
    "Crème brûlée, groß",
    "don't ship web-chat v1.2 👍",
    "nothing of that",
  );
  assert.deepEqual(await find(log, "full"), ["Shall we SHIP it? Ｆｕｌｌ width"]);
  assert.deepEqual(await find(log, "creme BRÛLÉE"), ["Crème brûlée, groß"]);
  assert.deepEqual(await find(log, "gross"), ["Crème brûlée, groß"]);
  for (const query of ["don't", "web-chat", "v1.2", "👍", "chat", "ship v1"])
    assert.deepEqual(await find(log, query), ["don't ship web-chat v1.2 👍"], query);
  assert.deepEqual(await find(log, "ship"), ["Shall we SHIP it? Ｆｕｌｌ width", "don't ship web-chat v1.2 👍"]);
  assert.deepEqual(await find(log, "ship brulee"), [], "all of the words are asked for");
  assert.deepEqual(await find(log, "chat-web"), [], "what is written together is found together");
});

test("signs of how something is drawn or spoken make no difference", async t => {
  const log = await newLog(t);
  await write(
    log,
    "I ❤️you",
    "1️⃣first",
    "Đà Nẵng",
    "Οδυσσέας, οδος.gr",
    "人\u200d民 soft\u00adhyphen",
    "שָׁלוֹם أحمد",
    "ㄅㄆㄇ",
  );
  for (const [query, found] of [
    ["you", "I ❤️you"],
    ["❤", "I ❤️you"],
    ["❤️", "I ❤️you"],
    ["first", "1️⃣first"],
    ["da nang", "Đà Nẵng"],
    ["οδυσ", "Οδυσσέας, οδος.gr"],
    ["οδος", "Οδυσσέας, οδος.gr"],
    ["人民 softhyphen", "人\u200d民 soft\u00adhyphen"],
    ["שלום احمد", "שָׁלוֹם أحمد"],
    ["ㄆ", "ㄅㄆㄇ"],
  ])
    assert.deepEqual(await find(log, query as string), [found], query);
});

test("a word may go on, unless it is in quotation marks or of two characters", async t => {
  const log = await newLog(t);
  await write(log, "shipping today", "ship it", "a bee");
  assert.deepEqual(await find(log, "ship"), ["shipping today", "ship it"]);
  assert.deepEqual(await find(log, '"ship"'), ["ship it"]);
  assert.deepEqual(await find(log, "“ship it”"), ["ship it"]);
  assert.deepEqual(await find(log, '"it ship"'), []);
  assert.deepEqual(await find(log, "be"), []);
});

test("Chinese, Japanese, Korean and Thai are found by any part of a sentence", async t => {
  const log = await newLog(t);
  const texts = ["今天天气很好，我们出发吧", "部署到node-b了", "こんにちは世界", "안녕하세요 세계", "สวัสดีชาวโลก"];
  await write(log, ...texts);
  for (const query of ["天气", "气", "今天天气", "天气很好 出发", "很好，我们"])
    assert.deepEqual(await find(log, query), [texts[0]], query);
  assert.deepEqual(await find(log, "天很"), []);
  for (const query of ["部署", "署到node", "node-b了", "b"])
    assert.deepEqual(await find(log, query), [texts[1]], query);
  for (const query of ["にちは", "世界"]) assert.deepEqual(await find(log, query), [texts[2]], query);
  assert.deepEqual(await find(log, "하세"), [texts[3]]);
  assert.deepEqual(await find(log, "ชาว"), [texts[4]]);
});

test("what a query looks like to SQLite is of no account", async t => {
  const log = await newLog(t);
  await write(log, "AND OR NOT NEAR words room");
  for (const query of [
    '"AND"',
    "NOT",
    "NEAR(words, 2)",
    "words:room",
    "room : x* words",
    '"unclosed words',
    "w*",
    "^and",
    "{words}",
  ])
    assert.equal(typeof (await find(log, query)).length, "number", query);
  assert.deepEqual(await find(log, "words:room"), ["AND OR NOT NEAR words room"]);
  for (const query of ["", "   ", "?!", '""']) assert.equal(await refusalOf(find(log, query)), "invalid", query);
  assert.equal(await refusalOf(find(log, "words", { before: "no such key" })), "not-found");
});

const text = fc.string({
  unit: fc.constantFrom(..."abzé中文字かナ한ไ8_ -,。\"*'👍ßİ\n", "ﬁ", "e\u0301", "が"),
  maxLength: 30,
});

test("any text is found by any part of it that ends where words do", async t => {
  const db = new DatabaseSync(":memory:");
  cleanUp(t, () => db.close());
  db.exec("CREATE VIRTUAL TABLE entries USING fts5(words, tokenize = 'ascii')");
  const insert = db.prepare("INSERT INTO entries (rowid, words) VALUES (1, ?)");
  const found = db.prepare("SELECT rowid FROM entries WHERE entries MATCH ?");
  await holds(
    t,
    fc.property(text, text, text, (before, part, after) => {
      db.exec("DELETE FROM entries");
      insert.run(wordsOf(`${before} ${part} ${after}`));
      for (const query of [part, `“${part.replaceAll(/["“”]/g, " ")}”`]) {
        const match = matchOf(query);
        if (match === undefined) assert.equal(wordsOf(part), "");
        else assert.equal(found.all(match).length, 1, `${match} in ${wordsOf(part)}`);
      }
    }),
  );
});

test("of Chinese any part is found, and nothing that is not there", async t => {
  const db = new DatabaseSync(":memory:");
  cleanUp(t, () => db.close());
  db.exec("CREATE VIRTUAL TABLE entries USING fts5(words, tokenize = 'ascii')");
  const insert = db.prepare("INSERT INTO entries (rowid, words) VALUES (1, ?)");
  const found = db.prepare("SELECT rowid FROM entries WHERE entries MATCH ?");
  const chinese = (minLength: number) => fc.string({ unit: fc.constantFrom(..."中文字句"), minLength, maxLength: 12 });
  await holds(
    t,
    fc.property(chinese(0), chinese(1), (text, query) => {
      db.exec("DELETE FROM entries");
      insert.run(wordsOf(text));
      assert.equal(found.all(matchOf(query) as string).length === 1, text.includes(query));
    }),
  );
});

test("the newest come first in the order of time, whichever came first, and a page of them at a time", async t => {
  const log = await newLog(t);
  const hlc = 1_700_000_000_000_000;
  const alts = Array.from({ length: 25 }, (_, index) => `word ${index}`);
  const late = alts.map((alt, index) => draft({ alt, hlc: hlc + (index >> 1), author: index % 2 ? "ana" : "bo" }));
  // The same time from two streams, and what is old comes last.
  await log.append(late.slice(12));
  await log.append(written(...late.slice(0, 12)));
  const keys: string[] = [];
  for (let before: string | undefined, older = true; older; ) {
    const page = await log.search({ text: "word", limit: 4, before });
    keys.unshift(...page.envelopes.map(keyOf));
    before = keys[0];
    older = page.older;
  }
  assert.equal(keys.length, 25);
  assert.deepEqual(keys, [...new Set(keys)].sort());
});

test("one room is searched, or all", async t => {
  const log = await newLog(t);
  await log.append(["a b", "ab", "c"].map(room => draft({ room, alt: `word of ${room}` })));
  assert.deepEqual(await find(log, "word", { room: "a b" }), ["word of a b"]);
  assert.deepEqual(await find(log, "word", { room: "ab" }), ["word of ab"]);
  assert.equal((await find(log, "word")).length, 3);
  assert.deepEqual(await find(log, "word", { room: "none" }), []);
});

test("rows are found, and once; what belongs to them is not, nor what only nodes write", async t => {
  const log = await newLog(t);
  const row = draft({ alt: "word" });
  await log.append([row, draft({ role: "mark", alt: "word", ref: row.id }), draft({ role: "fact", alt: "word" })]);
  // The same message, as the other half of a partition took it a little later.
  await log.append(written({ ...row, hlc: row.hlc + 1 }));
  const { envelopes } = await log.search({ text: "word", limit: 20 });
  assert.deepEqual(
    envelopes.map(({ hlc }) => hlc),
    [row.hlc],
  );
});

test("what peers wrote is found, however it came", async t => {
  const log = await newLog(t);
  const envelopes = written(...["one", "two", "three"].map(word => draft({ alt: `word ${word}` })));
  await log.append(envelopes.slice(0, 1));
  await log.take({ origin: at(envelopes, 0).origin, packed: packed(envelopes.slice(1)) });
  assert.deepEqual(await find(log, "word"), ["word one", "word two", "word three"]);
});

test("what was erased is not found, and is in no file", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const [secret] = await write(log, "vanishingword of this test", "another of this test");
  assert.equal((await find(log, "vanishingword")).length, 1);
  await log.append([draft({ role: "erase", ref: secret?.id ?? "" })]);
  assert.deepEqual(await find(log, "vanishingword"), []);
  assert.equal(await log.scrub(), true);
  assert.deepEqual(filesThatSay(directory, "vanishing"), []);
  assert.deepEqual(await find(log, "test"), ["another of this test"]);
});

test("a node that ends right after an erasure leaves nothing of it", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const [secret] = await write(log, "vanishingword of this test");
  await find(log, "vanishingword");
  await log.append([draft({ role: "erase", ref: secret?.id ?? "" })]);
  await log.close();
  assert.deepEqual(filesThatSay(directory, "vanishing"), []);
});

test("an erased message leaves nothing of a twin on a branch that was cut off", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const row = draft({ alt: "vanishingword of this test" });
  const [twin, ...rest] = written({ ...row, hlc: row.hlc + 5 }, draft({ alt: "unrelated" }));
  await log.append([row, twin, ...rest] as typeof rest);
  // The last that the index knows of stays.
  await write(log, "of another stream");
  await find(log, "vanishingword");
  const origin = twin?.origin as string;
  const chain = (await log.chainsAt({ [origin]: 1 }))[origin] as string;
  const body = encode({ origin, seq: 1, chain, rooms: [] });
  await log.append([draft({ role: FACT, room: FACTS, type: "chat:fork", alt: "", body })]);
  assert.ok(!Object.hasOwn(await log.heads(), origin), "the branch is cut off");
  await log.append([draft({ role: "erase", ref: row.id })]);
  assert.deepEqual(await find(log, "vanishingword"), []);
  assert.equal(await log.scrub(), true);
  assert.deepEqual(filesThatSay(directory, "vanishing"), []);
  assert.deepEqual(await find(log, "unrelated"), ["unrelated"]);
});

test("no page of the index begins with a word that was erased", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const wordOf = (index: number) => hash("md5", String(index)).slice(0, 12);
  const secrets: Stored[] = [];
  for (let group = 0; group < 20; group++) {
    const index = group * 1_000;
    await write(log, ...Array.from({ length: 800 }, (_, each) => wordOf(index + each)));
    // Where a page begins between two of a pair, it has to begin with a whole word.
    const pairs = Array.from({ length: 100 }, (_, each) => wordOf(index + 800 + each));
    secrets.push(...(await write(log, ...pairs.flatMap(word => [`${word}1`, `${word}2`]))));
    await log.search({ text: "nothing", limit: 1 });
  }
  await log.append(secrets.map(({ id }) => draft({ role: "erase", ref: id, alt: "gone" })));
  assert.equal(await log.scrub(), true);
  const file = readFileSync(join(directory, "search.db"), "latin1");
  assert.deepEqual(
    secrets.flatMap(({ alt }) => (file.includes(alt as string) ? [alt] : [])),
    [],
  );
});

test("what was erased is scrubbed however far the index is behind", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const [secret] = await write(log, "vanishingword of this test");
  await find(log, "vanishingword");
  for (let group = 0; group < 3; group++) await write(log, ...Array.from({ length: 2_000 }, () => "something else"));
  await log.append([draft({ role: "erase", ref: secret?.id ?? "" })]);
  assert.equal(await log.scrub(), true);
  assert.deepEqual(filesThatSay(directory, "vanishing"), []);
});

test("an index that cannot be written leaves messages erasable", async t => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "search.db"));
  const log = await newLog(t, directory);
  const [row] = await write(log, "word");
  assert.equal(await refusalOf(log.search({ text: "word", limit: 1 })), "data-dir");
  await log.append([draft({ role: "erase", ref: row?.id ?? "" })]);
  assert.equal(await log.scrub(), false);
});

test("what somebody else would erase is found as before", async t => {
  const log = await newLog(t);
  const [row] = await write(log, "word");
  await find(log, "word");
  await log.append([draft({ role: "erase", ref: row?.id ?? "", author: "eve" })]);
  assert.deepEqual(await find(log, "word"), ["word"]);
});

for (const [how, spoil] of [
  ["is gone", (path: string) => rmSync(path)],
  ["is no database", (path: string) => writeFileSync(path, "junk of another program")],
  ["is another database", (path: string) => withDatabase(path, db => db.exec("DROP TABLE reached"))],
  ["does not say how far it goes", (path: string) => withDatabase(path, db => db.exec("DELETE FROM reached"))],
  ["is of another version", (path: string) => withDatabase(path, db => db.exec("PRAGMA user_version = 9"))],
] as const)
  test(`an index that ${how} is made anew`, async t => {
    const { directory, isFound } = await newIndexed(t);
    spoil(join(directory, "search.db"));
    await isFound();
  });

test("an index that is damaged is made anew, wherever that is, and again when it happens again", async t => {
  const { directory, isFound } = await newIndexed(t);
  const path = join(directory, "search.db");
  const good = readFileSync(path);
  const pages = good.length / PAGE_BYTES;
  assert.ok(pages > 10, `${pages} pages`);
  for (let page = 0; page < pages; page++) {
    // The first page begins with what says that it is a database.
    const from = page === 0 ? 100 : page * PAGE_BYTES;
    writeFileSync(path, Buffer.from(good).fill(page % 2 ? 0xff : 0, from, (page + 1) * PAGE_BYTES));
    await isFound();
  }
});

const PAGE_BYTES = 4_096;

function withDatabase(path: string, change: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(path);
  change(db);
  db.close();
}

/** A directory with a log that is closed, and its index. */
async function newIndexed(t: TestContext) {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  await write(log, ...Array.from({ length: 500 }, (_, index) => `word ${index}`));
  assert.deepEqual(await find(log, "401"), ["word 401"]);
  await log.close();
  return {
    directory,
    async isFound() {
      const search = new Search(join(directory, "log.db"));
      for (let time = 0; time < 2; time++) {
        const { envelopes, behind } = search.search({ text: "401", limit: 5 });
        assert.deepEqual([envelopes.map(({ alt }) => alt), behind], [["word 401"], 0]);
      }
      search.close();
    },
  };
}

test("an index of another log is made anew: that one was put back to an earlier state, say", async t => {
  const [one, other] = [temporaryDirectory(t), temporaryDirectory(t)];
  const log = await newLog(t, one);
  await write(log, "word one", "word two", "word three");
  await find(log, "word");
  await log.close();
  const another = await newLog(t, other);
  await write(another, "text one", "text two", "text three");
  await another.close();
  for (const file of ["log.db", "log.db-wal"]) rmSync(join(one, file), { force: true });
  writeFileSync(join(one, "log.db"), readFileSync(join(other, "log.db")));
  const again = await newLog(t, one);
  assert.deepEqual(await find(again, "word"), []);
  assert.deepEqual(await find(again, "text"), ["text one", "text two", "text three"]);
});

test("an index of the same messages in another order is made anew: other nodes filled an empty log, say", async t => {
  const directory = temporaryDirectory(t);
  const log = await newLog(t, directory);
  const [a, b] = ["apple", "banana"].map(fruit => written(...[1, 2, 3].map(n => draft({ alt: `${fruit} ${n}` }))));
  for (const n of [0, 1, 2]) for (const stream of [a, b]) await log.append([at(stream ?? [], n)]);
  await find(log, "apple");
  await log.close();
  for (const file of ["log.db", "log.db-wal"]) rmSync(join(directory, file), { force: true });
  const again = await newLog(t, directory);
  for (const stream of [a, b]) await again.append(stream ?? []);
  assert.deepEqual(await find(again, "apple"), ["apple 1", "apple 2", "apple 3"]);
});

test("whoever searches waits for what came lately, and is told of what is left", async t => {
  const log = await newLog(t);
  for (let from = 0; from < 6_000; from += 2_000)
    await write(log, ...Array.from({ length: 2_000 }, (_, index) => `word ${from + index}`));
  const { behind } = await log.search({ text: "word", limit: 1 });
  assert.equal(behind, 2_000);
  assert.equal(log.searching.behind, 2_000);
  // The rest is taken in without anybody's asking.
  while (log.searching.behind > 0) await new Promise<void>(resolve => setImmediate(resolve));
  assert.deepEqual(await find(log, "5999"), ["word 5999"]);
});

test("so many search at once, and no more", async t => {
  const log = await newLog(t);
  await write(log, "word");
  const answers = await Promise.allSettled(Array.from({ length: 70 }, () => find(log, "word")));
  const refused = answers.flatMap(answer => (answer.status === "rejected" ? [asReject(answer.reason).code] : []));
  assert.deepEqual(
    refused,
    Array.from({ length: 5 }, () => "overloaded"),
  );
  assert.equal(log.searching.searches, 0);
});

type Thread = { hasEnded: boolean; isClosed: boolean };

/** An index under a clock that the test holds, and threads that say what they are called. */
function newIndexing({ lefts = [], pos = 0, called = () => {} }: Scripted = {}) {
  const calls: string[] = [];
  const threads: Thread[] = [];
  const timers = new Map<() => void, number>();
  let now = 0;
  const time = {
    ...realTime,
    elapsed: () => now,
    after(ms: number, run: () => void) {
      timers.set(run, now + ms);
      return () => timers.delete(run);
    },
  };
  const open = async () => {
    const thread = {
      hasEnded: false,
      isClosed: false,
      async call(name: string) {
        calls.push(name);
        called(name);
        now += 5;
        return { left: lefts.shift() ?? 0, done: true, behind: 0, envelopes: [], older: false };
      },
      async close() {
        calls.push("close");
        thread.isClosed = true;
      },
    };
    threads.push(thread);
    return thread as never;
  };
  const indexing = new Indexing(open, time, pos);
  const settled = () => new Promise<void>(resolve => setImmediate(resolve));
  return {
    indexing,
    calls,
    threads,
    /** Runs what is due by then, in order. */
    async pass(ms: number) {
      for (const until = now + ms; ; ) {
        await settled();
        const due = [...timers].filter(([, at]) => at <= until).sort(([, a], [, b]) => a - b)[0];
        if (!due) {
          now = Math.max(now, until);
          return;
        }
        timers.delete(due[0]);
        now = Math.max(now, due[1]);
        due[0]();
      }
    },
  };
}

type Scripted = { lefts?: number[]; pos?: number; called?: (name: string) => void };

test("a thousand that were committed are taken in; the thread ends when nobody needs it", async () => {
  const { indexing, calls, threads, pass } = newIndexing({ lefts: [250, 0] });
  indexing.committed(999, false);
  await pass(100_000);
  assert.equal(threads.length, 0);
  indexing.committed(1, false);
  indexing.committed(1, false);
  await pass(1_100);
  assert.deepEqual(calls.splice(0), ["index", "index"]);
  assert.equal(indexing.behind, 0);
  await pass(80_000);
  assert.deepEqual(calls.splice(0), ["close"]);
  indexing.committed(1_000, false);
  await pass(15_000);
  assert.deepEqual(calls, ["index"]);
  assert.equal(threads.length, 2);
  await indexing.close();
});

test("an erasure is taken in at once, and its traces scrubbed", async () => {
  const { indexing, calls, pass } = newIndexing();
  indexing.committed(1, true);
  await pass(0);
  assert.deepEqual(calls, ["scrub", "index"]);
  await indexing.close();
});

test("what the run before this one may have erased is scrubbed", async () => {
  const { indexing, calls, pass } = newIndexing({ pos: 1 });
  await pass(10_000);
  assert.deepEqual(calls, ["scrub", "index"]);
  await indexing.close();
});

test("an erasure during a scrub has its own", async () => {
  const { indexing, calls, pass } = newIndexing({
    called: name => {
      if (name === "scrub" && calls.length === 1) indexing.committed(1, true);
    },
  });
  indexing.committed(1, true);
  await pass(0);
  assert.deepEqual(calls, ["scrub", "index", "scrub", "index"]);
  await indexing.close();
});

test("a thread that has died is replaced, once", async () => {
  const { indexing, threads } = newIndexing();
  await indexing.search({ text: "word", limit: 1 });
  at(threads, 0).hasEnded = true;
  await Promise.all([indexing.search({ text: "word", limit: 1 }), indexing.scrub()]);
  assert.equal(threads.length, 2);
  await indexing.close();
  assert.ok(at(threads, 1).isClosed);
});

test("closing waits for what is under way, also for the thread that is just being started", async () => {
  const { indexing, threads } = newIndexing();
  const search = indexing.search({ text: "word", limit: 1 });
  await indexing.close();
  await search;
  assert.deepEqual(
    threads.map(({ isClosed }) => isClosed),
    [true],
  );
  assert.equal(await refusalOf(indexing.search({ text: "word", limit: 1 })), "stopping");
});

test("where the disk refuses, it is told once, and tried again until it works", async () => {
  let isBroken = true;
  const { indexing, calls, pass } = newIndexing({
    called: () => {
      if (isBroken) throw new Error("the disk is full");
    },
  });
  const failures: unknown[] = [];
  indexing.failed = error => failures.push(error);
  indexing.committed(1_000, false);
  await pass(30_000);
  assert.deepEqual([calls.length, failures.length], [3, 1]);
  isBroken = false;
  await pass(10_000);
  isBroken = true;
  indexing.committed(1_000, false);
  await pass(10_000);
  assert.equal(failures.length, 2);
  await indexing.close();
});

test("while much is being written the index rests for most of the time", async () => {
  const busy = newIndexing({ lefts: Array.from({ length: 1_000 }, () => 250) });
  const idle = newIndexing({ lefts: Array.from({ length: 1_000 }, () => 250) });
  for (const { indexing, pass } of [busy, idle]) {
    indexing.committed(1_000, false);
    await pass(1_500);
  }
  for (const { calls } of [busy, idle]) calls.length = 0;
  for (let second = 0; second < 2; second++)
    for (let tenth = 0; tenth < 10; tenth++) {
      busy.indexing.committed(200, false);
      await busy.pass(100);
      await idle.pass(100);
    }
  assert.ok(busy.calls.length * 4 < idle.calls.length, `${busy.calls.length} and ${idle.calls.length}`);
  for (const { indexing } of [busy, idle]) await indexing.close();
});
