/** Calls of a thread's store and their answers, as they cross between threads. */
import type { Reject } from "../errors.ts";

export type Call = { id: number; name: string; args: unknown[] };
export type Answer = { id: number; value: unknown } | { id: number; refused: ReturnType<Reject["toJSON"]> };

/** What is large and not needed here any more goes to the other thread without being copied. */
export function packedIn(value: unknown): ArrayBuffer[] {
  const { packed } = (value ?? {}) as { packed?: Uint8Array<ArrayBuffer> };
  return packed ? [packed.buffer] : [];
}
