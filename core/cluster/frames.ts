/** What nodes say to each other: a MessagePack array of protocol version, kind and payload. */
import * as v from "valibot";
import { isHost, isPageUrl } from "../addresses.ts";
import { HASH } from "../blobs/files.ts";
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
/** A copy: what is kept for long must not keep the whole frame with it. */
const kept = v.pipe(
  bytes,
  v.transform((bytes): Uint8Array => new Uint8Array(bytes)),
);
const list = <Item extends v.GenericSchema>(item: Item, max: number) => v.pipe(v.array(item), v.maxLength(max));

/** Addresses of one node. */
export const MAX_HOSTS = 32;
/** Addresses of one node's page. */
export const MAX_URLS = 48;
/** Values in one delta or snapshot of a node's state. */
export const MAX_STATE_ENTRIES = 16_384;
/** Bytes of a blob in one frame. */
export const BLOB_PART_BYTES = 256 * 1024;
/** Blobs that one frame names. */
export const MAX_HASHES = 256;

const hash = v.pipe(v.string(), v.regex(HASH));
const hashes = list(hash, MAX_HASHES);
const part = v.pipe(
  bytes,
  v.check(bytes => bytes.length <= BLOB_PART_BYTES),
);

const info = v.object({
  id,
  boot: id,
  /** Nodes of the first version do not say it. */
  startedAt: v.optional(count),
  name: text,
  version: text,
  hosts: list(host, MAX_HOSTS),
  port,
  pubPort: port,
  urls: v.optional(list(v.pipe(v.string(), v.check(isPageUrl)), MAX_URLS)),
  /** It knows the frames about blobs: whoever does not say so gets none of them. */
  blobs: v.optional(v.boolean()),
});
const chain = v.pipe(v.string(), v.maxLength(64));
/** The running hash before the first envelope; missing where the sender does not know it. */
const follows = v.optional(chain);
/** The stream that a node writes; none before its first write. */
const writes = v.optional(origin);
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
    v.object({ type: id, key: text, version: count, body: v.nullable(kept), at: v.number() }),
    MAX_STATE_ENTRIES,
  ),
});

const PAYLOADS = {
  /** A node introduces itself; `asks` for the same in answer. */
  hello: v.object({ info, known: list(info, 256), heads, asks: v.boolean(), writes }),
  /** Once a second, published. */
  beat: v.object({ id, boot: id, heads, stateVersion: count, writes }),
  bye: v.object({ id, boot: id }),
  /** Committed envelopes of the publisher's own stream, and the running hash that they follow. */
  batch: v.object({ id, envelopes, follows }),
  /** The publisher has committed others' envelopes up to here. */
  heads: v.object({ id, heads }),
  pull: v.object({ origin, after: count }),
  /** What was asked for, packed, and the running hash before it: it is unpacked on the log's thread. */
  pulled: v.object({ id, origin, follows, packed: bytes }),
  /** The asked node has another running hash at that place than the one who tells. */
  differs: v.object({ id, origin, seq: count, chain }),
  chainsPlease: v.object({ origin, seqs: list(count, 256) }),
  /** The running hashes that were asked for, of those that are there. */
  chains: v.object({
    id,
    origin,
    chains: v.pipe(
      list(v.tuple([count, chain]), 256),
      v.transform((entries): Record<number, string> => Object.fromEntries(entries)),
    ),
  }),
  /** The sender holds some blobs, and lacks others, having committed so much: it has just got or lost them, or was asked. */
  blobs: v.object({ id, hashes, lacks: hashes, heads }),
  /** Which of these the asked node holds. */
  blobsPlease: v.object({ hashes }),
  blobPlease: v.object({ hash, offset: count }),
  /** What of a blob begins at `offset`, and how large all of it is; no size where the sender does not hold it. */
  blobPart: v.object({ id, hash, offset: count, size: v.optional(count), bytes: part }),
  /** What the asked node sent of a blob has another hash: perhaps what it holds is damaged. */
  blobDoubted: v.object({ hash }),
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
  /** The answer to a node that was removed for good. */
  forgotten: v.object({ node: id }),
  ping: v.object({ at: v.number() }),
  /** `wall` is what the clock of the one that answers shows, in milliseconds since 1970; the first version does not say it. */
  pong: v.object({ id, at: v.number(), wall: v.optional(count) }),
} as const;

type Payloads = typeof PAYLOADS;
export type Frame = {
  [Kind in keyof Payloads]: { kind: Kind; payload: v.InferOutput<Payloads[Kind]> };
}[keyof Payloads];
export type FrameOf<Kind extends keyof Payloads> = Extract<Frame, { kind: Kind }>;
export type Payload<Kind extends keyof Payloads> = v.InferOutput<Payloads[Kind]>;
/** What is said to one peer, at the address where it answered. */
export type RequestKind =
  | "pull"
  | "snapshotPlease"
  | "ping"
  | "differs"
  | "chainsPlease"
  | "blobs"
  | "blobsPlease"
  | "blobPlease"
  | "blobDoubted";

type Outgoing = {
  heads?: Payload<"heads">["heads"];
  chains?: Payload<"chains">["chains"];
  envelopes?: readonly Envelope[];
} & Record<string, unknown>;

export function encodeFrame<Kind extends keyof Payloads>(kind: Kind, payload: Payload<Kind>): Uint8Array<ArrayBuffer> {
  const { heads, chains, envelopes, ...rest } = payload as Outgoing;
  return encode([
    CLUSTER_PROTOCOL,
    kind,
    {
      ...rest,
      ...(heads && { heads: Object.entries(heads).map(([origin, { seq, chain }]) => [origin, seq, chain]) }),
      ...(chains && { chains: Object.entries(chains).map(([seq, chain]) => [Number(seq), chain]) }),
      ...(envelopes && { envelopes: envelopes.map(toWire) }),
    },
  ]);
}

const NO_BYTES = Buffer.from([0xc4, 0]);
const BIN_32 = 0xc6;

/** A `pulled` frame around what the log has packed. */
export function encodePulled(
  payload: { id: string; origin: string; follows?: string | undefined },
  packed: Uint8Array,
): Uint8Array {
  return around(encode([CLUSTER_PROTOCOL, "pulled", { ...payload, packed: new Uint8Array() }]), packed);
}

/** A `blobPart` frame around bytes of a blob. */
export function encodeBlobPart(
  payload: { id: string; hash: string; offset: number; size?: number | undefined },
  bytes: Uint8Array,
): Uint8Array {
  return around(encode([CLUSTER_PROTOCOL, "blobPart", { ...payload, bytes: new Uint8Array() }]), bytes);
}

/** A frame that ends with no bytes, with bytes in their place: half a megabyte that is not to be copied more than once. */
function around(empty: Uint8Array<ArrayBuffer>, bytes: Uint8Array): Uint8Array {
  const frame = Buffer.from(empty.buffer, empty.byteOffset, empty.length);
  if (!frame.subarray(-2).equals(NO_BYTES))
    throw new Error("a frame that is to end with bytes ends with something else");
  const length = Buffer.alloc(5, BIN_32);
  length.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([frame.subarray(0, -2), length, bytes]);
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
  if (!parsed.success) {
    // Not the issue's own message, which has in it what came, and goes to the log.
    const where = v.getDotPath(parsed.issues[0]);
    throw new Reject("invalid", `a ${kind} frame without its form${where ? `, at ${where}` : ""}`);
  }
  return { kind, payload: parsed.output } as Frame;
}
