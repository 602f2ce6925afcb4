/** What every message type promises to the core, built in or dropped in. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { decode, encode, MAX_BODY_BYTES } from "../../core/envelope.ts";
import { Reject } from "../../core/errors.ts";
import type { AnyServerPlugin } from "../../core/plugin.ts";
import { Registry, type Type } from "../../core/registry.ts";
import { holds } from "./samples.ts";

/** What a client may send, and bodies as they are kept; for most types the two are alike. */
export type Samples = { inputs: readonly unknown[]; bodies: readonly unknown[] };

/** Longest key that crosses the cluster, in UTF-16 units. */
const MAX_KEY_LENGTH = 256;

const junk = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

export function contractSuite(plugin: AnyServerPlugin, { inputs, bodies }: Samples): void {
  const name = plugin.message.type;
  const type = new Registry([plugin]).get(name) as Type;

  test(`${name}: good input is taken, good bodies cross the cluster unchanged`, () => {
    assert.ok(inputs.length > 0 && bodies.length > 0);
    for (const input of inputs) {
      const parsed = type.parse(input);
      assert.deepEqual(type.parse(parsed), parsed, "parsing again changes nothing");
    }
    for (const body of bodies) assertCrosses(type, body);
  });

  test(`${name}: whatever a client sends is refused under a code, or is a body that crosses the cluster`, async t => {
    for (const input of [undefined, null, "", 0, [], {}, Object.create(null), () => {}, new Proxy({}, {})])
      taken(input);
    await holds(t, fc.property(fc.oneof(junk, spoilt(inputs)), taken), { numRuns: 2_000 });

    function taken(input: unknown) {
      const parsed = orRefused(() => type.parse(input));
      // A type with a check of its own completes what was sent before it is a body.
      if (parsed && !plugin.message.check) assertCrosses(type, parsed.value);
    }
  });

  test(`${name}: whatever a peer sends is refused under a code, or is a body that crosses the cluster`, async t => {
    await holds(
      t,
      fc.property(fc.oneof(junk, spoilt(bodies)), body => {
        const bytes = orRefused(() => encode(body));
        const unpacked = bytes && orRefused(() => type.unpack(bytes.value as Uint8Array, type.version));
        if (unpacked) assertCrosses(type, unpacked.value);
      }),
      { numRuns: 1_000 },
    );
    await holds(
      t,
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 9 }), (bytes, version) => {
        const unpacked = orRefused(() => type.unpack(bytes, version));
        if (unpacked) assertCrosses(type, unpacked.value);
      }),
      { numRuns: 1_000 },
    );
  });

  test(`${name}: a client's body is read and left as it was`, () => {
    for (const input of inputs) {
      const before = structuredClone(input);
      type.parse(frozen(input));
      assert.deepEqual(input, before);
    }
  });

  test(`${name}: fields that it does not know are left out, also those that would set a prototype`, () => {
    const extra = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "later": 1}',
    );
    for (const input of inputs.filter(isObject)) {
      const parsed = type.parse({ ...extra, ...input, ["__proto__"]: extra });
      assert.deepEqual(parsed, type.parse(input));
      assert.equal(Object.getPrototypeOf(parsed), Object.prototype);
    }
    for (const body of bodies.filter(isObject))
      if (!plugin.message.unpack)
        assert.deepEqual(
          type.unpack(encode({ ...body, constructor: 1, later: { polluted: true } }), type.version),
          body,
        );
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  test(`${name}: a summary is one line that is not empty`, () => {
    for (const body of bodies) {
      const summary = type.summary(body);
      assert.notEqual(summary, "");
      assert.doesNotMatch(summary, /[\n\r\u2028\u2029]/);
      assert.equal(summary, type.summary(body), "and always the same");
    }
  });

  if (plugin.message.kind === "state")
    test(`${name}: the values of several nodes merge into one that is good itself, whoever holds them`, () => {
      for (const body of bodies) {
        assert.deepEqual(type.merge([body]), body);
        assertCrosses(type, type.merge([...bodies]));
        assertCrosses(type, type.merge([body, ...bodies]));
      }
    });

  test(`${name}: each node has hooks of its own, or hooks without anything to share`, () => {
    for (const hook of Object.values(plugin.hooks())) assert.equal(typeof hook, "function");
  });
}

function assertCrosses(type: Type, body: unknown): void {
  const bytes = type.pack(body);
  assert.ok(bytes.length <= MAX_BODY_BYTES, `${bytes.length} bytes`);
  const unpacked = type.unpack(bytes, type.version);
  assert.deepEqual(unpacked, body);
  assert.deepEqual(Buffer.from(type.pack(unpacked)), Buffer.from(bytes), "and as the same bytes again");
  const summary = type.summary(body);
  assert.doesNotMatch(summary, /[\n\r]/);
  assert.ok(summary.isWellFormed());
  // The frame's other fields are around it.
  decode(encode([summary, bytes]));
  if (type.kind !== "state") return;
  assert.equal(type.key(unpacked), type.key(body));
  assert.ok(type.key(body).length <= MAX_KEY_LENGTH);
}

/** The result, or undefined where it was refused under a code that says whose fault it is. */
function orRefused<Value>(call: () => Value): { value: Value } | undefined {
  try {
    return { value: call() };
  } catch (error) {
    assert.ok(error instanceof Reject, String(error));
    assert.notEqual(error.code, "plugin-failed", "a plugin expects junk");
    return undefined;
  }
}

/** A good sample with junk, or nothing, in place of one of its fields. */
function spoilt(samples: readonly unknown[]): fc.Arbitrary<unknown> {
  const objects = samples.filter(isObject).filter(sample => Object.keys(sample).length > 0);
  if (objects.length === 0) return junk;
  return fc.constantFrom(...objects).chain(sample =>
    fc.constantFrom(...Object.keys(sample)).chain(field =>
      fc
        .oneof(junk, fc.string({ unit: "binary" }), fc.double(), fc.constantFrom(undefined, "\ud800", -1, Infinity))
        // MessagePack has one zero only.
        .filter(value => !Object.is(value, -0))
        .map(value => ({ ...sample, [field]: value })),
    ),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function frozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) for (const part of Object.values(Object.freeze(value))) frozen(part);
  return value;
}
