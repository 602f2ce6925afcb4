import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CLUSTER_PROTOCOL, decodeFrame, encodeFrame, type Frame } from "../../core/cluster/frames.ts";
import { decode, encode, MAX_FRAME_BYTES, toWire } from "../../core/envelope.ts";
import { Reject } from "../../core/errors.ts";
import { NASTY, PAYLOADS, rubbish } from "../suites/frames.ts";
import { at, draft, holds, written } from "../suites/samples.ts";

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

test("a node is introduced with addresses that its page can have, or not at all", () => {
  const hello = (url: string) => {
    const info = { id: "node", boot: "boot", name: "", version: "", hosts: [], port: 1, pubPort: 1, urls: [url] };
    return decodeFrame(encode([CLUSTER_PROTOCOL, "hello", { info, known: [], heads: [], asks: true }]));
  };
  for (const url of ["http://192.0.2.1:5002", "https://chat.example/chat"]) hello(url);
  for (const url of ["", "chat.example", "ftp://chat.example", "javascript:alert(1)", "http://a/?b", "http://u:p@a"])
    assert.throws(() => hello(url), invalid, JSON.stringify(url));
});

test("names that JavaScript objects have already are names like others", () => {
  const frame = decodeFrame(encode([CLUSTER_PROTOCOL, "bye", { id: "__proto__", boot: "constructor" }]));
  assert.deepEqual(frame.payload, { id: "__proto__", boot: "constructor" });
});

test("whatever a frame is made into, it is one with the form of its kind, or is refused under a code", async t => {
  let made = 0;
  let refused = 0;
  const kinds = new Set<string>();
  await holds(
    t,
    fc.property(rubbish(64), ({ kind, frames }) => {
      kinds.add(kind);
      for (const bytes of frames()) {
        made++;
        try {
          const { kind, payload } = decodeFrame(bytes);
          assert.ok(Object.hasOwn(PAYLOADS, kind));
          assert.equal(typeof payload, "object");
        } catch (error) {
          refused++;
          if (!(error instanceof Reject)) throw error;
          assert.ok(error.message.length < 1_000, error.message);
        }
      }
    }),
    { numRuns: 1_700, endOnFailure: true },
  );
  t.diagnostic(`${made} frames, ${refused} refused`);
  assert.ok(made >= 100_000 && refused > made / 2);
  assert.deepEqual([...kinds].sort(), Object.keys(PAYLOADS).sort());
  assert.equal(Object.keys(Object.prototype).length, 0);
  assert.equal(({} as { id?: unknown }).id, undefined);
});

test("no text of MessagePack is larger when it is decoded than its bytes allow", () => {
  for (const bytes of NASTY) {
    const before = process.memoryUsage().heapUsed;
    try {
      decodeFrame(bytes);
    } catch (error) {
      assert.ok(error instanceof Reject, String(error));
    }
    assert.ok(
      process.memoryUsage().heapUsed - before < 32 * 1024 * 1024,
      Buffer.from(bytes.subarray(0, 16)).toString("hex"),
    );
  }
  assert.throws(() => decode(new Uint8Array(MAX_FRAME_BYTES + 1)), { code: "too-large" });
});
