/** What every log promises, whichever way it keeps its envelopes. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import { type Draft, type Envelope, encode, FACT, FACTS, keyOf, toWire } from "../../core/envelope.ts";
import type { Cursor, Log, Outcome, Stored } from "../../core/log/log.ts";
import { MAX_PAGE_BYTES } from "../../core/log/reads.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { at, draft, holds, packed, unpacked, withoutPos, written } from "./samples.ts";

/** The functions of a log that its users call. */
export type Subject = Pick<
  Log,
  | "append"
  | "take"
  | "heads"
  | "lastHlc"
  | "digest"
  | "stream"
  | "since"
  | "headsAt"
  | "chainsAt"
  | "named"
  | "abandon"
  | "facts"
  | "cursor"
  | "resume"
  | "idsAt"
  | "page"
  | "referring"
  | "find"
  | "setting"
  | "set"
  | "close"
>;
export type Open = (directory: string) => Promise<Subject>;

const ALL = Number.MAX_SAFE_INTEGER;
const MEGABYTE = 1024 * 1024;

/** What an append stored; fails the test where it refused anything. */
export function stored(outcomes: readonly Outcome[]): Stored[] {
  return outcomes.map(outcome => {
    assert.equal(outcome.status, "stored", JSON.stringify(outcome));
    return (outcome as Extract<Outcome, { status: "stored" }>).envelope;
  });
}

const statuses = (outcomes: readonly Outcome[]) => outcomes.map(({ status }) => status);
const ids = (envelopes: readonly Envelope[]) => envelopes.map(({ id }) => id);

