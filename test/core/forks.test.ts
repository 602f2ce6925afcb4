import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import { Forks } from "../../core/cluster/forks.ts";
import { type Draft, type Envelope, encode, FACT, FACTS } from "../../core/envelope.ts";
import { FORK, type Fork } from "../../core/forks.ts";
import type { Stored } from "../../core/log/reads.ts";
import { type Outcome, Store } from "../../core/log/store.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { at, draft, holds, unpacked, withoutPos } from "../suites/samples.ts";

const drafts = (count: number) => Array.from({ length: count }, () => draft());
const streamOf = (store: Store, origin: string): Envelope[] => unpacked(store.stream(origin, 0, 10_000, 1e9));
const idsIn = (store: Store) => store.page("lobby", {}, 200, store.lastPos()).envelopes.map(({ id }) => id);
const write = (store: Store, ...drafts: Draft[]) => stored(store.append(drafts, 0).outcomes);

function stored(outcomes: readonly Outcome[]): Stored[] {
  return outcomes.map(outcome => (outcome.status === "stored" ? outcome.envelope : assert.fail(outcome.status)));
}

/** The word of a node that a branch is given up. */
function giveUp(fork: Omit<Fork, "rooms">): Draft {
  return draft({ type: FORK, role: FACT, room: FACTS, alt: null, body: encode({ ...fork, rooms: ["lobby"] }) });
}

/** A store that was put back to an earlier state, and one that holds what the first had written until then. */
function forked(t: TestContext, { common = 3, lost = 2, written = 2 } = {}) {
  const folder = temporaryDirectory(t);
  const [path, backup] = [join(folder, "log.db"), join(folder, "backup.db")];
  const open = (path: string) => {
    const store = new Store(path);
    cleanUp(t, () => store.close());
    return store;
  };
  const first = open(path);
  const { origin } = at(write(first, ...drafts(common)), 0);
  first.copyTo(backup);
  const old = write(first, ...drafts(lost));
  const peer = open(":memory:");
  peer.append(streamOf(first, origin), 0);
  const restored = open(backup);
  const branch = write(restored, ...drafts(written));
  const chain = restored.chains(origin, [common + 1])[common + 1] as string;
  return { restored, peer, origin, old, branch, fork: { origin, seq: common + 1, chain } };
}

test("a branch that is given up is cut off, and written again in a new stream with ids, authors and times", t => {
  const { restored, origin, branch, fork } = forked(t);
  const { saved, cut, heads, origin: writes, outcomes } = restored.append([giveUp(fork)], 0);
  assert.deepEqual(cut, [origin]);
  assert.equal(heads[origin]?.seq, 3);
  assert.notEqual(writes, origin);
  assert.equal(stored(outcomes)[0]?.origin, writes, "the word of it stands in the new stream, behind them");
  assert.deepEqual(
    saved.map(({ id, author, hlc, alt, origin, seq }) => ({ id, author, hlc, alt, origin, seq })),
    branch.map(({ id, author, hlc, alt }, index) => ({ id, author, hlc, alt, origin: writes, seq: index + 1 })),
  );
  assert.equal(streamOf(restored, origin).length, 3);
});

test("after that both have the same, and everything that was ever written once", t => {
  const { restored, peer, origin, old, branch, fork } = forked(t);
  const { origin: writes } = restored.append([giveUp(fork)], 0);
  stored(restored.append(streamOf(peer, origin).slice(3), 0).outcomes);
  stored(peer.append(streamOf(restored, writes as string), 0).outcomes);
  assert.equal(restored.digest(), peer.digest());
  const ids = idsIn(restored);
  assert.equal(new Set(ids).size, ids.length);
  for (const { id } of [...old, ...branch]) assert.ok(ids.includes(id), id);
});

test("who holds a branch that others gave up cuts it off as well, and keeps what it alone has", t => {
  const { restored, peer, origin, branch, fork } = forked(t, { lost: 0 });
  // It has both of the branch; the restored node, put back once more, only one.
  stored(peer.append(branch.map(withoutPos), 0).outcomes);
  const word = giveUp(fork);
  const author = restored.append([word], 0);
  const news = streamOf(restored, author.origin as string).filter(({ id }) => id !== at(branch, 1).id);
  const other = new Store(":memory:");
  cleanUp(t, () => other.close());
  const [alone, fact] = [at(news, 0), at(news, 1)];
  const { saved, cut } = peer.append([{ ...alone }, { ...fact, seq: 2, n: 1 }], 0);
  assert.deepEqual(cut, [origin]);
  assert.deepEqual(
    saved.map(({ id }) => id),
    [at(branch, 1).id],
  );
  assert.equal(new Set(idsIn(peer)).size, 5);
});

test("what was given up is never taken again, not by another run either", t => {
  const { restored, origin, branch, fork } = forked(t);
  restored.append([giveUp(fork)], 0);
  const refused = () => restored.append(branch.map(withoutPos), 0).outcomes[0];
  assert.equal(refused()?.status, "refused");
  assert.deepEqual(restored.forks(), [fork]);
  assert.equal(streamOf(restored, origin).length, 3);
});

