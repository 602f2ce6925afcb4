/** A message as the core sees it, and its form between nodes. */
import { hash } from "node:crypto";
import { Decoder, Encoder } from "@msgpack/msgpack";
import { Reject } from "./errors.ts";
import { assertBounded } from "./msgpack-bounds.ts";

export type Envelope = {
  /** The stream that it belongs to, and its position there: 1, 2, 3, … without gaps. */
  origin: string;
  seq: number;
  room: string;
  /** Position within (room, origin), without gaps. */
  n: number;
  hlc: number;
  type: string;
  version: number;
  role: string;
  author: string;
  authorName: string;
  id: string;
  ref: string | null;
  /** `alt`, `body` and `salt` are null, and `blobs` is empty, where the message was erased. */
  alt: string | null;
  body: Uint8Array | null;
  blobs: string[];
  salt: Uint8Array | null;
  /** SHA-256 of salt, alt, blobs and body; outlives them. */
  contentHash: Uint8Array;
  /** Header fields of newer versions, kept and passed on as they came. */
  extra: Uint8Array | null;
};

/** An own message before the log gives it its place. */
export type Draft = Omit<Envelope, "origin" | "seq" | "n" | "salt" | "contentHash">;

/** Room of the core's own facts: names, sessions, rooms. No browser can join it. */
export const FACTS = "chat:facts";
/** Role of the core's own facts. */
export const FACT = "fact";

export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
export const MAX_BODY_BYTES = 256 * 1024;
const MAX_STRING_BYTES = MAX_BODY_BYTES;
const MAX_ITEMS = 16 * 1024;
const MAX_DEPTH = 16;

const encoder = new Encoder({ maxDepth: MAX_DEPTH, ignoreUndefined: true });
const decoder = new Decoder({
  maxStrLength: MAX_STRING_BYTES,
  maxBinLength: MAX_FRAME_BYTES,
  maxArrayLength: MAX_ITEMS,
  maxMapLength: MAX_ITEMS,
  maxExtLength: 0,
});

/** MessagePack of a value; throws `Reject` where it cannot be written. */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  try {
    return encoder.encode(value);
  } catch (error) {
    throw new Reject("invalid", `cannot be serialized: ${(error as Error).message}`);
  }
}

/** The value of a MessagePack text from outside; throws `Reject` for whatever is damaged, too deep or too large. */
export function decode(bytes: Uint8Array): unknown {
  if (bytes.byteLength > MAX_FRAME_BYTES) throw new Reject("too-large", "the frame is too large");
  assertBounded(bytes, { maxDepth: MAX_DEPTH, maxItems: MAX_ITEMS });
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new Reject("invalid", `not MessagePack: ${(error as Error).message}`);
  }
}

/** The sortable text of (hlc, origin, n): the order of a room, the same on every node. */
export function keyOf({ hlc, origin, n }: Pick<Envelope, "hlc" | "origin" | "n">): string {
  const count = n.toString(36);
  // The length in front makes numbers of different lengths sort as numbers do.
  return `${hlc.toString(36).padStart(11, "0")}${origin}${count.length.toString(36)}${count}`;
}

/** The hlc, origin and n of a key; undefined where the text is none. */
export function placeOf(key: string): Pick<Envelope, "hlc" | "origin" | "n"> | undefined {
  const match = /^([0-9a-z]{11})([0-9a-z]{16})[0-9a-z]([0-9a-z]{1,11})$/.exec(key);
  if (!match) return undefined;
  const [, hlc = "", origin = "", n = ""] = match;
  const place = { hlc: Number.parseInt(hlc, 36), origin, n: Number.parseInt(n, 36) };
  return keyOf(place) === key ? place : undefined;
}

/** Length in characters of an origin's id. */
export const ORIGIN_LENGTH = 16;
/** Form of an origin's id. */
export const ORIGIN = /^[0-9a-z]{16}$/;

/** What is hashed is put together here: it is over before anything else runs, and a buffer of its own each time costs more. */
let scratch = Buffer.alloc(64 * 1024);

/** SHA-256 of salt, alt, blobs and body, each with its length in front, so that no two contents read alike. */
export function hashContent(...content: Parameters<typeof hashContentHex>): Uint8Array {
  return Buffer.from(hashContentHex(...content), "hex");
}

/** The same in hex, which Node makes twice as fast as bytes. */
function hashContentHex(salt: Uint8Array, alt: string | null, blobs: string[], body: Uint8Array | null): string {
  const text = JSON.stringify([alt, blobs]);
  const most = 8 + salt.length + text.length * 3 + (body?.length ?? 0);
  if (scratch.length < most) scratch = Buffer.alloc(most);
  scratch.set(salt, 8);
  const textBytes = scratch.write(text, 8 + salt.length);
  scratch.writeUInt32BE(salt.length, 0);
  scratch.writeUInt32BE(textBytes, 4);
  const end = 8 + salt.length + textBytes;
  if (body) scratch.set(body, end);
  return hash("sha256", scratch.subarray(0, end + (body?.length ?? 0)));
}

