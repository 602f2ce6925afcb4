/** What nodes say to each other: a MessagePack array of protocol version, kind and payload. */
import * as v from "valibot";
import { isHost } from "../addresses.ts";
import { decode, type Envelope, encode, fromWire, ORIGIN, toWire } from "../envelope.ts";
import { Reject } from "../errors.ts";

/** Goes up when a node of the version before could misunderstand the one after. */
export const CLUSTER_PROTOCOL = 1;

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const text = v.pipe(v.string(), v.maxLength(256));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const origin = v.pipe(v.string(), v.regex(ORIGIN));
const host = v.pipe(v.string(), v.check(isHost));
const bytes = v.custom<Uint8Array>(value => value instanceof Uint8Array);
const list = <Item extends v.GenericSchema>(item: Item, max: number) => v.pipe(v.array(item), v.maxLength(max));

/** Addresses of one node. */
export const MAX_HOSTS = 32;
/** Values in one delta or snapshot of a node's state. */
export const MAX_STATE_ENTRIES = 16_384;

const info = v.object({ id, boot: id, name: text, version: text, hosts: list(host, MAX_HOSTS), port, pubPort: port });
const heads = v.pipe(
  v.array(v.tuple([origin, v.pipe(count, v.minValue(1)), id])),
  v.maxLength(4_096),
  v.transform(entries => Object.fromEntries(entries.map(([origin, seq, chain]) => [origin, { seq, chain }]))),
);
const envelopes = v.pipe(
  v.array(v.unknown()),
  v.maxLength(4_096),
  v.transform((wires): Envelope[] => wires.map(fromWire)),
);
const delta = v.object({
  boot: id,
  base: count,
  version: count,
  entries: list(
    v.object({ type: id, key: text, version: count, body: v.nullable(bytes), at: v.number() }),
    MAX_STATE_ENTRIES,
  ),
});

const PAYLOADS = {
  /** A node introduces itself; `asks` for the same in answer. */
  hello: v.object({ info, known: list(info, 256), heads, asks: v.boolean() }),
  /** Once a second, published. */
  beat: v.object({ id, boot: id, heads, stateVersion: count }),
  bye: v.object({ id, boot: id }),
  /** Committed envelopes of the publisher's own stream. */
  batch: v.object({ id, envelopes }),
  /** The publisher has committed others' envelopes up to here. */
  heads: v.object({ id, heads }),
  pull: v.object({ origin, after: count }),
  /** What was asked for, packed: it is unpacked on the log's thread. */
  pulled: v.object({ id, origin, packed: bytes }),
  state: v.object({ id, delta }),
  snapshotPlease: v.object({}),
  snapshot: v.object({ id, delta }),
  signal: v.object({
    id,
    type: id,
    version: count,
    room: text,
    author: id,
    authorName: text,
    at: v.number(),
    body: bytes,
  }),
  ping: v.object({ at: v.number() }),
  pong: v.object({ id, at: v.number() }),
} as const;

type Payloads = typeof PAYLOADS;
export type Frame = {
  [Kind in keyof Payloads]: { kind: Kind; payload: v.InferOutput<Payloads[Kind]> };
}[keyof Payloads];
export type Payload<Kind extends keyof Payloads> = v.InferOutput<Payloads[Kind]>;

type Outgoing = { heads?: Payload<"heads">["heads"]; envelopes?: readonly Envelope[] } & Record<string, unknown>;

export function encodeFrame<Kind extends keyof Payloads>(kind: Kind, payload: Payload<Kind>): Uint8Array<ArrayBuffer> {
  const { heads, envelopes, ...rest } = payload as Outgoing;
  return encode([
    CLUSTER_PROTOCOL,
    kind,
    {
      ...rest,
      ...(heads && { heads: Object.entries(heads).map(([origin, { seq, chain }]) => [origin, seq, chain]) }),
      ...(envelopes && { envelopes: envelopes.map(toWire) }),
    },
  ]);
}

const NO_BYTES = Buffer.from([0xc4, 0]);
const BIN_32 = 0xc6;

/** A `pulled` frame around what the log has packed: half a megabyte that is not to be copied more than once. */
export function encodePulled(payload: { id: string; origin: string }, packed: Uint8Array): Uint8Array {
  const frame = Buffer.from(encode([CLUSTER_PROTOCOL, "pulled", { ...payload, packed: new Uint8Array() }]));
  if (!frame.subarray(-2).equals(NO_BYTES)) throw new Error("a frame without envelopes ends with something else");
  const length = Buffer.alloc(5, BIN_32);
  length.writeUInt32BE(packed.length, 1);
  return Buffer.concat([frame.subarray(0, -2), length, packed]);
}

/** The frame in what a peer sent; throws `Reject` for whatever is not one. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const frame = decode(bytes);
  if (!Array.isArray(frame) || frame.length !== 3) throw new Reject("invalid", "a frame is an array of three");
  const [protocol, kind, payload] = frame;
  if (protocol !== CLUSTER_PROTOCOL)
    throw new Reject(
      "invalid",
      `the peer speaks cluster protocol ${String(protocol).slice(0, 8)}, this node ${CLUSTER_PROTOCOL}`,
    );
  if (typeof kind !== "string" || !Object.hasOwn(PAYLOADS, kind))
    throw new Reject("invalid", "an unknown kind of frame");
  const parsed = v.safeParse(PAYLOADS[kind as keyof Payloads], payload, { abortEarly: true });
  if (!parsed.success) throw new Reject("invalid", `a ${kind} frame: ${parsed.issues[0].message}`);
  return { kind, payload: parsed.output } as Frame;
}
