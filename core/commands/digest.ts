/** `web-chat digest`: one hash of everything that a node holds, to compare nodes by. */
import { digestOf, type Head } from "../chain.ts";
import { administer, type Place } from "./administer.ts";

/** `envelopes` is their number over all streams. */
export type Digest = { digest: string; envelopes: number; heads: Record<string, Head> };

/** Throws `Reject`. */
export async function digest(place: Place): Promise<Digest> {
  const { heads } = await administer(place, administration => administration.standing());
  const envelopes = Object.values(heads).reduce((sum, { seq }) => sum + seq, 0);
  return { digest: digestOf(heads), envelopes, heads };
}