/** How many envelopes an array holds that was packed for peers; throws `Reject` where it is no array. */
export function countPacked(packed: Uint8Array): number {
  const [head = 0, high = 0, low = 0] = packed;
  if (head >= 0x90 && head <= 0x9f) return head & 0x0f;
  if (head === 0xdc) return high * 256 + low;
  throw new Reject("invalid", "what a peer packed is no array of envelopes");
}

/** The envelopes in an array that was packed for peers; throws `Reject` unless every one has its form. */
export function unpackEnvelopes(packed: Uint8Array): Envelope[] {
  countPacked(packed);
  return (decode(packed) as unknown[]).map(fromWire);
}

/** The fields in the order in which they cross the cluster, and are the columns of the log. */
export const FIELDS = [
  "origin",
  "seq",
  "room",
  "n",
  "hlc",
  "type",
  "version",
  "role",
  "author",
  "authorName",
  "id",
  "ref",
  "alt",
  "body",
  "blobs",
  "salt",
  "contentHash",
  "extra",
] as const satisfies readonly (keyof Envelope)[];

/** An envelope as the array that crosses the cluster. New header fields go into `extra`, so that the form stays. */
export function toWire(envelope: Envelope): unknown[] {
  return FIELDS.map(field => envelope[field]);
}

/** The envelope in what a peer sent; throws `Reject` unless every field has its form. */
export function fromWire(wire: unknown): Envelope {
  if (!Array.isArray(wire) || wire.length !== FIELDS.length)
    throw new Reject("invalid", `an envelope is an array of ${FIELDS.length}`);
  // Twice all names in one line each: this is done for every envelope of every peer, and loops over FIELDS take thrice as long.
  // biome-ignore format: as above
  const [origin, seq, room, n, hlc, type, version, role, author, authorName, id, ref, alt, body, blobs, salt, contentHash, extra] = wire;
  // biome-ignore format: as above
  return asEnvelope({ origin, seq, room, n, hlc, type, version, role, author, authorName, id, ref, alt, body, blobs, salt, contentHash, extra });
}

/** The envelope in fields from outside, and nothing else of them; throws `Reject` unless every one has its form. */
export function asEnvelope(fields: { readonly [Field in keyof Envelope]?: unknown }): Envelope {
  const { origin, seq, room, n, hlc, type, version, role, author, authorName, id, ref } = fields;
  const { alt, body, blobs, salt, contentHash, extra } = fields;
  const erased = body === null && salt === null && alt === null && Array.isArray(blobs) && blobs.length === 0;
  if (
    !(
      isText(origin, ORIGIN_LENGTH) &&
      ORIGIN.test(origin) &&
      isCount(seq) &&
      isText(room, 128) &&
      isCount(n) &&
      isCount(hlc) &&
      isText(type, 64) &&
      isCount(version) &&
      isText(role, 16) &&
      isText(author, 64) &&
      isText(authorName, 128) &&
      isText(id, 64) &&
      (ref === null || isText(ref, 64)) &&
      (alt === null || isAlt(alt)) &&
      (erased || (isBytes(body, MAX_BODY_BYTES) && isBytes(salt, 32))) &&
      Array.isArray(blobs) &&
      blobs.length <= MAX_ITEMS &&
      blobs.every(blob => isText(blob, 64)) &&
      isBytes(contentHash, 32) &&
      contentHash.length === 32 &&
      (extra === null || isBytes(extra, 4096))
    )
  )
    throw new Reject("invalid", "an envelope's field has not its form");
  return {
    origin,
    seq,
    room,
    n,
    hlc,
    type,
    version,
    role,
    author,
    authorName,
    id,
    ref,
    alt,
    body: body as Uint8Array | null,
    blobs,
    salt: salt as Uint8Array | null,
    contentHash,
    extra,
  };
}

/** Whether alt, body, blobs and salt are those that the hash was made of; an erased envelope has none to check. */
export function isGenuine({ salt, alt, blobs, body, contentHash }: Envelope): boolean {
  if (salt === null) return true;
  const { buffer, byteOffset, length } = contentHash;
  return hashContentHex(salt, alt, blobs, body) === Buffer.from(buffer, byteOffset, length).toString("hex");
}

/** What an envelope takes in a frame, at most. */
export function frameBytes({ body, alt, blobs }: Pick<Envelope, "body" | "alt" | "blobs">): number {
  return 512 + (body?.length ?? 0) + (alt?.length ?? 0) * 3 + blobs.length * 66;
}

/** What is not well-formed would come out of a frame as another text than went in. */
const isText = (value: unknown, max: number): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= max && value.isWellFormed();
const isAlt = (value: unknown): value is string =>
  typeof value === "string" && Buffer.byteLength(value) <= MAX_STRING_BYTES && value.isWellFormed();
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isBytes = (value: unknown, max: number): value is Uint8Array =>
  value instanceof Uint8Array && value.length <= max;
