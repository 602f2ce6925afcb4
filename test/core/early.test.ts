/** What is told of a peer's stream before it is committed, with a log on a disk. */
import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { EMPTY_CHAIN, hashChain } from "../../core/chain.ts";
import { Early } from "../../core/cluster/early.ts";
import { Replication } from "../../core/cluster/replication.ts";
import type { Draft, Envelope } from "../../core/envelope.ts";
import { Log } from "../../core/log/log.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { at, draft, written } from "../suites/samples.ts";

/** The replication of a node, and what happened there in order: `told`, `committed` and `back`. */
async function newNode(t: TestContext, mayTell: (envelope: Envelope) => boolean = () => true) {
  const log = await Log.open(temporaryDirectory(t));
  cleanUp(t, () => log.close());
  const happened: string[] = [];
  const say = (what: string, envelopes: readonly Envelope[]) => {
    for (const { seq } of envelopes) happened.push(`${what} ${seq}`);
  };
  const early = new Early({
    mayTell,
    tell: envelopes => say("told", envelopes),
    takeBack: rooms => happened.push(`back ${rooms}`),
  });
  const replication = new Replication(
    {
      log,
      early,
      pull: () => {},
      differs: () => {},
      outgrown: () => {},
      now: () => 0,
      missing: () => {},
      warn: () => {},
    },
    {},
  );
  log.committed = ({ envelopes, heads, cut }) => {
    say(
      "committed",
      envelopes.filter(envelope => envelope.origin !== log.origin && !early.has(envelope)),
    );
    replication.committed(heads, cut);
  };
  /** Resolves when what was handed to the log until now is committed, or refused. */
  const settled = async () => {
    await log.append([draft()]);
    await new Promise(resolve => setImmediate(resolve));
  };
  return { log, early, replication, happened, settled };
}

const stream = (count: number, changes: Partial<Draft> = {}) =>
  written(...Array.from({ length: count }, () => draft(changes)));

test("a peer's live messages are told before they are committed, each once", async t => {
  const { replication, happened, early, settled } = await newNode(t);
  const envelopes = stream(4);
  replication.live("bo", envelopes.slice(0, 1));
  replication.live("bo", envelopes.slice(1));
  replication.live("bo", envelopes);
  assert.deepEqual(happened, ["told 1", "told 2", "told 3", "told 4"], "nothing was waited for");
  assert.deepEqual(early.of("lobby"), envelopes, "whoever joins now gets them besides what the log has");
  assert.deepEqual(early.of("elsewhere"), []);
  assert.equal(early.find(at(envelopes, 1).id), envelopes[1]);
  assert.equal(early.find(at(envelopes, 1).id, "somebody else"), undefined);
  await settled();
  assert.equal(happened.length, 4, "their commit tells nothing");
  assert.deepEqual(early.of("lobby"), [], "the log has them");
  assert.ok(!early.has(at(envelopes, 3)));
});

test("nothing is told before what precedes it", async t => {
  const { replication, happened } = await newNode(t);
  const envelopes = stream(4);
  replication.live("bo", envelopes.slice(2));
  replication.live("bo", envelopes.slice(0, 1));
  assert.deepEqual(happened, ["told 1"]);
  replication.live("bo", envelopes.slice(1, 2));
  assert.deepEqual(happened, ["told 1", "told 2", "told 3", "told 4"]);
});

test("what has to wait for its commit holds up what follows in its stream, and nothing else", async t => {
  const { replication, happened, settled } = await newNode(t, ({ blobs }) => blobs.length === 0);
  const envelopes = written(draft(), draft({ blobs: ["a".repeat(64)] }), draft());
  const others = stream(2, { author: "bo" });
  replication.live("bo", envelopes);
  replication.live("cy", others);
  assert.deepEqual(happened.splice(0), ["told 1", "told 1", "told 2"]);
  await settled();
  assert.deepEqual(happened, ["committed 2", "committed 3"]);
});

test("what continues another branch than the one that is here is not told", async t => {
  const { replication, happened, settled } = await newNode(t);
  const [first, second] = stream(2) as [Envelope, Envelope];
  replication.live("bo", [first], EMPTY_CHAIN);
  await settled();
  replication.live("bo", [second], "f".repeat(32));
  assert.deepEqual(happened, ["told 1"]);
  await settled();
  replication.live("bo", [second], hashChain(EMPTY_CHAIN, first));
  assert.deepEqual(happened, ["told 1", "told 2"]);
});

test("what the log refuses is taken back, and nothing is told of that stream until something is committed", async t => {
  const { replication, happened, settled, early } = await newNode(t);
  const envelopes = stream(4);
  // It is no place in its room, which nobody but the log looks at.
  const misplaced = { ...at(envelopes, 1), n: 7 };
  replication.live("bo", [at(envelopes, 0), misplaced]);
  await settled();
  assert.deepEqual(happened.splice(0), ["told 1", "told 2", "back lobby"]);
  assert.deepEqual(early.of("lobby"), []);
  replication.live("bo", [at(envelopes, 1)]);
  assert.deepEqual(happened.splice(0), []);
  await settled();
  assert.deepEqual(happened.splice(0), ["committed 2"]);
  replication.live("bo", envelopes.slice(2));
  assert.deepEqual(happened.splice(0), ["told 3", "told 4"]);
});
