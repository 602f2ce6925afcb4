import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  decode,
  encode,
  fromWire,
  hashContent,
  keyOf,
  MAX_BODY_BYTES,
  MAX_FRAME_BYTES,
  placeOf,
  toWire,
} from "../../core/envelope.ts";
import { Reject } from "../../core/errors.ts";
import { at, draft, envelopes, holds, origins, record, written } from "../suites/samples.ts";

const invalid = { name: "Reject", code: "invalid" };
const MEGABYTE = 1024 * 1024;

test("an envelope comes out of the wire as it went in", async t => {
  await holds(
    t,
    fc.property(envelopes, envelope => {
      assert.deepEqual(fromWire(decode(encode(toWire(envelope)))), envelope);
    }),
    { numRuns: 500 },
  );
});

test("keys sort as text in the order of hlc, origin, n, and say their place", async t => {
  const place = record({
    hlc: fc.oneof(fc.nat(40), fc.maxSafeNat()),
    origin: fc.oneof(fc.constantFrom("0".repeat(16), "z".repeat(16)), origins),
    n: fc.oneof(fc.nat(40), fc.maxSafeNat()),
  });
  await holds(
    t,
    fc.property(place, place, (a, b) => {
      const byPlace = a.hlc - b.hlc || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : a.n - b.n);
      const byText = keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0;
      assert.equal(byText, Math.sign(byPlace));
      assert.deepEqual(placeOf(keyOf(a)), a);
    }),
    { numRuns: 5_000 },
  );
});

test("what is no key has no place", async t => {
  const key = keyOf({ hlc: 1, origin: "o".repeat(16), n: 1 });
  for (const text of ["", "lobby", key.slice(1), `${key}zzzzzzzzzzz`, key.toUpperCase(), `${key}\n`, ` ${key}`])
    assert.equal(placeOf(text), undefined, JSON.stringify(text));
  // As long as a key, and still nothing that keyOf makes: numbers too large, or written otherwise.
  for (const text of ["z".repeat(39), "0".repeat(29), `${"0".repeat(27)}91`, `00000000001${"o".repeat(16)}201`])
    assert.equal(placeOf(text), undefined, text);
  await holds(
    t,
    fc.property(fc.uuid(), id => assert.equal(placeOf(id), undefined)),
  );
});

test("an envelope is refused where any field has not its form", () => {
  const [envelope] = written(draft());
  const wire = toWire(envelope as NonNullable<typeof envelope>);
  fromWire(wire);
  const notText = [null, 1, "", {}, new Uint8Array(1)];
  const notCount = [0, -1, 1.5, "1", null, Number.NaN, 2 ** 53];
  const long = (length: number) => "x".repeat(length + 1);
  const broken: [field: string, values: unknown[]][] = [
    ["origin", [...notText, "short", long(16), "A".repeat(16), `${"a".repeat(15)}\n`, `${"a".repeat(15)}é`]],
    ["seq", notCount],
    ["room", [...notText, long(128), "half \ud83d"]],
    ["n", notCount],
    ["hlc", notCount],
    ["type", [...notText, long(64)]],
    ["version", notCount],
    ["role", [...notText, long(16)]],
    ["author", [...notText, long(64)]],
    ["authorName", [...notText, long(128)]],
    ["id", [...notText, long(64)]],
    ["ref", [1, "", {}, undefined, long(64)]],
    ["alt", [1, {}, undefined, "half \ud83d", long(MAX_BODY_BYTES), "好".repeat(MAX_BODY_BYTES / 3 + 1)]],
    ["body", [null, 1, "text", {}, new Uint8Array(MAX_BODY_BYTES + 1)]],
    ["blobs", [null, "x", {}, [1], [""], [long(64)], Array(16_385).fill("x")]],
    ["salt", [null, 1, "text", {}, new Uint8Array(33)]],
    ["contentHash", [null, "x".repeat(32), new Uint8Array(31), new Uint8Array(33)]],
    ["extra", [1, "text", {}, undefined, new Uint8Array(4097)]],
  ];
  assert.equal(broken.length, wire.length);
  for (const [index, [field, values]] of broken.entries())
    for (const value of values)
      assert.throws(() => fromWire(wire.with(index, value)), invalid, `${field}: ${String(value).slice(0, 40)}`);
  for (const value of [null, 1, "x", {}, wire.slice(1), [...wire, null], Array(18), { ...wire, length: 18 }])
    assert.throws(() => fromWire(value), invalid);
});

