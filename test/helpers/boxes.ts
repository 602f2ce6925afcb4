/** MP4 files that nobody's recorder writes. */
import assert from "node:assert/strict";

/** What stands in a box before those in it. Bytes. */
const BEFORE: Record<string, number> = { stsd: 8, mp4a: 28 };

export function box(name: string, ...parts: (number | Buffer)[]): Buffer {
  const content = Buffer.concat(parts.map(part => (typeof part === "number" ? word(part) : part)));
  return Buffer.concat([word(8 + content.length), Buffer.from(name, "latin1"), content]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The same file with one more box at the end of the innermost of those that `path` leads through. */
export function withBox(file: Buffer, path: readonly string[], added: Buffer): Buffer {
  const grown = Buffer.concat([file, Buffer.alloc(added.length)]);
  let from = 0;
  let to = file.length;
  for (const name of path) {
    while (from < to && file.toString("latin1", from + 4, from + 8) !== name) from += file.readUInt32BE(from);
    assert.ok(from < to, `there is no ${name}`);
    to = from + file.readUInt32BE(from);
    grown.writeUInt32BE(to - from + added.length, from);
    from += 8 + (BEFORE[name] ?? 0);
  }
  added.copy(grown, to);
  file.copy(grown, to + added.length, to);
  return grown;
}

/** The same file with another word in the first box of that name, so many bytes after the name. */
export function changed(file: Buffer, name: string, at: number, value: number): Buffer {
  const copy = Buffer.from(file);
  copy.writeUInt32BE(value, copy.indexOf(name) + 4 + at);
  return copy;
}

/** The same file, which claims that many packets of no bits each. */
export function claiming(file: Buffer, packets: number): Buffer {
  const copy = changed(changed(file, "stsz", 4, 0), "stsz", 8, packets);
  copy.write("stz2", copy.indexOf("stsz"), "latin1");
  return copy;
}

/** The same file with its packets in a fragment: five, and then what `inner` says. */
export function fragmented(file: Buffer, inner: Buffer): Buffer {
  const empty = changed(changed(file, "stts", 4, 0), "stsz", 8, 0);
  const moov = withBox(empty, ["moov"], box("mvex", box("trex", 0, 1, 1, 960, 3, 0)));
  return Buffer.concat([moov, fragment(box("trun", 0, 5)), fragment(inner)]);
}

/** The same, but the second fragment lies where sound does, and only an index at the end says so. */
export function hidden(file: Buffer, inner: Buffer): Buffer {
  const bytes = fragmented(file, inner);
  const at = bytes.length - fragment(inner).length;
  const index = box("tfra", 0, 1, 0, 1, 0, at + 8, Buffer.from([1, 1, 1]));
  const mfra = box("mfra", index, box("mfro", 0, 8 + index.length + 16));
  return Buffer.concat([bytes.subarray(0, at), box("mdat", bytes.subarray(at)), mfra]);
}

function fragment(inner: Buffer): Buffer {
  return box("moof", box("traf", box("tfhd", 0, 1), inner));
}

/** The same file as one whose packets are encrypted (ISO/IEC 23001-7), by a key that nobody has. */
export function encrypted(file: Buffer): Buffer {
  const key = box("tenc", 0, 0x0108, Buffer.alloc(16, 7));
  const scheme = box("schm", 0, Buffer.from("cenc"), 0x1_0000);
  const protection = box("sinf", box("frma", Buffer.from("mp4a")), scheme, box("schi", key));
  const copy = withBox(file, ["moov", "trak", "mdia", "minf", "stbl", "stsd", "mp4a"], protection);
  copy.write("enca", copy.indexOf("stsd") + 16, "latin1");
  return copy;
}
