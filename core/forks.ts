/**
 * A stream that a restored database wrote on has two branches. One of them is given up, by a fact that every node keeps:
 * whoever holds that branch cuts it off, after writing again in its own stream what stands nowhere else.
 */
import * as v from "valibot";
import { decode, type Envelope, ORIGIN } from "./envelope.ts";

/** Type of the fact. */
export const FORK = "chat:fork";

export const forkBody = v.object({
  origin: v.pipe(v.string(), v.regex(ORIGIN)),
  /** The first place of the branch, and the running hash there: of two branches only one has it. */
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  chain: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  /** Where people may have read something of it. */
  rooms: v.pipe(v.array(v.pipe(v.string(), v.maxLength(128))), v.maxLength(16_384)),
});

/** A branch that was given up. */
export type Fork = v.InferOutput<typeof forkBody>;

/** The branch that an envelope gives up; undefined where it does nothing of that kind. */
export function readFork({ type, role, body }: Pick<Envelope, "type" | "role" | "body">): Fork | undefined {
  if (type !== FORK || role !== "fact" || body === null) return undefined;
  try {
    const parsed = v.safeParse(forkBody, decode(body));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