test("an erased envelope is admitted: it has nothing but its header and its hash", () => {
  const envelope = at(written(draft()), 0);
  const erased = { ...envelope, alt: null, body: null, blobs: [], salt: null };
  assert.deepEqual(fromWire(toWire(erased)), erased);
  // Nothing would hold these against the hash.
  for (const forged of [{ alt: "forged" }, { blobs: ["f".repeat(64)] }, { salt: Buffer.alloc(16) }])
    assert.throws(() => fromWire(toWire({ ...erased, ...forged })), invalid);
});

test("the content's hash tells apart whatever differs in salt, alt, blobs and body", async t => {
  const content = fc.tuple(
    fc.uint8Array({ maxLength: 4 }),
    fc.option(fc.string({ maxLength: 3 })),
    fc.array(fc.string({ maxLength: 2 }), { maxLength: 2 }),
    fc.uint8Array({ maxLength: 4 }),
  );
  await holds(
    t,
    fc.property(content, content, (a, b) => {
      const same = JSON.stringify(a.map(readable)) === JSON.stringify(b.map(readable));
      assert.equal(Buffer.compare(hashContent(...a), hashContent(...b)) === 0, same);
    }),
    { numRuns: 2_000 },
  );

  function readable(part: unknown) {
    return part instanceof Uint8Array ? [...part] : part;
  }
});

test("no bytes make the decoder throw anything but a Reject", async t => {
  await holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => onlyRejects(bytes)),
    { numRuns: 20_000 },
  );
});

test("no damage to a frame makes the decoder throw anything but a Reject", async t => {
  const frame = encode([
    1,
    "batch",
    { id: "node", envelopes: written(draft(), draft()).map(toWire), at: 1.5, more: [] },
  ]);
  const damage = fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await holds(
    t,
    fc.property(damage, fc.nat(frame.length), (damage, length) => {
      const bytes = frame.slice();
      for (const [index, byte] of damage) bytes[index] = byte;
      onlyRejects(bytes);
      onlyRejects(bytes.subarray(0, length));
    }),
    { numRuns: 5_000 },
  );
});

test("whatever can be encoded within the limits is decoded to the same", async t => {
  const value = fc.anything({
    values: [
      fc.string({ unit: "grapheme" }),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
    ],
    key: fc.string({ unit: "grapheme", maxLength: 8 }).filter(key => key !== "__proto__"),
    withTypedArray: false,
    maxDepth: 8,
  });
  await holds(
    t,
    fc.property(value, value => assert.deepEqual(decode(encode(value)), plain(value))),
    { numRuns: 1_000 },
  );

  /** −0 is sent as 0; objects without a prototype arrive with one. */
  function plain(value: unknown): unknown {
    if (value === 0) return 0;
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, plain(value)]));
  }
});

test("arrays may be nested as deeply to be written as to be read", () => {
  const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
  for (let depth = 0; depth < 16; depth++) assert.deepEqual(decode(encode(nested(depth))), nested(depth));
  assert.throws(() => encode(nested(16)), invalid);
  assert.throws(() => decode(Buffer.concat([Buffer.alloc(16, 0x91), Buffer.from([0x90])])), invalid);
});

test("what MessagePack has no form for is refused to be written", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  for (const value of [cyclic, () => {}, Symbol("x"), 1n]) assert.throws(() => encode(value), invalid);
});