/** Cases for a log that `open` opens in a directory, anew or again. `runs` are those of each random check. */
export function logSuite(name: string, open: Open, { runs }: { runs: number }): void {
  /** An empty log in a directory of its own, closed with the test. */
  async function newLog(t: TestContext) {
    const directory = temporaryDirectory(t);
    let log = await open(directory);
    let isOpen = true;
    const close = async () => {
      if (isOpen) await log.close();
      isOpen = false;
    };
    cleanUp(t, close);
    const reopen = async () => {
      await close();
      log = await open(directory);
      isOpen = true;
      return log;
    };
    return { log, directory, close, reopen };
  }

  test(`${name}: a node's own messages count on without gaps, in the stream and in each room`, async t => {
    const { log } = await newLog(t);
    const rooms = ["lobby", "hall", "lobby", "lobby", "hall"];
    const envelopes = stored(await log.append(rooms.map(room => draft({ room }))));
    assert.deepEqual(
      envelopes.map(({ room, seq, n }) => [room, seq, n]),
      [
        ["lobby", 1, 1],
        ["hall", 2, 1],
        ["lobby", 3, 2],
        ["lobby", 4, 3],
        ["hall", 5, 2],
      ],
    );
    const [next] = stored(await log.append([draft()]));
    assert.equal(next?.seq, 6);
    assert.equal(next?.n, 4);
    assert.ok((next?.pos ?? 0) > at(envelopes, -1).pos);
    assert.equal(new Set(envelopes.map(({ origin }) => origin)).size, 1);
    assert.match(at(envelopes, 0).origin, /^[0-9a-z]{16}$/);
  });

  test(`${name}: every field comes back as it was written`, async t => {
    const { log } = await newLog(t);
    const drafts = [
      draft({ ref: "other", extra: Buffer.from([1, 2]), blobs: ["a".repeat(64)], alt: "ä🙂\u0000" }),
      draft({ alt: null, body: Buffer.alloc(0), role: "mark" }),
      draft({ hlc: ALL, version: 7, body: Buffer.alloc(256 * 1024, 7) }),
    ];
    const written = stored(await log.append(drafts)).map(withoutPos);
    const read = unpacked(await log.stream(at(written, 0).origin, 0, 10, 10 * MEGABYTE));
    assert.deepEqual(read.map(bare), written.map(bare));
    for (const [index, { origin: _o, seq: _s, n: _n, salt: _a, contentHash: _h, ...fields }] of read.entries())
      assert.deepEqual(bare(fields), bare(at(drafts, index)));
  });

  test(`${name}: a peer's envelopes keep the places that the peer gave them`, async t => {
    const { log } = await newLog(t);
    const envelopes = written(draft(), draft({ room: "hall" }), draft());
    assert.deepEqual(
      stored(await log.append(envelopes))
        .map(withoutPos)
        .map(bare),
      envelopes.map(bare),
    );
    assert.equal((await log.heads())[at(envelopes, 0).origin]?.seq, 3);
    const [own] = stored(await log.append([draft()]));
    assert.notEqual(own?.origin, at(envelopes, 0).origin);
    assert.equal(own?.seq, 1);
    assert.equal(own?.n, 1);
  });

  test(`${name}: what a peer sends twice is stored once, and a gap is refused`, async t => {
    const { log } = await newLog(t);
    const envelopes = written(draft(), draft(), draft(), draft());
    const [one, two, three, four] = envelopes as [Envelope, Envelope, Envelope, Envelope];
    assert.deepEqual(statuses(await log.append([two])), ["refused"]);
    assert.deepEqual(statuses(await log.append([one, one, two])), ["stored", "refused", "stored"]);
    assert.deepEqual(statuses(await log.append([one, two, four, three])), ["refused", "refused", "refused", "stored"]);
    assert.deepEqual(statuses(await log.append([four])), ["stored"]);
    assert.deepEqual(ids(unpacked(await log.stream(one.origin, 0, 10, MEGABYTE))), ids(envelopes));
  });

  test(`${name}: a segment that a peer packed is taken as it would be unpacked, and what is here already passed over`, async t => {
    const { log } = await newLog(t);
    const [x, y] = ["a".repeat(64), "b".repeat(64)];
    const envelopes = written(
      draft({ blobs: [x] }),
      draft({ room: "hall", blobs: [x, y] }),
      draft({ role: FACT, room: FACTS }),
      draft(),
    );
    const { origin, hlc } = at(envelopes, -1);
    const first = await log.take({ origin, packed: packed(envelopes.slice(0, 2)) });
    assert.deepEqual([first.count, first.skipped, first.rooms, first.refused], [2, 0, ["lobby", "hall"], undefined]);
    assert.deepEqual(first.blobs, [x, y]);
    const all = await log.take({ origin, packed: packed(envelopes) });
    assert.deepEqual(all.blobs, []);
    assert.deepEqual([all.count, all.skipped, all.rooms, all.hlc], [2, 2, [FACTS, "lobby"], hlc]);
    assert.deepEqual(ids(all.facts), ids(envelopes.slice(2, 3)));
    const stored = await log.since(0, ALL, 10, MEGABYTE);
    assert.deepEqual(stored.map(withoutPos).map(bare), envelopes.map(bare));
    assert.deepEqual([first.first, all.first], [at(stored, 0).pos, at(stored, 2).pos]);
    assert.deepEqual((await log.take({ origin, packed: packed(envelopes) })).count, 0);
    assert.deepEqual((await log.take({ origin, packed: packed([]) })).count, 0);
  });

  test(`${name}: a segment is taken up to what is forged, damaged, of another stream or does not fit`, async t => {
    const envelopes = written(draft(), draft(), draft());
    const [one, two, three] = envelopes as [Envelope, Envelope, Envelope];
    const { origin } = one;
    const broken: [wires: unknown, count: number, why: RegExp][] = [
      [[one, { ...two, alt: "forged" }, three].map(toWire), 1, /hash/],
      [[one, at(written(draft(), draft()), 1), three].map(toWire), 1, /another stream/],
      [[one, three].map(toWire), 1, /continue its stream/],
      [[two, three].map(toWire), 0, /continue its stream/],
      [[one, { ...two, n: 3 }].map(toWire), 1, /continue its room/],
      [[toWire(one), toWire(two).with(1, "2")], 0, /form/],
      [[toWire(one), null], 0, /array/],
    ];
    for (const [wires, count, why] of broken) {
      const { log } = await newLog(t);
      const taken = await log.take({ origin, packed: encode(wires) });
      assert.equal(taken.count, count, String(why));
      assert.match(taken.refused ?? "", why);
      assert.equal((await log.heads())[origin]?.seq ?? 0, count);
      const rest = await log.take({ origin, packed: packed(envelopes) });
      assert.deepEqual([rest.count, rest.skipped], [3 - count, count]);
    }
  });

  test(`${name}: a segment says what had been erased before it came, and whether it erases`, async t => {
    const { log } = await newLog(t);
    const envelopes = written(draft(), draft({ id: "gone", blobs: ["a".repeat(64)] }), draft());
    const [erasure] = written(draft({ role: "erase", ref: "gone" })) as [Envelope];
    assert.equal((await log.take({ origin: erasure.origin, packed: packed([erasure]) })).erases, true);
    const taken = await log.take({ origin: at(envelopes, 0).origin, packed: packed(envelopes) });
    assert.deepEqual([taken.count, taken.emptied, taken.erases, taken.blobs], [3, [1], false, []]);
    assert.equal((await log.find("gone"))?.alt, null);
  });

  test(`${name}: an envelope that does not continue its room is refused, and what was before it stays`, async t => {
    const { log } = await newLog(t);
    const [one, two] = written(draft(), draft()) as [Envelope, Envelope];
    assert.deepEqual(statuses(await log.append([one, { ...two, n: 3 }])), ["stored", "refused"]);
    assert.equal((await log.heads())[one.origin]?.seq, 1);
    assert.deepEqual(statuses(await log.append([two])), ["stored"]);
  });

  test(`${name}: a message that its author sends again is answered with its first place`, async t => {
    const { log } = await newLog(t);
    const [first] = stored(await log.append([draft({ id: "one" })]));
    const again = draft({ id: "one", alt: "another text" });
    const { origin, seq, n, hlc } = first as Stored;
    const known = { status: "known", place: { origin, seq, n, hlc } };
    assert.deepEqual(await log.append([again, again]), [known, known]);
    const outcomes = await log.append([draft({ id: "two" }), draft({ id: "two" })]);
    assert.deepEqual(statuses(outcomes), ["stored", "known"]);
    assert.equal((await log.find("one"))?.alt, first?.alt);
  });

  test(`${name}: an id that belongs to somebody else's message is refused`, async t => {
    const { log } = await newLog(t);
    await log.append([draft({ id: "one", author: "ana" })]);
    const outcomes = await log.append([draft({ id: "one", author: "bo" }), draft({ id: "two", author: "bo" })]);
    assert.deepEqual(statuses(outcomes), ["refused", "stored"]);
    assert.equal((outcomes[0] as Extract<Outcome, { status: "refused" }>).code, "invalid");
    assert.equal(at(stored(outcomes.slice(1)), 0).seq, 2, "a refused message takes no place");
  });

  test(`${name}: what two halves of a partition accepted is kept twice, and the lower key counts`, async t => {
    const { log } = await newLog(t);
    const [late] = written(draft({ id: "one", hlc: 2_000, alt: "late" })) as [Envelope];
    const [early] = written(draft({ id: "one", hlc: 1_000, alt: "early" })) as [Envelope];
    await log.append([late, early]);
    assert.equal((await log.find("one"))?.alt, "early");
    assert.deepEqual(
      (await log.page("lobby", {}, 10, ALL)).envelopes.map(({ alt }) => alt),
      ["early"],
    );
    assert.deepEqual(await log.append([draft({ id: "one" })]), [
      { status: "known", place: { origin: early.origin, seq: 1, n: 1, hlc: 1_000 } },
    ]);
    assert.equal((await log.resume("lobby", {}, ALL, 10)).envelopes.length, 2, "readers drop the second by its id");
  });

  test(`${name}: a message counts whoever else has taken its id, and wherever else its author has`, async t => {
    const { log } = await newLog(t);
    const one = { id: "one", author: "ana" };
    await log.append(written(draft({ ...one, hlc: 3_000, alt: "Ana's" })));
    await log.append(written(draft({ ...one, author: "bo", hlc: 2_000, alt: "Bo's" })));
    await log.append(written(draft({ ...one, room: "hall", hlc: 1_000, alt: "Ana's in the hall" })));
    const alts = async (room: string) => (await log.page(room, {}, 10, ALL)).envelopes.map(({ alt }) => alt);
    assert.deepEqual(await alts("lobby"), ["Bo's", "Ana's"]);
    assert.deepEqual(await alts("hall"), ["Ana's in the hall"]);
    assert.equal((await log.find("one"))?.alt, "Ana's in the hall");
    assert.equal((await log.find("one", "bo"))?.alt, "Bo's");
    assert.equal((await log.find("one", "cy"))?.alt, "Ana's in the hall");
    assert.equal(await log.find("two", "ana"), undefined);
    assert.deepEqual(statuses(await log.append([draft(one), draft({ ...one, author: "bo" })])), ["known", "known"]);
    assert.deepEqual(statuses(await log.append([draft({ ...one, author: "cy" })])), ["refused"]);
  });

  test(`${name}: two logs with the same streams have one digest, in whatever order the streams came`, async t => {
    const streams = [3, 5, 2].map(length =>
      written(...Array.from({ length }, (_, index) => draft({ room: index % 2 ? "hall" : "lobby" }))),
    );
    const turns = fc.shuffledSubarray(
      streams.flatMap((envelopes, stream) => envelopes.map(() => stream)),
      { minLength: 10 },
    );
    const digests = new Set<string>();
    await holds(
      t,
      fc.asyncProperty(turns, fc.array(fc.nat(3), { minLength: 10, maxLength: 10 }), async (turns, cuts) => {
        const { log, close } = await newLog(t);
        const next = [0, 0, 0];
        let batch: Envelope[] = [];
        for (const [turn, stream] of turns.entries()) {
          batch.push(at(at(streams, stream), at(next, stream)));
          next[stream] = at(next, stream) + 1;
          if (cuts[turn]) continue;
          stored(await log.append(batch));
          batch = [];
        }
        stored(await log.append(batch));
        digests.add(await log.digest());
        await close();
      }),
      { numRuns: runs },
    );
    assert.equal(digests.size, 1);
  });

  test(`${name}: logs that differ in anything but the salt and erased text have different digests`, async t => {
    const [envelope] = written(draft()) as [Envelope];
    const changes: Partial<Envelope>[] = [
      {},
      { room: "hall" },
      { hlc: 7 },
      { type: "other" },
      { version: 2 },
      { role: "mark" },
      { author: "bo" },
      { authorName: "Bo" },
      { id: "other" },
      { ref: "other" },
      { contentHash: Buffer.alloc(32, 1) },
      { extra: Buffer.from([1]) },
      { origin: "0".repeat(16) },
    ];
    const digests = new Set<string>();
    for (const change of changes) {
      const { log, close } = await newLog(t);
      stored(await log.append([{ ...envelope, ...change }]));
      digests.add(await log.digest());
      await close();
    }
    assert.equal(digests.size, changes.length);
  });

  test(`${name}: who erases a message empties it and keeps its hash; the digest stays the same`, async t => {
    const { log } = await newLog(t);
    const [target] = stored(await log.append([draft({ id: "one", blobs: ["a".repeat(64)] })]));
    const { log: other } = await newLog(t);
    await other.append([withoutPos(target as Stored)]);
    const [erasing] = stored(await log.append([draft({ role: "erase", ref: "one" })]));
    const erased = (await log.find("one")) as Stored;
    assert.deepEqual([erased.alt, erased.body, erased.salt, erased.blobs], [null, null, null, []]);
    assert.deepEqual(Buffer.from(erased.contentHash), Buffer.from((target as Stored).contentHash));
    // A node that gets the emptied envelope, and one that had it whole, end alike.
    const { log: third } = await newLog(t);
    await third.append(unpacked(await log.stream(erased.origin, 0, 10, MEGABYTE)));
    await other.append([withoutPos(erasing as Stored)]);
    assert.equal((await other.find("one"))?.body, null);
    assert.equal(await other.digest(), await log.digest());
    assert.equal(await third.digest(), await log.digest());
  });

  test(`${name}: an erasure that comes before its message empties it on arrival, also after a restart`, async t => {
    const { log, reopen } = await newLog(t);
    const [target] = written(draft({ id: "one" })) as [Envelope];
    await log.append(written(draft({ role: "erase", ref: "one" })));
    const again = await reopen();
    const [arrived] = stored(await again.append([target]));
    assert.equal(arrived?.body, null);
    assert.equal((await again.find("one"))?.alt, null);
    assert.equal((await again.find("one"))?.salt, null);
  });

  test(`${name}: what replaces a message goes with it, if its author wrote both, in whatever order they come`, async t => {
    const own = draft({ id: "own", role: "replace", ref: "one", alt: "secret" });
    const foreign = draft({ id: "foreign", role: "replace", ref: "one", author: "bo", alt: "not hers" });
    const mark = draft({ id: "mark", role: "mark", ref: "one", alt: "a mark" });
    const erasing = draft({ id: "erasing", role: "erase", ref: "one", alt: "Message removed" });
    const parts = [[draft({ id: "one" })], [own, foreign, mark], [erasing]].map(drafts => written(...drafts));
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const { log } = await newLog(t);
      for (const index of order) stored(await log.append(at(parts, index)));
      const alts = await Promise.all(["one", "own", "foreign", "mark"].map(async id => (await log.find(id))?.alt));
      assert.deepEqual(alts, [null, null, "not hers", "a mark"], `in the order ${order}`);
    }
  });

  test(`${name}: nobody erases what somebody else wrote, before or after`, async t => {
    const { log } = await newLog(t);
    await log.append([draft({ id: "one", author: "ana" })]);
    await log.append([draft({ role: "erase", ref: "one", author: "bo" })]);
    await log.append([draft({ role: "erase", ref: "two", author: "bo" })]);
    await log.append([draft({ id: "two", author: "ana" })]);
    assert.notEqual((await log.find("one"))?.body, null);
    assert.notEqual((await log.find("two"))?.body, null);
  });

  test(`${name}: facts and erasures themselves cannot be erased`, async t => {
    const { log } = await newLog(t);
    await log.append([
      draft({ id: "fact", room: FACTS, role: FACT }),
      draft({ id: "erasure", role: "erase", ref: "x" }),
    ]);
    await log.append([draft({ role: "erase", ref: "fact" }), draft({ role: "erase", ref: "erasure" })]);
    assert.notEqual(at(await log.facts(0, 10), 0).body, null);
    assert.notEqual((await log.find("erasure"))?.body, null);
  });

  test(`${name}: both copies of a message are erased, and a restart brings nothing back`, async t => {
    const { log, reopen } = await newLog(t);
    await log.append(written(draft({ id: "one" })));
    await log.append(written(draft({ id: "one" })));
    await log.append([draft({ role: "erase", ref: "one" })]);
    const again = await reopen();
    const { envelopes } = await again.resume("lobby", {}, ALL, 10);
    assert.deepEqual(
      envelopes.filter(({ id }) => id === "one").map(({ alt, body }) => [alt, body]),
      [
        [null, null],
        [null, null],
      ],
    );
  });

  test(`${name}: once the log is closed, nothing of an erased text is left in its files`, async t => {
    const { log, directory, close } = await newLog(t);
    const secret = "the cake is in the cellar";
    const other = "the key is under the mat";
    await log.append([draft({ id: "one", alt: secret, body: Buffer.from(secret.repeat(400)) })]);
    await log.append([draft({ alt: other, body: Buffer.from(other) })]);
    await log.append([draft({ role: "erase", ref: "one", alt: "Message removed" })]);
    const late = written(draft({ role: "erase", ref: "two" }));
    await log.append([...late, ...written(draft({ id: "two", alt: secret, body: Buffer.from(secret) }))]);
    await close();
    const files = readdirSync(directory).map(file => readFileSync(join(directory, file)));
    assert.ok(files.some(bytes => bytes.includes(other)));
    for (const bytes of files) assert.ok(!bytes.includes(secret));
  });

  test(`${name}: a reader that resumes with its cursor gets every envelope exactly once, in bounded pages`, async t => {
    const streams = fc.array(fc.nat(12), { minLength: 1, maxLength: 4 });
    await holds(
      t,
      fc.asyncProperty(streams, fc.integer({ min: 1, max: 7 }), fc.nat(20), async (lengths, limit, read) => {
        const { log, close } = await newLog(t);
        for (const length of lengths) await log.append(written(...Array.from({ length }, () => draft())));
        await log.append([draft(), draft({ room: "hall" }), draft()]);
        const cursor: Cursor = {};
        const expected = (await log.resume("lobby", {}, ALL, 1_000)).envelopes;
        // The reader has read something of each stream already, up to a point of its own.
        const before = expected.filter(({ origin, n }) => {
          const has = n <= read % ((lengths.length % 3) + 3);
          if (has) cursor[origin] = Math.max(cursor[origin] ?? 0, n);
          return has;
        });
        const got = before.map(keyOf);
        for (let place = cursor, more = true, pages = 0; more; pages++) {
          assert.ok(pages <= expected.length + lengths.length + 1, "it ends");
          const page = await log.resume("lobby", place, ALL, limit);
          assert.ok(page.envelopes.length <= limit);
          assert.ok(page.envelopes.length > 0 || !page.more, "it gets on");
          got.push(...page.envelopes.map(keyOf));
          ({ cursor: place, more } = page);
          if (!more) assert.deepEqual(place, { ...cursor, ...(await log.cursor("lobby", ALL)) });
        }
        assert.deepEqual(got.sort(), expected.map(keyOf).sort());
        assert.equal(new Set(got).size, expected.length);
        await close();
      }),
      { numRuns: runs },
    );
  });

  test(`${name}: a resumed page ends at the commit that was asked for, and leaves the cursor there`, async t => {
    const { log } = await newLog(t);
    const envelopes = stored(await log.append([draft(), draft(), draft()]));
    const { origin, pos } = at(envelopes, 1);
    const page = await log.resume("lobby", {}, pos, 10);
    assert.deepEqual(ids(page.envelopes), ids(envelopes.slice(0, 2)));
    assert.deepEqual(page.cursor, { [origin]: 2 });
    assert.equal(page.more, false);
    assert.deepEqual(await log.cursor("lobby", pos), { [origin]: 2 });
    assert.deepEqual(await log.cursor("lobby", 0), {});
    assert.deepEqual(await log.cursor("hall", ALL), {});
  });

  test(`${name}: a cursor ahead of a peer's stream, or of one that is not known, may be of another history`, async t => {
    const { log } = await newLog(t);
    const { log: peer } = await newLog(t);
    const envelopes = stored(await peer.append([draft()])).map(({ pos: _, ...envelope }) => envelope);
    await log.append(envelopes);
    const { origin } = at(envelopes, 0);
    for (const cursor of [{ [origin]: 9 }, { ["z".repeat(16)]: 3 }, { [origin]: 1, ["z".repeat(16)]: 3 }])
      await assert.rejects(log.resume("lobby", cursor, ALL, 10), { code: "reset" });
    const cursor = { [origin]: 1, ["z".repeat(16)]: 0 };
    assert.deepEqual(await log.resume("lobby", cursor, ALL, 10), { envelopes: [], cursor, more: false });
  });

  test(`${name}: a cursor beyond the end of this node's own stream is of a history that this log has lost`, async t => {
    const { log } = await newLog(t);
    const [{ origin }] = stored(await log.append([draft(), draft()])) as [Stored];
    await assert.rejects(log.resume("lobby", { [origin]: 3 }, ALL, 10), { code: "reset" });
    await assert.rejects(log.resume("hall", { [origin]: 1 }, ALL, 10), { code: "reset" });
    assert.equal((await log.resume("lobby", { [origin]: 2 }, 1, 10)).more, false, "whatever the page ends at");
  });

  test(`${name}: a reader whose last messages are others than those here has another history`, async t => {
    const { log } = await newLog(t);
    const envelopes = stored(await log.append([draft(), draft(), draft({ room: "hall" })]));
    const { origin } = at(envelopes, 0);
    const last = (n: number, cursor = n) =>
      log.resume("lobby", { [origin]: cursor }, ALL, 10, { [origin]: at(envelopes, n - 1).id });
    assert.deepEqual(ids((await last(1)).envelopes), [at(envelopes, 1).id]);
    assert.deepEqual((await last(2)).envelopes, []);
    await assert.rejects(last(1, 2), { code: "reset" });
    await assert.rejects(last(3, 1), { code: "reset" });
    // Who has read nothing has no history.
    assert.equal((await log.resume("lobby", {}, ALL, 10, { [origin]: "x" })).envelopes.length, 2);
    const unknown = "z".repeat(16);
    assert.deepEqual(await log.idsAt("lobby", { [origin]: 2, [unknown]: 1, __proto__: 1 }), {
      [origin]: at(envelopes, 1).id,
    });
  });

  test(`${name}: pages back and forth show each row once, with its marks, in the order of the keys`, async t => {
    const row = fc.record({ hlc: fc.integer({ min: 1, max: 8 }), id: fc.nat(9), marked: fc.boolean() });
    const streams = fc.array(fc.array(row, { maxLength: 8 }), { minLength: 1, maxLength: 3 });
    await holds(
      t,
      fc.asyncProperty(streams, fc.integer({ min: 1, max: 4 }), async (streams, limit) => {
        const { log, close } = await newLog(t);
        /** The lowest copy of each id. */
        const rows = new Map<string, Envelope>();
        for (const stream of streams) {
          const drafts = stream.flatMap(({ hlc, id, marked }) => [
            draft({ hlc, id: `row ${id}` }),
            ...(marked ? [draft({ role: "mark", ref: `row ${id}` })] : []),
          ]);
          // A node stores an id once only; what its author sends again it leaves out.
          const unique = drafts.filter(({ id }, index) => drafts.findIndex(other => other.id === id) === index);
          const envelopes = written(...unique);
          stored(await log.append(envelopes));
          for (const envelope of envelopes) {
            const before = rows.get(envelope.id);
            if (envelope.role === "row" && (!before || keyOf(envelope) < keyOf(before)))
              rows.set(envelope.id, envelope);
          }
        }
        const expected = [...rows.values()].map(keyOf).sort();
        assert.deepEqual(await paged("before"), expected);
        assert.deepEqual(await paged("after"), expected);
        await close();

        async function paged(direction: "before" | "after"): Promise<string[]> {
          const keys: string[] = [];
          let from = direction === "before" ? {} : { after: keyOf({ hlc: 0, origin: "0".repeat(16), n: 0 }) };
          for (;;) {
            const { envelopes, older } = await log.page("lobby", from, limit, ALL);
            const found = envelopes.filter(({ role }) => role === "row").map(keyOf);
            assert.ok(found.length <= limit);
            assert.deepEqual(envelopes.map(keyOf), envelopes.map(keyOf).sort(), "oldest first");
            for (const { id } of envelopes.filter(({ role }) => role === "row")) {
              const marks = envelopes.filter(({ role, ref }) => role === "mark" && ref === id);
              assert.equal(marks.length, (await log.referring("lobby", id)).length);
            }
            if (direction === "before") keys.unshift(...found);
            else keys.push(...found);
            const edge = direction === "before" ? found[0] : found.at(-1);
            if (direction === "before") assert.equal(older, keys.length < expected.length);
            if (edge === undefined || keys.length >= expected.length) return keys;
            from = { [direction]: edge } as { after: string };
          }
        }
      }),
      { numRuns: runs },
    );
  });

  test(`${name}: a page of rows with much that belongs to them ends early, and says that there is more`, async t => {
    const { log } = await newLog(t);
    const rows = [draft(), draft(), draft()];
    const marks = (ref: string) => Array.from({ length: 20 }, () => draft({ role: "mark", ref, body: large }));
    const large = encode("x".repeat(MAX_PAGE_BYTES / 30));
    stored(await log.append(rows));
    for (const { id } of rows) stored(await log.append(marks(id)));
    const [first, second, third] = rows.map(({ id }) => id) as [string, string, string];
    const page = async (from: { before?: string; after?: string }) => {
      const { envelopes, older } = await log.page("lobby", from, 10, ALL);
      const marked = envelopes.filter(({ role }) => role === "mark");
      return { rows: ids(envelopes.filter(({ role }) => role === "row")), marks: marked.length, older };
    };
    assert.deepEqual(await page({}), { rows: [second, third], marks: 40, older: true });
    assert.deepEqual(await page({ before: second }), { rows: [first], marks: 20, older: false });
    assert.deepEqual((await page({ after: first })).rows, [second, third]);
  });

  test(`${name}: a page begins at a key or at an id, and what neither means is not found`, async t => {
    const { log } = await newLog(t);
    const envelopes = stored(await log.append([draft(), draft(), draft()]));
    const middle = at(envelopes, 1);
    for (const place of [keyOf(middle), middle.id]) {
      assert.deepEqual(ids((await log.page("lobby", { before: place }, 10, ALL)).envelopes), [at(envelopes, 0).id]);
      assert.deepEqual(ids((await log.page("lobby", { after: place }, 10, ALL)).envelopes), [at(envelopes, 2).id]);
    }
    for (const place of ["nowhere", "", keyOf(middle).slice(1)])
      await assert.rejects(log.page("lobby", { before: place }, 10, ALL), { name: "Reject", code: "not-found" });
    assert.deepEqual(await log.page("nowhere", {}, 10, ALL), { envelopes: [], older: false });
  });

  test(`${name}: a page shows rows of its room up to the commit that was asked for`, async t => {
    const { log } = await newLog(t);
    const envelopes = stored(await log.append([draft(), draft({ room: "hall" }), draft(), draft()]));
    const { envelopes: page } = await log.page("lobby", {}, 10, at(envelopes, 2).pos);
    assert.deepEqual(ids(page), [at(envelopes, 0).id, at(envelopes, 2).id]);
  });

  test(`${name}: what refers to a message are its marks and replacements, not the rows that answer it`, async t => {
    const { log } = await newLog(t);
    await log.append([
      draft({ id: "one" }),
      draft({ id: "answer", ref: "one" }),
      draft({ id: "mark", ref: "one", role: "mark", hlc: 9 }),
      draft({ id: "edit", ref: "one", role: "replace", hlc: 8 }),
      draft({ id: "elsewhere", ref: "one", role: "mark", room: "hall" }),
    ]);
    assert.deepEqual(ids(await log.referring("lobby", "one")), ["edit", "mark"]);
    assert.equal(await log.find("nothing"), undefined);
  });

  test(`${name}: a stream is read in order, as much as fits, and at least one`, async t => {
    const { log } = await newLog(t);
    const body = Buffer.alloc(100 * 1024);
    const envelopes = stored(await log.append(Array.from({ length: 10 }, () => draft({ body }))));
    const { origin } = at(envelopes, 0);
    assert.deepEqual(ids(unpacked(await log.stream(origin, 0, 3, 10 * MEGABYTE))), ids(envelopes.slice(0, 3)));
    assert.deepEqual(ids(unpacked(await log.stream(origin, 7, 100, 10 * MEGABYTE))), ids(envelopes.slice(7)));
    assert.deepEqual(ids(unpacked(await log.stream(origin, 0, 100, 1))), ids(envelopes.slice(0, 1)));
    assert.equal(unpacked(await log.stream(origin, 0, 100, 350 * 1024)).length, 3);
    assert.deepEqual(unpacked(await log.stream(origin, 10, 100, MEGABYTE)), []);
    assert.deepEqual(unpacked(await log.stream("z".repeat(16), 0, 100, MEGABYTE)), []);
    // Reading that stopped half-way must not stand in the way of the next writer.
    await log.append([draft()]);
    assert.deepEqual(unpacked(await log.stream(origin, 10, 100, MEGABYTE)).length, 1);
  });

  test(`${name}: everything is read in commit order up to a commit, as much as fits, and at least one`, async t => {
    const { log } = await newLog(t);
    const body = Buffer.alloc(100 * 1024);
    const own = stored(await log.append([draft({ body }), draft({ body, room: "hall" })]));
    const peers = stored(await log.append(written(draft({ body }), draft({ room: FACTS, role: FACT, body }))));
    const all = [...own, ...peers];
    const upTo = at(peers, 1).pos;
    await log.append([draft()]);
    const read = await log.since(0, upTo, 10, 10 * MEGABYTE);
    assert.deepEqual(ids(read), ids(all));
    assert.deepEqual(
      read.map(({ pos }) => pos),
      all.map(({ pos }) => pos),
    );
    assert.deepEqual(ids(await log.since(at(own, 1).pos, upTo, 1, MEGABYTE)), ids(peers.slice(0, 1)));
    assert.deepEqual(ids(await log.since(0, upTo, 10, 1)), ids(own.slice(0, 1)));
    assert.equal((await log.since(0, upTo, 10, 250 * 1024)).length, 2);
    assert.deepEqual(await log.since(upTo, upTo, 10, MEGABYTE), []);
  });

  test(`${name}: where the streams ended at a commit is known, and their running hash on the way`, async t => {
    const { log } = await newLog(t);
    const steps: { pos: number; heads: Awaited<ReturnType<typeof log.heads>> }[] = [];
    const peers = written(draft(), draft());
    for (const group of [[draft()], peers.slice(0, 1), [draft(), draft()], peers.slice(1)]) {
      const { pos } = at(stored(await log.append(group)), -1);
      steps.push({ pos, heads: await log.heads() });
    }
    assert.deepEqual(await log.headsAt(0), {});
    for (const { pos, heads } of steps) {
      const then = await log.headsAt(pos);
      assert.deepEqual(then, heads);
      assert.deepEqual(Object.keys(then), Object.keys(heads), "in one order");
      const places = Object.fromEntries(Object.entries(heads).map(([origin, { seq }]) => [origin, seq]));
      const chains = Object.fromEntries(Object.entries(heads).map(([origin, { chain }]) => [origin, chain]));
      assert.deepEqual(await log.chainsAt(places), chains);
    }
    assert.deepEqual(await log.chainsAt({ [at(peers, 0).origin]: 3, ["z".repeat(16)]: 1 }), {});
  });

  test(`${name}: all who used an id are found, whatever they said; facts and erasures have none`, async t => {
    const { log } = await newLog(t);
    await log.append(written(draft({ id: "one", hlc: 3, author: "ana" })));
    await log.append(written(draft({ id: "one", hlc: 2, author: "bo", role: "mark", ref: "two" })));
    await log.append(written(draft({ id: "one", hlc: 1, author: "ana", room: "hall" })));
    await log.append(
      written(draft({ id: "one", room: FACTS, role: FACT }), draft({ id: "e", role: "erase", ref: "x" })),
    );
    const found = await log.named("one");
    assert.deepEqual(
      found.map(({ author, room }) => [author, room]),
      [
        ["ana", "hall"],
        ["bo", "lobby"],
        ["ana", "lobby"],
      ],
    );
    assert.deepEqual(await log.named("e"), []);
    assert.deepEqual(await log.named("two"), []);
  });

  test(`${name}: a stream that a node gives up is nobody's: its next write begins a new one, also after a restart`, async t => {
    const { log, reopen } = await newLog(t);
    const [first] = stored(await log.append([draft(), draft()]));
    const { origin } = first as Stored;
    assert.equal(await log.abandon(origin, 1), false, "it has gone on");
    assert.equal(stored(await log.append([draft()]))[0]?.origin, origin);
    assert.equal(await log.abandon("z".repeat(16), 1), true, "another's is none of its own");
    assert.equal(stored(await log.append([draft()]))[0]?.origin, origin);
    assert.equal(await log.abandon(origin, 4), true);
    const again = await reopen();
    const [next] = stored(await again.append([draft()]));
    assert.notEqual(next?.origin, origin);
    assert.deepEqual([next?.seq, next?.n], [1, 1]);
    assert.equal((await again.heads())[origin]?.seq, 4);
  });

  test(`${name}: facts are read in commit order, page by page`, async t => {
    const { log } = await newLog(t);
    const fact = (id: string) => draft({ id, room: FACTS, role: FACT });
    await log.append([fact("one"), draft(), fact("two"), ...written(fact("three"))]);
    const [first] = await log.facts(0, 1);
    assert.equal(first?.id, "one");
    assert.deepEqual(ids(await log.facts(first?.pos ?? 0, 10)), ["two", "three"]);
    assert.equal(await log.find("one"), undefined, "facts are no messages");
  });

  test(`${name}: a restart keeps everything, and goes on where it was`, async t => {
    const { log, reopen } = await newLog(t);
    const own = stored(await log.append([draft({ hlc: 500 }), draft({ hlc: 400, room: "hall" })]));
    await log.append(written(draft({ hlc: 900 }), draft()));
    await log.set("colour", "red");
    await log.set("colour", "blue");
    const before = [await log.digest(), await log.heads(), await log.lastHlc(), await log.cursor("lobby", ALL)];
    const again = await reopen();
    assert.deepEqual(
      [await again.digest(), await again.heads(), await again.lastHlc(), await again.cursor("lobby", ALL)],
      before,
    );
    assert.equal(await again.lastHlc(), 500, "the latest of the node's own stream");
    assert.equal(await again.setting("colour"), "blue");
    assert.equal(await again.setting("shape"), undefined);
    const [next] = stored(await again.append([draft()]));
    assert.deepEqual([next?.origin, next?.seq, next?.n], [at(own, 0).origin, 3, 2]);
  });

  test(`${name}: an empty log is one, too`, async t => {
    const { log } = await newLog(t);
    assert.deepEqual(await log.append([]), []);
    assert.deepEqual(await log.heads(), {});
    assert.equal(await log.lastHlc(), 0);
    assert.deepEqual(await log.page("lobby", {}, 10, ALL), { envelopes: [], older: false });
    assert.deepEqual(await log.resume("lobby", {}, ALL, 10), { envelopes: [], cursor: {}, more: false });
    assert.deepEqual(await log.facts(0, 10), []);
    assert.deepEqual(await log.cursor("lobby", ALL), {});
  });

  test(`${name}: rooms and people may be called as objects' own properties are`, async t => {
    const { log } = await newLog(t);
    const strange = { room: "__proto__", id: "constructor", author: "toString" };
    const [envelope] = stored(await log.append([draft(strange)]));
    assert.equal(envelope?.n, 1);
    assert.deepEqual(ids((await log.page("__proto__", {}, 10, ALL)).envelopes), ["constructor"]);
    assert.deepEqual(await log.cursor("__proto__", ALL), { [envelope?.origin as string]: 1 });
  });
}

/** Byte arrays as plain ones: what crosses a thread is a Uint8Array, what was a Buffer is one no more. */
function bare(envelope: Draft | Envelope | Omit<Envelope, "origin" | "seq" | "n" | "salt" | "contentHash">) {
  return Object.fromEntries(
    Object.entries(envelope).map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]),
  );
}
