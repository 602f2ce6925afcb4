/** Which part of a file a request asks for (RFC 9110, 14). */

/** `from` up to, and without, `to`. */
export type Part = { from: number; to: number };

/**
 * The part that a Range header names in a file of so many bytes; undefined where all of it is the answer: there is no such
 * header, it counts in other units, or it asks for several parts, which a server may answer whole. `none` where no byte can
 * be meant.
 */
export function partOf(header: string | undefined, size: number): Part | "none" | undefined {
  const [, ranges] = /^bytes=(.*)$/is.exec(header ?? "") ?? [];
  if (ranges === undefined || ranges.includes(",")) return undefined;
  const [, first = "", last = ""] = /^\s*(\d*)-(\d*)\s*$/.exec(ranges) ?? [];
  if (first === "" && last === "") return "none";
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return from < to ? { from, to } : "none";
}