const bytes = (...heads: number[]) => Buffer.from(heads);
const uint32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const BOMBS: Record<string, Buffer> = {
  "20 nested arrays that claim 33 million items each": bytes(...Array(20).fill([0xdd, 0x01, 0xff, 0xff, 0xff]).flat()),
  "two nested arrays that claim 33 million items each": bytes(
    0xdd,
    0x01,
    0xff,
    0xff,
    0xff,
    0xdd,
    0x01,
    0xff,
    0xff,
    0xff,
  ),
  "nested arrays that claim 16,384 items each": bytes(
    ...Array(4_000)
      .fill([0xdd, ...uint32(16_384)])
      .flat(),
  ),
  "an array of 4 billion": bytes(0xdd, ...uint32(0xffff_ffff)),
  "a map of 4 billion": bytes(0xdf, ...uint32(0xffff_ffff)),
  "nested maps that claim 33 million entries each": bytes(
    ...Array(20).fill([0xdf, 0x01, 0xff, 0xff, 0xff, 0xa1, 0x61]).flat(),
  ),
  "a megabyte of arrays of 15": Buffer.alloc(MEGABYTE, 0x9f),
  "a megabyte of arrays of 1": Buffer.alloc(MEGABYTE, 0x91),
  "a megabyte of maps of 15": Buffer.alloc(MEGABYTE, 0x8f),
  "a megabyte of array 16 headers": Buffer.alloc(MEGABYTE, 0xdc),
  "more items than are admitted, all there": Buffer.concat([
    bytes(0xdd, ...uint32(16_385)),
    Buffer.alloc(16_385, 0xc0),
  ]),
  "a text of 100 MB": bytes(0xdb, ...uint32(100 * MEGABYTE), 0x61),
  "a text longer than is admitted, all there": Buffer.concat([
    bytes(0xdb, ...uint32(262_145)),
    Buffer.alloc(262_145, 0x61),
  ]),
  "bytes of 100 MB": bytes(0xc6, ...uint32(100 * MEGABYTE), 0x00),
  "bytes of 4 GB": bytes(0xc6, ...uint32(0xffff_ffff)),
  "an extension of 100 MB": bytes(0xc9, ...uint32(100 * MEGABYTE), 0x01),
  "a timestamp, an extension": bytes(0xd6, 0xff, 0, 0, 0, 1),
  "the byte that means nothing": bytes(0xc1),
  "nothing at all": bytes(),
  "a second value behind the first": bytes(0xc0, 0xc0),
  "an array without its last item": bytes(0x93, 1, 2),
  "a map without its last value": bytes(0x81, 0xa1, 0x61),
  "a map that would set the prototype": encoded([["__proto__", bytes(0x80)]]),
  "a key that is no text": bytes(0x81, 0x90, 0xc0),
};

for (const [what, bomb] of Object.entries(BOMBS))
  test(`refused, and without making room for it: ${what}`, () => {
    const before = memory();
    assert.throws(() => decode(bomb), invalid);
    assert.ok(memory() - before < 48 * MEGABYTE, "memory did not grow by what the headers claim");
  });

test("a frame above the limit is too large before anything of it is read", () => {
  assert.throws(() => decode(Buffer.alloc(MAX_FRAME_BYTES + 1)), { code: "too-large" });
});

test("a bomb inside of a frame is refused like one at its start", () => {
  for (const [what, bomb] of Object.entries(BOMBS))
    assert.throws(() => decode(Buffer.concat([bytes(0x92, 0xc0), bomb])), invalid, what);
});

function onlyRejects(bytes: Uint8Array) {
  try {
    decode(bytes);
  } catch (error) {
    assert.ok(error instanceof Reject, `${error} for ${Buffer.from(bytes).toString("hex")}`);
  }
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function encoded(entries: [string, Buffer][]): Buffer {
  const parts = entries.map(([key, value]) => Buffer.concat([bytes(0xa0 | key.length), Buffer.from(key), value]));
  return Buffer.concat([bytes(0x80 | entries.length), ...parts]);
}
