import assert from "node:assert/strict";
import test from "node:test";
import { hashChain } from "../../core/chain.ts";
import { decodeFrame, type FrameOf } from "../../core/cluster/frames.ts";
import { Publications } from "../../core/cluster/publications.ts";
import type { Envelope } from "../../core/envelope.ts";
import { stillTime } from "../helpers/time.ts";
import { at, draft, written } from "../suites/samples.ts";

/** What a node publishes that writes the stream of `own`, with so many peers. */
function newNode(own: string, peers: number) {
  const still = stillTime();
  const soon: (() => void)[] = [];
  const frames: FrameOf<"batch" | "heads">[] = [];
  const ports = {
    log: { origin: own },
    time: { ...still.time, soon: (run: () => void) => void soon.push(run) },
    peers: () => node.peers,
    publish: (frame: Uint8Array) => void frames.push(decodeFrame(frame) as FrameOf<"batch" | "heads">),
  };
  const node = { peers, publications: new Publications("ana", ports, {}) };
  const commit = (envelopes: readonly Envelope[]) => {
    const last = at(envelopes, -1);
    const chain = envelopes.reduce(hashChain, node.publications.heads[last.origin]?.chain ?? "");
    const stored = envelopes.map((envelope, pos) => ({ ...envelope, pos }));
    const heads = { [last.origin]: { seq: last.seq, chain } };
    node.publications.committed({ envelopes: stored, segments: [], heads, freed: [] });
    return chain;
  };
  const turn = () => {
    for (const run of soon.splice(0)) run();
  };
  return { node, commit, turn, frames, pass: still.pass };
}

test("a node that is alone publishes nothing, and its peers' next batch follows on what they compare", () => {
  const own = written(draft(), draft(), draft());
  const { node, commit, turn, frames } = newNode(at(own, 0).origin, 0);
  const chain = commit(own.slice(0, 2));
  commit(written(draft()));
  turn();
  assert.equal(frames.length, 0);
  assert.deepEqual(node.publications.heads[at(own, 0).origin], { seq: 2, chain });
  node.peers = 1;
  commit(own.slice(2));
  const [batch] = frames;
  assert.ok(batch?.kind === "batch");
  assert.equal(batch.payload.follows, chain);
  assert.deepEqual(
    batch.payload.envelopes.map(({ seq }) => seq),
    [3],
  );
});

test("large messages go in frames of a bounded size", () => {
  const own = written(...Array.from({ length: 8 }, () => draft({ body: new Uint8Array(100 * 1024) })));
  const { commit, frames } = newNode(at(own, 0).origin, 1);
  commit(own);
  const counts = frames.map(frame => (frame.kind === "batch" ? frame.payload.envelopes.length : 0));
  assert.deepEqual(counts, [3, 3, 2]);
});

test("how far others' streams are here is said after the turn, and the less often the more peers hear it", () => {
  const others = written(draft(), draft(), draft(), draft());
  const { commit, turn, frames, pass } = newNode("o".repeat(16), 8);
  const said = () =>
    frames.splice(0).map(({ payload }) => "heads" in payload && payload.heads[at(others, 0).origin]?.seq);
  commit(others.slice(0, 1));
  assert.deepEqual(said(), []);
  turn();
  assert.deepEqual(said(), [1]);
  commit(others.slice(1, 2));
  commit(others.slice(2, 3));
  turn();
  pass(7);
  assert.deepEqual(said(), []);
  pass(1);
  assert.deepEqual(said(), [3], "one word for both");
  pass(8);
  commit(others.slice(3));
  turn();
  assert.deepEqual(said(), [4]);
});
