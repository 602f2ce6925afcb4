/**
 * What a commit takes and what became of it, as they cross between threads: one text and one piece of bytes for a whole
 * group. Copied object by object they took as long as the commit itself.
 */
import type { Draft, Envelope } from "../envelope.ts";
import type { Stored } from "./reads.ts";
import type { Outcome } from "./store.ts";

/** Bytes lie in `packed` one after another; the text says how many each takes, or null. Whoever sends it has them no more. */
export type Crossing = { text: string; packed: Uint8Array<ArrayBuffer> };

type Length = number | null;

/** A draft's fields, in the order of `packDraft`. */
type DraftRow = [
  string,
  number,
  string,
  number,
  string,
  string,
  string,
  string,
  string | null,
  string | null,
  string[],
  Length,
  Length,
];
/** Of a peer's envelope also its place, and what it was hashed with. */
type EnvelopeRow = [...DraftRow, string, number, number, Length, Length];

/** `origin` is null where it is that of the one before. */
type Place = [pos: number, emptied: 0 | 1, origin: string | null, seq: number, n: number];
/** Of a draft what the log added; of a peer's envelope only where it was put. */
type Brief = number | [pos: number, emptied: 1] | Place | Exclude<Outcome, { status: "stored" }>;

/** Lengths of what the log adds to a draft. */
export const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Fields of what was erased before it came. */
export const EMPTIED = { alt: null, body: null, blobs: [] as string[], salt: null };

export function packGroup(items: readonly (Draft | Envelope)[]): Crossing {
  const bytes = new Gathered();
  return bytes.with(items.map(item => ("seq" in item ? packEnvelope(item, bytes) : packDraft(item, bytes))));
}

function packDraft(draft: Draft, bytes: Gathered): DraftRow {
  const { room, hlc, type, version, role, author, authorName, id, ref, alt, blobs, body, extra } = draft;
  const lengths = [bytes.add(body), bytes.add(extra)] as const;
  return [room, hlc, type, version, role, author, authorName, id, ref, alt, blobs, ...lengths];
}

function packEnvelope(envelope: Envelope, bytes: Gathered): EnvelopeRow {
  const { origin, seq, n, salt, contentHash } = envelope;
  return [...packDraft(envelope, bytes), origin, seq, n, bytes.add(salt), bytes.add(contentHash)];
}

export function unpackGroup({ text, packed }: Crossing): (Draft | Envelope)[] {
  const bytes = new Cut(packed);
  return (JSON.parse(text) as (DraftRow | EnvelopeRow)[]).map(row => {
    const [room, hlc, type, version, role, author, authorName, id, ref, alt, blobs, bodyBytes, extraBytes] = row;
    const [body, extra] = [bytes.next(bodyBytes), bytes.next(extraBytes)];
    const draft = { room, hlc, type, version, role, author, authorName, id, ref, alt, blobs, body, extra };
    if (row.length === 13) return draft;
    const [, , , , , , , , , , , , , origin, seq, n, saltBytes, hashBytes] = row;
    const salt = bytes.next(saltBytes);
    return { ...draft, origin, seq, n, salt, contentHash: bytes.next(hashBytes) as Uint8Array };
  });
}

/** What became of these items, without what their sender has of them. */
export function packOutcomes(items: readonly (Draft | Envelope)[], outcomes: readonly Outcome[]): Crossing {
  const bytes = new Gathered();
  let before: string | undefined;
  const briefs = outcomes.map((outcome, index): Brief => {
    if (outcome.status !== "stored") return outcome;
    const { pos, origin, seq, n, salt, contentHash, body } = outcome.envelope;
    const item = items[index] as Draft | Envelope;
    const emptied = body === null && item.body !== null ? 1 : 0;
    if ("seq" in item) return emptied ? [pos, emptied] : pos;
    bytes.add(contentHash);
    if (!emptied) bytes.add(salt);
    const told = origin === before ? null : origin;
    before = origin;
    return [pos, emptied, told, seq, n];
  });
  return bytes.with(briefs);
}

/** The outcomes that were packed, of the same items. */
export function unpackOutcomes(items: readonly (Draft | Envelope)[], { text, packed }: Crossing): Outcome[] {
  const bytes = new Cut(packed);
  let origin = "";
  return (JSON.parse(text) as Brief[]).map((brief, index): Outcome => {
    const item = items[index] as Envelope;
    if (typeof brief === "number") return { status: "stored", envelope: { ...item, pos: brief } };
    if (!Array.isArray(brief)) return brief;
    const [pos, emptied] = brief;
    if (brief.length === 2) return { status: "stored", envelope: { ...item, ...EMPTIED, pos } };
    const [, , told, seq, n] = brief;
    origin = told ?? origin;
    const contentHash = bytes.next(HASH_BYTES) as Uint8Array;
    const salt = emptied ? null : bytes.next(SALT_BYTES);
    const envelope: Stored = { ...item, origin, seq, n, salt, contentHash, pos };
    return { status: "stored", envelope: emptied ? { ...envelope, ...EMPTIED } : envelope };
  });
}

/** Bytes of many in one piece. */
class Gathered {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  add(piece: Uint8Array | null): Length {
    if (piece === null) return null;
    this.#pieces.push(piece);
    this.#length += piece.length;
    return piece.length;
  }

  with(rows: readonly unknown[]): Crossing {
    const packed = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      packed.set(piece, at);
      at += piece.length;
    }
    return { text: JSON.stringify(rows), packed };
  }
}

/** What was gathered, piece by piece. */
class Cut {
  readonly #packed: Uint8Array;
  #at = 0;

  constructor(packed: Uint8Array) {
    this.#packed = packed;
  }

  next(length: Length): Uint8Array | null {
    if (length === null) return null;
    this.#at += length;
    return this.#packed.subarray(this.#at - length, this.#at);
  }
}
