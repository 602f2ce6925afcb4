/** What every message type promises to the core, built in or dropped in. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import {
  type Arbitrary,
  anything,
  array,
  check,
  constant,
  constantFrom,
  double,
  type IRawProperty,
  integer,
  oneof,
  property,
  tuple,
  uint8Array,
} from "fast-check";
import { decode, encode, MAX_BODY_BYTES } from "../envelope.ts";
import { Reject } from "../errors.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import type { Calls } from "../plugins/calls/calls.ts";
import { Registry, type Type } from "../registry.ts";

/** What a client may send, and bodies as they are kept; for most types the two are alike. */
export type Samples = { readonly inputs: readonly unknown[]; readonly bodies: readonly unknown[] };

/** `hold` throws where it does not, and `mend` says what helps then; the same seed sends the same junk. */
export type Promised = { readonly what: string; readonly mend: string; hold(seed: number): void };

const MAX_SHOWN = 200;

const junk = anything({
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
/** Halves of pairs among them. `string` would take longer to know them all than everything else here. */
const text = array(integer({ min: 0, max: 0x10ffff })).map(codes => String.fromCodePoint(...codes));
const wrong = oneof(junk, text, double(), constantFrom(undefined, "\ud800", -1, Infinity), constant(""))
  // MessagePack has one zero only.
  .filter(value => !Object.is(value, -0));

/** `settings` are for the plugin's hooks. Throws `Reject` with `plugin-invalid` where it cannot be registered at all. */
export function promisesOf(
  plugin: AnyServerPlugin,
  samples: Samples,
  { settings, calls }: { settings?: unknown; calls?: Calls } = {},
): Promised[] {
  const registry = new Registry([], calls);
  registry.admit([plugin], settings);
  const type = registry.get(plugin.message.type) as Type;
  return [
    ...promisesToClients(plugin, type, samples),
    ...promisesToPeers(plugin, type, samples),
    {
      what: "each node has hooks of its own, or hooks without anything to share",
      mend: "give defineServer an object of functions, or a function that makes one",
      hold() {
        for (const hook of Object.values(plugin.hooks(settings))) assert.equal(typeof hook, "function");
      },
    },
  ];
}

function promisesToClients(plugin: AnyServerPlugin, type: Type, { inputs, bodies }: Samples): Promised[] {
  function taken(input: unknown) {
    const parsed = orRefused(() => type.parse(input));
    // A type with a check of its own completes what was sent before it is a body.
    if (parsed && !plugin.message.check) assertCrosses(type, parsed.value);
  }
  return [
    {
      what: "good input is taken, good bodies cross the cluster unchanged",
      mend: "parse has to take the samples, and to return the same when it is given what it returned; or mend the samples",
      hold() {
        assert.ok(inputs.length > 0 && bodies.length > 0, "there are no samples");
        each(inputs, input => {
          const parsed = type.parse(input);
          assert.deepEqual(type.parse(parsed), parsed, "parsing again changes nothing");
        });
        each(bodies, body => assertCrosses(type, body));
      },
    },
    {
      what: "whatever a client sends is refused under a code, or is a body that crosses the cluster",
      mend: "parse has to throw a Reject for whatever it does not take, and return only what it has looked at",
      hold(seed) {
        each([undefined, null, "", 0, [], {}, Object.create(null), () => {}, new Proxy({}, {})], taken);
        holds(property(oneof(junk, spoilt(inputs)), taken), seed, 2_000);
      },
    },
    {
      what: "a client's body is read and left as it was",
      mend: "parse has to make a new object, and to leave the one that it is given as it is",
      hold() {
        each(inputs, input => {
          const before = structuredClone(input);
          type.parse(frozen(structuredClone(input)));
          const after = structuredClone(input);
          type.parse(after);
          assert.deepEqual(after, before);
        });
      },
    },
    {
      what: "fields that it does not know are left out, also those that would set a prototype",
      mend: "parse has to make a new object of the fields that it knows",
      hold() {
        const polluting =
          '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "later": 1}';
        const extra = JSON.parse(polluting);
        each(inputs.filter(isObject), input => {
          const parsed = type.parse({ ...extra, ...input, ["__proto__"]: extra });
          assert.deepEqual(parsed, type.parse(input));
          assert.equal(Object.getPrototypeOf(parsed), Object.prototype);
        });
        if (!plugin.message.unpack)
          each(bodies.filter(isObject), body => {
            const more = encode({ ...body, constructor: 1, later: { polluted: true } });
            assert.deepEqual(type.unpack(more, type.version), body);
          });
        assert.equal(({} as { polluted?: boolean }).polluted, undefined);
      },
    },
  ];
}

function promisesToPeers({ message }: AnyServerPlugin, type: Type, { bodies }: Samples): Promised[] {
  const readBack = (bytes: Uint8Array, version: number) => {
    const unpacked = orRefused(() => type.unpack(bytes, version));
    if (unpacked) assertCrosses(type, unpacked.value);
  };
  const promises: Promised[] = [
    {
      what: "whatever a peer sends is refused under a code, or is a body that crosses the cluster",
      mend: "check, or else parse, and unpack have to throw a Reject for whatever they do not take",
      hold(seed) {
        const sent = property(oneof(junk, spoilt(bodies)), body => {
          const bytes = orRefused(() => encode(body));
          if (bytes) readBack(bytes.value, type.version);
        });
        holds(sent, seed, 1_000);
        holds(property(uint8Array({ maxLength: 64 }), integer({ min: 1, max: 9 }), readBack), seed, 1_000);
      },
    },
    {
      what: "a summary is one line that is not empty",
      mend: "summary has to return some words for every body",
      hold() {
        each(bodies, body => {
          const summary = type.summary(body);
          assert.notEqual(summary, "", "the summary is empty");
          assert.doesNotMatch(summary, /[\n\r\u2028\u2029]/);
          assert.equal(summary, type.summary(body), "and always the same");
        });
      },
    },
  ];
  if (message.kind === "state")
    promises.push({
      what: "the values of several nodes merge into one that is good itself, whoever holds them",
      mend: "merge has to return one of the values, or a good one of the same form",
      hold() {
        each(bodies, body => {
          assert.deepEqual(type.merge([body]), body);
          assertCrosses(type, type.merge([...bodies]));
          assertCrosses(type, type.merge([body, ...bodies]));
        });
      },
    });
  return promises;
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
}

/** The result, or undefined where it was refused under a code that says whose fault it is. */
function orRefused<Value>(call: () => Value): { value: Value } | undefined {
  try {
    return { value: call() };
  } catch (error) {
    assert.ok(error instanceof Reject, String(error));
    if (error.code === "plugin-failed") throw new Error("it failed, and refused nothing", { cause: error });
    return undefined;
  }
}

/** What was sent, and what came of it, stand in the error. */
class Broken extends Error {
  readonly value: unknown;

  constructor(value: unknown, error: unknown) {
    const shown = inspect(value, { breakLength: Infinity, depth: 4 }).slice(0, MAX_SHOWN);
    const [line] = (error as Error).message.split("\n");
    // What follows in the assertion's own words is many lines.
    super(`${shown}: ${line?.replace(/^Expected .+:$/, "it came out as something else")}`, { cause: error });
    this.value = value;
  }
}

function each<Value>(values: readonly Value[], call: (value: Value) => void): void {
  for (const value of values)
    try {
      call(value);
    } catch (error) {
      throw new Broken(value, error);
    }
}

/** Throws with the smallest value for which it does not hold. */
function holds<Values>(claim: IRawProperty<Values>, seed: number, numRuns: number): void {
  const { failed, counterexample, errorInstance } = check(claim, { seed, numRuns }) as {
    failed: boolean;
    counterexample: [unknown] | null;
    errorInstance: unknown;
  };
  if (failed) throw new Broken(counterexample?.[0], errorInstance);
}

/** A good sample with junk, or nothing, in place of one of its fields. */
function spoilt(samples: readonly unknown[]): Arbitrary<unknown> {
  const objects = samples.filter(isObject).filter(sample => Object.keys(sample).length > 0);
  if (objects.length === 0) return junk;
  const fields = objects.flatMap(sample => Object.keys(sample).map(field => ({ sample, field })));
  return tuple(constantFrom(...fields), wrong).map(([{ sample, field }, value]) => ({ ...sample, [field]: value }));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function frozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) for (const part of Object.values(Object.freeze(value))) frozen(part);
  return value;
}