test("a branch that is not here, or only up to where it parts, costs nothing", t => {
  const { peer, origin, fork } = forked(t);
  const before = streamOf(peer, origin).length;
  const { saved, cut } = peer.append([giveUp(fork)], 0);
  assert.deepEqual([saved, cut], [[], []]);
  assert.equal(streamOf(peer, origin).length, before);
});

test("a stream that was forked from its first envelope on is gone as a whole", t => {
  const { restored, origin, fork } = forked(t);
  const chain = restored.chains(origin, [1])[1] as string;
  const { heads, cut } = restored.append([giveUp({ ...fork, seq: 1, chain })], 0);
  assert.deepEqual(cut, [origin]);
  assert.deepEqual(heads[origin], { seq: 0, chain: "" });
  assert.equal(restored.heads()[origin], undefined);
});

test("nothing is spliced: what follows another running hash is told from what continues", t => {
  const { restored, peer, origin, old } = forked(t, { written: 1 });
  const next = at(old, 1);
  const { follows } = peer.stream(origin, next.seq - 1, 10, 1e9);
  const [outcome] = restored.append([withoutPos(next)], 0, new Map([[0, follows as string]])).outcomes;
  assert.equal(outcome?.status, "forked");
});

test("what overlaps with what is here is held against it before it goes on", t => {
  const { restored, peer, origin } = forked(t, { lost: 3, written: 2 });
  const { packed, follows } = peer.stream(origin, 2, 10, 1e9);
  // It begins where both are the same, two of it are in the way here, and the last one would fit behind those.
  const { taken } = restored.take([{ origin, packed, follows }], 0);
  assert.deepEqual([taken[0]?.forked, taken[0]?.count], [true, 0]);
  assert.equal(streamOf(restored, origin).length, 5);
});

/** Runs the search of one node against the chains of another; returns what was asked, and what was given up. */
async function search(
  own: readonly string[],
  theirs: readonly string[],
  { writes = false, writer = undefined as string | undefined } = {},
) {
  const asked: number[][] = [];
  const given: Fork[] = [];
  const told: number[] = [];
  const chains = (of: readonly string[], seqs: readonly number[]): Record<number, string> =>
    Object.fromEntries(seqs.flatMap(seq => of.slice(seq - 1, seq).map(chain => [seq, chain])));
  let now = 0;
  const forks = new Forks("self", {
    log: {
      origin: writes ? "stream" : undefined,
      chains: async (_, seqs) => chains(own, seqs),
      roomsFrom: async () => ["lobby"],
      abandon: async () => true,
    },
    ask: (_, __, seqs) => void asked.push(seqs),
    tell: (_, __, { seq }) => void told.push(seq),
    length: (_, peer) => (peer === undefined ? own : theirs).length,
    writer: () => writer,
    searching: () => {},
    giveUp: async fork => void given.push(fork),
    now: () => now,
    warn: () => {},
  });
  const seq = Math.min(own.length, theirs.length);
  forks.differs("peer", "stream", { seq, chain: own[seq - 1] as string });
  let answered = 0;
  const answer = async () => {
    while (answered < asked.length)
      await forks.answered("peer", "stream", chains(theirs, asked[answered++] as number[]));
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  };
  await answer();
  const wait = async (ms: number) => {
    now += ms;
    forks.tick();
    await answer();
  };
  return { asked, given, told, wait };
}

const branches = (same: number, own: number, theirs: number) => {
  const common = Array.from({ length: same }, (_, index) => `same ${index}`);
  const after = (who: string, count: number) => Array.from({ length: count }, (_, index) => `${who} ${index}`);
  return [
    [...common, ...after("own", own)],
    [...common, ...after("theirs", theirs)],
  ] as const;
};

test("the place where two branches part is found in few questions, wherever it is", async t => {
  await holds(
    t,
    fc.asyncProperty(fc.nat(9_000), fc.integer({ min: 1, max: 900 }), async (same, length) => {
      const [own, theirs] = branches(same, length, length + 1);
      const { asked, given, told } = await search(own, theirs);
      assert.ok(asked.length <= 3, `${asked.length} questions`);
      assert.deepEqual(given, [{ origin: "stream", seq: same + 1, chain: "own 0", rooms: ["lobby"] }]);
      assert.equal(told.length, 1, "the other one is told, too");
    }),
    { numRuns: 50 },
  );
});

test("who writes the stream gives its branch up, however long it is; of two others the one that has less", async () => {
  const [long, short] = branches(5, 40, 2);
  assert.equal((await search(long, short, { writes: true })).given.length, 1);
  assert.equal((await search(long, short)).given.length, 0);
  assert.equal((await search(short, long)).given.length, 1);
});

test("others wait for the one who writes the stream, but not for ever", async () => {
  const [short, long] = branches(5, 2, 40);
  const { given, wait } = await search(short, long, { writer: "cy" });
  assert.equal(given.length, 0);
  await wait(5_000);
  assert.equal(given.length, 0);
  await wait(6_000);
  assert.equal(given.length, 1);
});
