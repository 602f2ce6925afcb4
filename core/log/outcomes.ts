/** What appending did, as it crosses between threads: whatever the asking thread holds already stays where it is. */
import { type Draft, type Envelope, unpackEnvelopes } from "../envelope.ts";
import type { Stored } from "./reads.ts";
import type { Outcome, Segment, Taken } from "./store.ts";

/** Of a peer's envelope only where it was put; of a draft what the log added as well. */
type Brief =
  | number
  | {
      pos: number;
      emptied: boolean;
      place: Pick<Envelope, "origin" | "seq" | "n" | "salt" | "contentHash"> | undefined;
    }
  | Exclude<Outcome, { status: "stored" }>;

const EMPTY = { alt: null, body: null, blobs: [] as string[], salt: null };

export function abridge(items: readonly (Draft | Envelope)[], outcomes: readonly Outcome[]): Brief[] {
  return outcomes.map((outcome, index) => {
    if (outcome.status !== "stored") return outcome;
    const { pos, origin, seq, n, salt, contentHash, body } = outcome.envelope;
    const item = items[index] as Draft | Envelope;
    const emptied = body === null && item.body !== null;
    if (!("seq" in item)) return { pos, emptied, place: { origin, seq, n, salt, contentHash } };
    return emptied ? { pos, emptied, place: undefined } : pos;
  });
}

/** The outcomes that were abridged, of the same items. */
export function unabridge(items: readonly (Draft | Envelope)[], briefs: readonly Brief[]): Outcome[] {
  return briefs.map((brief, index) => {
    const item = items[index] as Envelope;
    if (typeof brief === "number") return { status: "stored", envelope: { ...item, pos: brief } };
    if ("status" in brief) return brief;
    const envelope: Stored = { ...item, ...brief.place, ...(brief.emptied && EMPTY), pos: brief.pos };
    return { status: "stored", envelope };
  });
}

/** A segment that was committed: what came with it, and all of it for whom it concerns. */
export type Arrived = Pick<Taken, "count" | "hlc" | "rooms" | "blobs" | "facts"> & { unpack(): Stored[] };

export function arrived({ packed }: Segment, taken: Taken): Arrived {
  const { first, count, skipped, hlc, rooms, blobs, facts, emptied } = taken;
  const unpack = () =>
    unpackEnvelopes(packed)
      .slice(skipped, skipped + count)
      .map((envelope, index) => ({ ...envelope, ...(emptied.includes(index) && EMPTY), pos: first + index }));
  return { count, hlc, rooms, blobs, facts, unpack };
}
