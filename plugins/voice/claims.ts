/**
 * What the tables of an MP4 claim to hold. The library that reads them makes an entry for each packet that is claimed,
 * and some forms of these tables need no bytes for that: a file of a kilobyte would cost gigabytes, or minutes.
 */

/** Where in a table the number of packets stands: once, or in each of so many entries. Bytes, after the name. */
const TABLES: Record<string, { at: number; step?: number }> = {
  stsz: { at: 8 },
  stz2: { at: 8 },
  trun: { at: 4 },
  stts: { at: 8, step: 8 },
  ctts: { at: 8, step: 8 },
  stsc: { at: 12, step: 12 },
};

/** Whether a table claims more packets than the file has bytes. Of files that are no MP4 it says nothing. */
export function claimsTooMuch(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  // Other containers begin with bytes that are no box's name.
  if (!/^[a-z]{4}$/.test(bytes.toString("latin1", 4, 8))) return false;
  let from = 0;
  while (from + 16 <= bytes.length) {
    const short = bytes.readUInt32BE(from);
    const size = short === 1 ? Number(bytes.readBigUInt64BE(from + 8)) : short;
    if (size < 8) return false;
    const to = Math.min(from + size, bytes.length);
    // Tables are looked for by name alone, as boxes may be nested in ways of one's own. Sound may hold any name by chance.
    if (
      bytes.toString("latin1", from + 4, from + 8) !== "mdat" &&
      hasAbsurdTable(bytes.subarray(from, to), bytes.length)
    )
      return true;
    from = to;
  }
  return false;
}

function hasAbsurdTable(boxes: Buffer, most: number): boolean {
  for (const [name, { at, step }] of Object.entries(TABLES))
    for (let found = boxes.indexOf(name, 0, "latin1"); found >= 0; found = boxes.indexOf(name, found + 4, "latin1")) {
      const table = boxes.subarray(found + 4);
      if (packetsIn(table, at, step) > most) return true;
    }
  return false;
}

/** The sum of what the entries claim, as far as there are bytes for them. */
function packetsIn(table: Buffer, at: number, step: number | undefined): number {
  if (table.length < at + 4) return 0;
  if (step === undefined) return table.readUInt32BE(at);
  const entries = Math.min(table.readUInt32BE(4), Math.floor((table.length - at - 4) / step) + 1);
  let packets = 0;
  for (let entry = 0; entry < entries; entry++) packets += table.readUInt32BE(at + entry * step);
  return packets;
}
