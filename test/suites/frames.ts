/** Frames as nodes send them, of every kind, and what a hostile one may make of them. */
import { Encoder } from "@msgpack/msgpack";
import fc from "fast-check";
import { encodeFrame, type Frame } from "../../core/cluster/frames.ts";
import { decode } from "../../core/envelope.ts";
import { envelopes, origins, record } from "./samples.ts";

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

const chain = fc.stringMatching(/^[0-9a-f]{32}$/);
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
/** A record some of whose fields may be missing. */
const partly = <All, Some>(
  all: { [Key in keyof All]: fc.Arbitrary<All[Key]> },
  some: { [Key in keyof Some]: fc.Arbitrary<Some[Key]> },
): fc.Arbitrary<All & Partial<Some>> =>
  fc.record({ ...all, ...some }, { requiredKeys: Object.keys(all) as never, noNullPrototype: true }) as never;

const url = fc.constantFrom(
  "http://localhost:5002",
  "https://chat.example/chat",
  "http://[fd00::5]:5002",
  "http://10.0.0.1",
);
const info = partly(
  { id, boot: id, name: text(256), version: text(256), hosts: some(host), port, pubPort: port },
  { startedAt: count, urls: some(url), blobs: fc.boolean() },
);

/** One arbitrary payload for every kind; a kind that is missing here does not compile. */
export const PAYLOADS: { [Kind in Frame["kind"]]: fc.Arbitrary<Extract<Frame, { kind: Kind }>["payload"]> } = {
  hello: partly({ info, known: some(info), heads, asks: fc.boolean() }, { writes: origins }),
  beat: partly({ id, boot: id, heads, stateVersion: count }, { writes: origins }),
  bye: record({ id, boot: id }),
  batch: partly({ id, envelopes: some(envelopes) }, { follows: chain }),
  heads: record({ id, heads }),
  pull: record({ origin: origins, after: count }),
  pulled: partly({ id, origin: origins, packed: bytes }, { follows: chain }),
  differs: record({ id, origin: origins, seq: count, chain }),
  chainsPlease: record({ origin: origins, seqs: some(count) }),
  chains: record({ id, origin: origins, chains: some(fc.tuple(count, chain)).map(Object.fromEntries<string>) }),
  blobs: record({ id, hashes: some(hash), lacks: some(hash), heads }),
  blobsPlease: record({ hashes: some(hash) }),
  blobPlease: record({ hash, offset: count }),
  blobPart: partly({ id, hash, offset: count, bytes }, { size: count }),
  blobDoubted: record({ hash }),
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
  forgotten: record({ node: id }),
  pong: partly({ id, at: at_ }, { wall: count }),
};

type Random = (below: number) => number;

