import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { ClusterState, type StateDelta } from "../../core/cluster/state.ts";
import { holds } from "../suites/samples.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (body: Uint8Array) => new TextDecoder().decode(body);

/** A node's state, and the values that it was told have changed. */
function stateOf(self: string, boot = "boot") {
  const changed: string[] = [];
  const state = new ClusterState(self, boot, (type, key) => changed.push(`${type} ${key}`));
  return { state, changed };
}

const texts = (state: ClusterState, key: string, type = "presence") =>
  state.held(type, key).map(({ node, body }) => `${node}: ${textOf(body)}`);

test("a value that a node sets is seen where its delta arrives", () => {
  const { state: ana, changed } = stateOf("a");
  const { state: bo, changed: changedAtBo } = stateOf("b");
  bo.replace("a", ana.snapshot());
  ana.set("presence", "ana", 3, bytes("online"), 100);
  assert.deepEqual(changed, ["presence ana"]);
  const delta = ana.takeDelta() as StateDelta;
  assert.equal(bo.apply("a", delta), true);
  assert.deepEqual(changedAtBo, ["presence ana"]);
  assert.deepEqual(bo.held("presence", "ana"), [{ node: "a", version: 3, body: bytes("online"), at: 100 }]);
  assert.deepEqual(bo.keys(), [{ type: "presence", key: "ana" }]);
  assert.equal(ana.takeDelta(), undefined);
});

test("a value that is set to what it is already changes nothing", () => {
  const { state, changed } = stateOf("a");
  state.set("presence", "ana", 1, bytes("online"), 1);
  state.set("presence", "ana", 1, bytes("online"), 2);
  state.set("presence", "bo", 1, null, 3);
  assert.deepEqual(changed, ["presence ana"]);
  assert.equal(state.takeDelta()?.entries.length, 1);
});

test("a value that ends is gone on every node", () => {
  const { state: a } = stateOf("a");
  const { state: b, changed } = stateOf("b");
  b.replace("a", a.snapshot());
  a.set("presence", "ana", 1, bytes("online"), 1);
  b.apply("a", a.takeDelta() as StateDelta);
  a.set("presence", "ana", 1, null, 2);
  b.apply("a", a.takeDelta() as StateDelta);
  assert.deepEqual(b.held("presence", "ana"), []);
  assert.deepEqual(b.keys(), []);
  assert.deepEqual(changed, ["presence ana", "presence ana"]);
});

test("a value that came and went between two deltas is not said, and one that changed is said once", () => {
  const { state: a } = stateOf("a");
  a.set("presence", "ana", 1, bytes("online"), 1);
  a.set("presence", "ana", 1, bytes("away"), 2);
  assert.deepEqual(
    a.takeDelta()?.entries.map(({ body }) => body && textOf(body)),
    ["away"],
  );
});

test("types and keys are kept apart, whatever characters they have", () => {
  const { state } = stateOf("a");
  state.set("presence", "x", 1, bytes("1"), 1);
  state.set("status", "x", 1, bytes("2"), 1);
  state.set("presence", "__proto__", 1, bytes("3"), 1);
  state.set("presence", "x\ny", 1, bytes("4"), 1);
  assert.deepEqual(texts(state, "x"), ["a: 1"]);
  assert.deepEqual(texts(state, "x", "status"), ["a: 2"]);
  assert.deepEqual(texts(state, "__proto__"), ["a: 3"]);
  assert.deepEqual(texts(state, "x\ny"), ["a: 4"]);
  assert.equal(state.keys().length, 4);
});

test("values of several nodes under one key are held side by side, the newest last", () => {
  const { state } = stateOf("c");
  for (const [node, at] of [
    ["b", 20],
    ["a", 30],
    ["d", 10],
    ["e", 20],
  ] as const) {
    const { state: other } = stateOf(node);
    other.set("presence", "ana", 1, bytes(`at ${at}`), at);
    other.takeDelta();
    state.replace(node, other.snapshot());
  }
  assert.deepEqual(texts(state, "ana"), ["d: at 10", "b: at 20", "e: at 20", "a: at 30"]);
});

test("a delta after one that was lost is not taken: a snapshot has to be asked for", () => {
  const { state: a } = stateOf("a");
  const { state: b } = stateOf("b");
  assert.equal(b.apply("a", { boot: "boot", base: 0, version: 0, entries: [] }), false, "an unknown node");
  b.replace("a", a.snapshot());
  a.set("presence", "ana", 1, bytes("1"), 1);
  a.takeDelta();
  a.set("presence", "bo", 1, bytes("2"), 1);
  assert.equal(b.apply("a", a.takeDelta() as StateDelta), false);
  assert.equal(b.isCurrent("a", "boot", a.version), false);
  assert.deepEqual(b.keys(), []);
  b.replace("a", a.snapshot());
  assert.equal(b.isCurrent("a", "boot", a.version), true);
  assert.equal(b.keys().length, 2);
});

