/** The running hash of a stream, by which nodes and archives tell that they hold the same. */
import { hash } from "node:crypto";
import type { Envelope } from "./envelope.ts";

/** Where a stream ends: the last seq, and the running hash of everything up to it. */
export type Head = { seq: number; chain: string };

/** The running hash of a stream with nothing in it. */
export const EMPTY_CHAIN = "";

/** The running hash after `e`: header (without salt) and contentHash upon the hash before. Half of a SHA-256, in hex. */
export function hashChain(before: string, e: Envelope): string {
  const header = [e.origin, e.seq, e.room, e.n, e.hlc, e.type, e.version, e.role, e.author, e.authorName, e.id, e.ref];
  const rest = [hex(e.contentHash), e.extra === null ? null : hex(e.extra)];
  return hash("sha256", JSON.stringify([before, ...header, ...rest])).slice(0, 32);
}

/** One hash for everything in a log: equal on two nodes that hold the same. `heads` are in the order of their origins. */
export function digestOf(heads: Readonly<Record<string, Head>>): string {
  return hash("sha256", JSON.stringify(Object.entries(heads)));
}

export const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