/** A generator that is cheap, and the same for the same seed (mulberry32): a run makes a hundred thousand frames. */
function randomOf(seed: number): Random {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What no field admits, and what only some do. */
const VALUES: readonly (() => unknown)[] = [
  () => null,
  () => undefined,
  () => true,
  () => -1,
  () => 2 ** 53 - 1,
  () => 2 ** 53,
  () => 2n ** 64n - 1n,
  () => -(2n ** 63n),
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => 1e308,
  () => 2.5,
  () => "",
  () => "__proto__",
  () => "constructor",
  () => "x".repeat(300),
  () => "\ud800",
  () => "a\u0000b\n\u202e",
  () => "0".repeat(16),
  () => new Uint8Array(0),
  () => new Uint8Array(300),
  () => [],
  () => Array(4_100).fill(0),
  () => Array(300).fill(["0".repeat(16), 2 ** 53 - 1, "c"]),
  () => ({}),
  () => ({ length: 4 }),
  () => nested(12),
  () => new Date(0),
];

function nested(depth: number): unknown {
  return depth === 0 ? [] : [nested(depth - 1)];
}

/** MessagePack that no encoder writes. */
export const NASTY: readonly Uint8Array[] = [
  Buffer.from([]),
  Buffer.from([0xc1]),
  // Arrays of 33 million in arrays of 33 million, maps likewise.
  Buffer.from("dd01ffffff".repeat(20), "hex"),
  Buffer.from("df01ffffff".repeat(20), "hex"),
  Buffer.alloc(10_000, 0x91),
  Buffer.alloc(10_000, 0x81),
  // A string, bytes and an extension that are not there.
  Buffer.from("dbffffffff", "hex"),
  Buffer.from("c6ffffffff", "hex"),
  Buffer.from("c9ffffffff00", "hex"),
  // An extension; a timestamp.
  Buffer.from("9301a362796581a26964c7010500", "hex"),
  Buffer.from("9301a362796581a26964d6ff00000000", "hex"),
  // No UTF-8: a lone byte, an overlong slash, a surrogate.
  Buffer.from("9301a362796582a26964a1ffa4626f6f74a161", "hex"),
  Buffer.from("9301a362796582a26964a2c0afa4626f6f74a161", "hex"),
  Buffer.from("9301a362796582a26964a3eda080a4626f6f74a161", "hex"),
  // Keys twice, and keys that are no strings.
  Buffer.from("9301a362796583a26964a161a26964a162a4626f6f74a161", "hex"),
  Buffer.from("9301a36279658201a26161c0a26162", "hex"),
  // A prototype.
  Buffer.from("9301a362796583a95f5f70726f746f5f5f81a2696401a26964a161a4626f6f74a161", "hex"),
  // Something behind the end.
  Buffer.from("9301ae736e617073686f74506c6561736580c0", "hex"),
];

// Not the node's own: it would refuse to write most of this.
const encoder = new Encoder({ maxDepth: 64, useBigInt64: true });

/** One field, at whatever depth, becomes another value, or goes, or comes. */
function mutated(value: unknown, random: Random, depth = 0): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null || random(6 + depth) === 0)
    return at(VALUES, random(VALUES.length))();
  if (Array.isArray(value)) {
    if (value.length === 0 || random(8) === 0) return [...value, at(VALUES, random(VALUES.length))()];
    const index = random(value.length);
    return value.with(index, mutated(value[index], random, depth + 1));
  }
  const keys = Object.keys(value);
  const key = keys[random(keys.length + 1)];
  if (key === undefined)
    return { ...value, [at(["id", "later", "constructor"], random(3))]: VALUES[random(VALUES.length)]?.() };
  const { [key]: field, ...rest } = value as Record<string, unknown>;
  return random(8) === 0 ? rest : { ...rest, [key]: mutated(field, random, depth + 1) };
}

/** Some bytes change, go, or come. */
function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Buffer.from(bytes);
  const place = random(copy.length + 1);
  switch (random(4)) {
    case 0:
      return copy.subarray(0, place);
    case 1:
      return Buffer.concat([copy.subarray(0, place), Buffer.from([random(256), random(256)]), copy.subarray(place)]);
    case 2:
      return Buffer.concat([copy.subarray(0, place), copy.subarray(random(copy.length + 1))]);
    default:
      for (let flips = 1 + random(4); flips > 0 && copy.length > 0; flips--) copy[random(copy.length)] = random(256);
      return copy;
  }
}

/** What cannot be written is no frame, and another is made. */
function written(value: unknown, random: Random): Uint8Array {
  try {
    return encoder.encode(mutated(value, random));
  } catch {
    return at(NASTY, random(NASTY.length));
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  return items[index] as Item;
}

export type Rubbish = { kind: Frame["kind"]; frames: () => Generator<Uint8Array> };

/** For every kind that there is, `count` frames that are none, or no right ones, made of a right one of that kind. */
export function rubbish(count: number): fc.Arbitrary<Rubbish> {
  const kinds = Object.keys(PAYLOADS) as Frame["kind"][];
  return fc
    .constantFrom(...kinds)
    .chain(kind => fc.tuple(fc.constant(kind), PAYLOADS[kind] as fc.Arbitrary<object>, fc.integer()))
    .map(([kind, payload, seed]) => {
      const right = encodeFrame(kind, beyond(payload) as never);
      const wire = decode(right);
      function* frames() {
        const random = randomOf(seed);
        for (let made = 0; made < count; made++)
          if (made % 16 === 0) yield at(NASTY, random(NASTY.length));
          else yield made % 2 === 0 ? damaged(right, random) : written(wire, random);
      }
      return { kind, frames };
    });
}

/** An envelope of a new stream that begins it could be somebody's first word, and would be kept. */
function beyond(payload: object): object {
  if (!("envelopes" in payload)) return payload;
  const envelopes = (payload.envelopes as { seq: number }[]).map(envelope => ({
    ...envelope,
    seq: Math.max(envelope.seq, 1_000),
  }));
  return { ...payload, envelopes };
}