test("an old delta and an old snapshot change nothing", () => {
  const { state: a } = stateOf("a");
  const { state: b, changed } = stateOf("b");
  const empty = a.snapshot();
  b.replace("a", empty);
  a.set("presence", "ana", 1, bytes("1"), 1);
  const first = a.takeDelta() as StateDelta;
  b.apply("a", first);
  a.set("presence", "ana", 1, bytes("2"), 2);
  b.apply("a", a.takeDelta() as StateDelta);
  changed.length = 0;
  assert.equal(b.apply("a", first), true);
  b.replace("a", empty);
  assert.deepEqual(texts(b, "ana"), ["a: 2"]);
  assert.deepEqual(changed, []);
});

test("a delta of another run of a node is not taken", () => {
  const { state: a } = stateOf("a", "first");
  const { state: b } = stateOf("b");
  b.replace("a", a.snapshot());
  const { state: again } = stateOf("a", "second");
  again.set("presence", "ana", 1, bytes("1"), 1);
  assert.equal(b.apply("a", again.takeDelta() as StateDelta), false);
  assert.equal(b.isCurrent("a", "second", 0), false);
});

test("what a snapshot has, lacks or changes is said, and what stays is not", () => {
  const { state: a } = stateOf("a", "first");
  const { state: b, changed } = stateOf("b");
  for (const key of ["stays", "goes", "changes"]) a.set("presence", key, 1, bytes("1"), 1);
  a.takeDelta();
  b.replace("a", a.snapshot());
  const { state: again } = stateOf("a", "second");
  for (const [key, value] of Object.entries({ stays: "1", changes: "2", comes: "3" }))
    again.set("presence", key, 1, bytes(value), 1);
  again.takeDelta();
  changed.length = 0;
  b.replace("a", again.snapshot());
  assert.deepEqual(changed.sort(), ["presence changes", "presence comes", "presence goes"]);
});

test("the values of a node that is down are gone, its own are never", () => {
  const { state: a } = stateOf("a");
  const { state: b, changed } = stateOf("b");
  a.set("presence", "ana", 1, bytes("1"), 1);
  a.takeDelta();
  b.replace("a", a.snapshot());
  b.set("presence", "bo", 1, bytes("2"), 1);
  changed.length = 0;
  b.drop("a");
  b.drop("a");
  b.drop("b");
  assert.deepEqual(changed, ["presence ana"]);
  assert.deepEqual(b.keys(), [{ type: "presence", key: "bo" }]);
});

const KEYS = ["ana", "bo", "cy"];
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constant("set" as const), fc.constantFrom(...KEYS), fc.constantFrom("1", "2", null)),
  },
  { weight: 3, arbitrary: fc.constant(["flush"] as const) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("deliver" as const), fc.nat(), fc.boolean()) },
  fc.tuple(fc.constant("lose" as const), fc.nat()),
  { weight: 2, arbitrary: fc.constant(["beat"] as const) },
  fc.constant(["restart"] as const),
  fc.constant(["down"] as const),
);

test("lost, repeated and reordered deltas and snapshots, restarts and drops: after a beat or two all is known", async t => {
  await holds(
    t,
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      let boots = 1;
      let owner = stateOf("a", "boot 1").state;
      const { state: reader, changed } = stateOf("b");
      /** What the reader's browsers show: read again whenever they are told of a change. */
      const shown = new Map<string, string>();
      const wire: { kind: "delta" | "snapshot"; delta: StateDelta }[] = [];
      const flush = () => {
        const delta = owner.takeDelta();
        if (delta) wire.push({ kind: "delta", delta });
      };
      const askSnapshot = () => {
        flush();
        wire.push({ kind: "snapshot", delta: owner.snapshot() });
      };
      const show = () => {
        for (const change of changed.splice(0)) {
          const key = change.slice("presence ".length);
          shown.set(key, texts(reader, key).join());
        }
      };
      const deliver = (index: number, keep: boolean) => {
        const frame = keep ? wire[index] : wire.splice(index, 1)[0];
        if (!frame) return;
        if (frame.kind === "snapshot") reader.replace("a", frame.delta);
        else if (!reader.apply("a", frame.delta)) askSnapshot();
        show();
      };
      const beat = () => {
        if (!reader.isCurrent("a", `boot ${boots}`, owner.version)) askSnapshot();
      };
      for (const step of steps) {
        if (step[0] === "set") owner.set("presence", step[1], 1, step[2] && bytes(step[2]), 1);
        else if (step[0] === "flush") flush();
        else if (step[0] === "deliver") deliver(step[1] % Math.max(1, wire.length), step[2]);
        else if (step[0] === "lose") wire.splice(step[1] % Math.max(1, wire.length), 1);
        else if (step[0] === "beat") beat();
        else if (step[0] === "restart") owner = stateOf("a", `boot ${++boots}`).state;
        else {
          reader.drop("a");
          show();
        }
      }
      // The network heals. What was under way arrives first, then a beat; the answer of one beat is all it takes.
      flush();
      while (wire.length > 0) deliver(0, false);
      beat();
      while (wire.length > 0) deliver(0, false);

      assert.ok(reader.isCurrent("a", `boot ${boots}`, owner.version));
      for (const key of KEYS) {
        const expected = texts(owner, key).join();
        assert.equal(texts(reader, key).join(), expected);
        assert.equal(shown.get(key) ?? "", expected, "browsers were told of every change");
      }
    }),
    { numRuns: 1_000 },
  );
});
