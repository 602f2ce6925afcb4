import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CLUSTER_PROTOCOL, decodeFrame, encodeFrame, type Frame } from "../../core/cluster/frames.ts";
import { encode, toWire } from "../../core/envelope.ts";
import { at, draft, envelopes, holds, origins, record, written } from "../suites/samples.ts";

const text = (maxLength: number, minLength = 0) =>
  fc.string({ unit: "grapheme", minLength, maxLength }).map(text => text.slice(0, maxLength).toWellFormed());
const id = text(64, 1);
const count = fc.maxSafeNat();
const at_ = fc.double({ noNaN: true, noDefaultInfinity: true }).map(at => (at === 0 ? 0 : at));
const port = fc.integer({ min: 1, max: 65_535 });
const bytes = fc.uint8Array({ maxLength: 64 });
const some = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { maxLength: 3 });

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.domain(),
  fc.constantFrom("localhost", "chat-b", "LOCALHOST", "x".repeat(63)),
);
const info = record({ id, boot: id, name: text(256), version: text(256), hosts: some(host), port, pubPort: port });
const heads = fc
  .array(fc.tuple(origins, record({ seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), chain: id })), {
    maxLength: 3,
  })
  .map(entries => Object.fromEntries(entries));
const delta = record({
  boot: id,
  base: count,
  version: count,
  entries: some(record({ type: id, key: text(256), version: count, body: fc.option(bytes), at: at_ })),
});

/** One arbitrary payload for every kind; a kind that is missing here does not compile. */
const PAYLOADS: { [Kind in Frame["kind"]]: fc.Arbitrary<Extract<Frame, { kind: Kind }>["payload"]> } = {
  hello: record({ info, known: some(info), heads, asks: fc.boolean() }),
  beat: record({ id, boot: id, heads, stateVersion: count }),
  bye: record({ id, boot: id }),
  batch: record({ id, envelopes: some(envelopes) }),
  heads: record({ id, heads }),
  pull: record({ origin: origins, after: count }),
  pulled: record({ id, origin: origins, packed: bytes }),
  state: record({ id, delta }),
  snapshotPlease: fc.constant({}),
  snapshot: record({ id, delta }),
  signal: record({
    id,
    type: id,
    version: count,
    room: text(256),
    author: id,
    authorName: text(256),
    at: at_,
    body: bytes,
  }),
  ping: record({ at: at_ }),
  pong: record({ id, at: at_ }),
};

for (const kind of Object.keys(PAYLOADS) as Frame["kind"][])
  test(`a ${kind} frame comes out as it went in`, async t => {
    await holds(
      t,
      fc.property(PAYLOADS[kind] as fc.Arbitrary<object>, payload => {
        const frame = decodeFrame(encodeFrame(kind, payload as never));
        assert.deepEqual(frame, { kind, payload });
      }),
      { numRuns: 100 },
    );
  });

const invalid = { name: "Reject", code: "invalid" };
const ORIGIN = "0".repeat(16);
const NO_ORIGINS = ["", "o", "0".repeat(15), "0".repeat(17), "A".repeat(16), `${"a".repeat(15)}\n`, "__proto__"];

test("a frame of another protocol version is refused, and the message says both", () => {
  const frame = encode([CLUSTER_PROTOCOL + 1, "bye", { id: "node", boot: "boot" }]);
  assert.throws(() => decodeFrame(frame), { ...invalid, message: /protocol 2.* 1/ });
  for (const protocol of [0, "1", null, [1]]) assert.throws(() => decodeFrame(encode([protocol, "bye", {}])), invalid);
});

test("an unknown kind is refused, also one that every object has", () => {
  for (const kind of ["", "nonsense", "__proto__", "constructor", "toString", "hasOwnProperty", 1, null, ["bye"]])
    assert.throws(
      () => decodeFrame(encode([CLUSTER_PROTOCOL, kind, { id: "node", boot: "boot" }])),
      invalid,
      String(kind),
    );
});

test("what is no array of three is refused", () => {
  for (const frame of [null, 1, "bye", {}, [], [1], [1, "bye"], [1, "bye", {}, {}]])
    assert.throws(() => decodeFrame(encode(frame)), invalid);
});

test("a payload with a field missing or of another kind is refused", () => {
  const good = { id: "node", boot: "boot", heads: [[ORIGIN, 1, "c"]], stateVersion: 0 };
  decodeFrame(encode([CLUSTER_PROTOCOL, "beat", good]));
  const broken = [
    null,
    [],
    "x",
    { ...good, id: "" },
    { ...good, id: "x".repeat(65) },
    { ...good, boot: undefined },
    { ...good, stateVersion: -1 },
    { ...good, stateVersion: 0.5 },
    { ...good, heads: {} },
    { ...good, heads: [[ORIGIN, 0, "c"]] },
    { ...good, heads: [[ORIGIN, 1]] },
    { ...good, heads: [[ORIGIN, 1, ""]] },
    { ...good, heads: Array(4_097).fill([ORIGIN, 1, "c"]) },
    ...NO_ORIGINS.map(origin => ({ ...good, heads: [[origin, 1, "c"]] })),
  ];
  for (const payload of broken)
    assert.throws(() => decodeFrame(encode([CLUSTER_PROTOCOL, "beat", payload])), invalid, JSON.stringify(payload));
});

test("fields that this version does not know are left out", () => {
  const frame = encode([CLUSTER_PROTOCOL, "bye", { id: "node", boot: "boot", later: 1 }]);
  assert.deepEqual(decodeFrame(frame).payload, { id: "node", boot: "boot" });
});

test("a batch with a damaged envelope is refused", () => {
  const wire = toWire(at(written(draft()), 0));
  const frame = (envelope: unknown) => encode([CLUSTER_PROTOCOL, "batch", { id: "node", envelopes: [wire, envelope] }]);
  decodeFrame(frame(wire));
  assert.throws(() => decodeFrame(frame(wire.with(1, 0))), invalid);
  assert.throws(() => decodeFrame(frame(null)), invalid);
});

test("a pull of what is no stream is refused", () => {
  for (const origin of NO_ORIGINS)
    assert.throws(() => decodeFrame(encode([CLUSTER_PROTOCOL, "pull", { origin, after: 0 }])), invalid, origin);
});

test("a node is introduced with addresses that a socket can connect to, or not at all", () => {
  const hello = (host: string) => {
    const info = { id: "node", boot: "boot", name: "", version: "", hosts: [host], port: 1, pubPort: 1 };
    return decodeFrame(encode([CLUSTER_PROTOCOL, "hello", { info, known: [], heads: [], asks: true }]));
  };
  for (const host of ["192.0.2.1", "::1", "chat-b.example"]) hello(host);
  for (const host of ["", "a b", "*", "-x", "ho/st", "x".repeat(64)])
    assert.throws(() => hello(host), invalid, JSON.stringify(host));
});

test("names that JavaScript objects have already are names like others", () => {
  const frame = decodeFrame(encode([CLUSTER_PROTOCOL, "bye", { id: "__proto__", boot: "constructor" }]));
  assert.deepEqual(frame.payload, { id: "__proto__", boot: "constructor" });
});
