/** What a segment brought, for those who are told of its commit. */
import { unpackEnvelopes } from "../envelope.ts";
import { EMPTIED } from "./groups.ts";
import type { Stored } from "./reads.ts";
import type { Segment, Taken } from "./store.ts";

/** A segment that was committed: what came with it, and all of it for whom it concerns. */
export type Arrived = Pick<Taken, "count" | "hlc" | "rooms" | "blobs" | "facts"> & { unpack(): Stored[] };

export function arrived({ packed }: Segment, taken: Taken): Arrived {
  const { first, count, skipped, hlc, rooms, blobs, facts, emptied } = taken;
  const unpack = () =>
    unpackEnvelopes(packed)
      .slice(skipped, skipped + count)
      .map((envelope, index) => ({ ...envelope, ...(emptied.includes(index) && EMPTIED), pos: first + index }));
  return { count, hlc, rooms, blobs, facts, unpack };
}
