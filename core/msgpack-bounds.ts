/**
 * Walks a MessagePack text (msgpack.org, spec.md) before it is decoded, and allocates nothing. A decoder makes room for an
 * array as soon as it has read the array's header, so a hundred bytes of nested headers can ask for gigabytes.
 */
import { Reject } from "./errors.ts";

export type Bounds = { maxDepth: number; maxItems: number };

/** Throws `Reject` unless every length fits into what is there, and nothing is deeper or larger than `bounds` say. */
export function assertBounded(bytes: Uint8Array, { maxDepth, maxItems }: Bounds): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Values still to come at each depth. */
  const left = [1];
  let at = 0;

  const skip = (count: number) => {
    at += count;
    if (at > bytes.length) throw new Reject("invalid", "the frame is truncated");
  };
  const length = (size = 1): number => {
    const from = at;
    skip(size);
    return size === 1 ? view.getUint8(from) : size === 2 ? view.getUint16(from) : view.getUint32(from);
  };
  const enter = (items: number, values: number) => {
    if (items > maxItems || values > bytes.length - at) throw new Reject("invalid", "a frame's array is too long");
    if (left.length > maxDepth) throw new Reject("invalid", "a frame is nested too deeply");
    left.push(values);
  };

  while (left.length > 0) {
    const depth = left.length - 1;
    if (left[depth] === 0) {
      left.pop();
      continue;
    }
    left[depth] = (left[depth] as number) - 1;
    const head = length(1);
    if (head <= 0x7f || head >= 0xe0) continue; // a small integer
    if (head <= 0x8f) enter(head & 0x0f, (head & 0x0f) * 2);
    else if (head <= 0x9f) enter(head & 0x0f, head & 0x0f);
    else if (head <= 0xbf) skip(head & 0x1f);
    else if (head === 0xc1) throw new Reject("invalid", "not MessagePack");
    else if (head <= 0xc3)
      continue; // nil, false, true
    else if (head <= 0xc6)
      skip(length(WIDTHS[head - 0xc4])); // bin
    else if (head <= 0xc9)
      skip(length(WIDTHS[head - 0xc7]) + 1); // ext
    else if (head <= 0xd3)
      skip(NUMBERS[head - 0xca] as number); // float, uint, int
    else if (head <= 0xd8)
      skip((1 << (head - 0xd4)) + 1); // fixext
    else if (head <= 0xdb)
      skip(length(WIDTHS[head - 0xd9])); // str
    else {
      const items = length(head % 2 === 0 ? 2 : 4); // array 16, 32; map 16, 32
      enter(items, head <= 0xdd ? items : items * 2);
    }
  }
  if (at !== bytes.length) throw new Reject("invalid", "bytes follow the frame's end");
}

/** Bytes of the length field in the 8, 16 and 32 bit form of bin, ext and str. */
const WIDTHS = [1, 2, 4];
/** Bytes of float 32, float 64, uint 8 to 64, int 8 to 64. */
const NUMBERS = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
