import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type About, ArchiveReader, ArchiveWriter, type BlobPiece, type Read } from "../../core/archive.ts";
import { EMPTY_CHAIN, hashChain } from "../../core/chain.ts";
import { type Draft, type Envelope, hashContent, toWire } from "../../core/envelope.ts";
import { hashOf } from "../helpers/blobs.ts";
import { at, draft, envelopes, holds, written } from "../suites/samples.ts";

/** The header of a file with these envelopes. */
function about(envelopes: readonly Envelope[]): About {
  const heads: About["heads"] = {};
  for (const envelope of envelopes) {
    const before = heads[envelope.origin]?.chain ?? EMPTY_CHAIN;
    heads[envelope.origin] = { seq: envelope.seq, chain: hashChain(before, envelope) };
  }
  return { program: "1.0.0", node: { id: "node-1", name: "kitchen" }, at: "2026-01-01T00:00:00.000Z", heads };
}

/** The lines of an archive, each with its break. */
function archive(envelopes: readonly Envelope[], header = about(envelopes)): string[] {
  const writer = new ArchiveWriter();
  return [writer.header(header), ...envelopes.map(envelope => writer.envelope(envelope)), writer.end()];
}

/** Reads it all, in pieces of that many bytes. */
async function read(file: string | Buffer, piece = 64 * 1024): Promise<Read[]> {
  const bytes = Buffer.from(file);
  async function* chunks() {
    for (let from = 0; from < bytes.length; from += piece) yield bytes.subarray(from, from + piece);
  }
  const reader = await ArchiveReader.open(chunks());
  const all: Read[] = [];
  for await (const envelope of reader.envelopes()) all.push(envelope);
  return all;
}

const damagedAt = (line: number) => ({
  name: "Reject",
  code: "archive-damaged",
  message: new RegExp(`^line ${line}: `),
});

/** Two streams, one after the other and each of its own kind, as a log would hold them. */
function sample(): Envelope[] {
  const one = written(draft(), draft({ room: "hall", alt: "ä🙂\u0000\n" }), draft({ blobs: ["a".repeat(64)] }));
  const erased = { ...at(one, 2), alt: null, body: null, blobs: [], salt: null };
  const two = written(
    draft({ ref: "one", role: "mark", extra: Buffer.from([1, 2]) }),
    draft({ body: Buffer.alloc(0) }),
  );
  return [at(one, 0), at(two, 0), at(one, 1), erased, at(two, 1)];
}

test("what is written is read, in pieces of whatever size, with the running hash of each stream", async t => {
  const content = fc.record({
    room: fc.constantFrom("lobby", "hall", "__proto__"),
    alt: fc.option(fc.string({ unit: "binary", maxLength: 40 }).map(text => text.toWellFormed())),
    body: fc.uint8Array({ maxLength: 40 }),
    extra: fc.option(fc.uint8Array({ maxLength: 8 })),
  });
  const streams = fc.array(fc.array(content, { maxLength: 6 }), { maxLength: 3 });
  await holds(
    t,
    fc.asyncProperty(streams, fc.integer({ min: 1, max: 2_000 }), async (streams, piece) => {
      const all = streams.flatMap(drafts => written(...drafts.map(content => draft(content as Partial<Draft>))));
      const found = await read(archive(all).join(""), piece);
      assert.deepEqual(
        found.map(({ envelope }) => bare(envelope)),
        all.map(bare),
      );
      assert.deepEqual(
        found.map(({ line }) => line),
        all.map((_, index) => index + 2),
      );
      const ends = Object.fromEntries(
        found.map(({ envelope, chain }) => [envelope.origin, { seq: envelope.seq, chain }]),
      );
      assert.deepEqual(ends, about(all).heads);
    }),
    { numRuns: 100 },
  );

  function bare(envelope: Envelope) {
    return toWire(envelope).map(value => (value instanceof Uint8Array ? [...value] : value));
  }
});

test("every envelope that crosses the cluster can stand in a file, with each of its fields", async t => {
  await holds(
    t,
    fc.asyncProperty(envelopes, async any => {
      const first: Envelope = { ...any, seq: 1, n: 1 };
      if (first.salt) first.contentHash = hashContent(first.salt, first.alt, first.blobs, first.body);
      const [found] = await read(archive([first]).join(""));
      for (const [field, value] of Object.entries(first))
        assert.deepEqual(plain(found?.envelope[field as keyof Envelope]), plain(value), field);
    }),
    { numRuns: 200 },
  );

  function plain(value: unknown) {
    return value instanceof Uint8Array ? [...value] : value;
  }
});

test("whatever happens to a line is noticed at that line", async t => {
  const lines = archive(sample());
  const line = fc.nat(lines.length - 1);
  const bytesOf = (index: number) => Buffer.from(at(lines, index));
  const damage = fc.oneof(
    fc.record({ do: fc.constant("flip" as const), line, at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
    fc.record({
      do: fc.constant("insert" as const),
      line,
      at: fc.nat(),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    }),
    fc.record({ do: fc.constant("cut" as const), line, at: fc.nat() }),
    fc.record({ do: fc.constant("remove" as const), line }),
    fc.record({ do: fc.constant("repeat" as const), line }),
    fc.record({ do: fc.constant("swap" as const), line: fc.nat(lines.length - 2) }),
  );
  await holds(
    t,
    fc.asyncProperty(damage, async damage => {
      const parts: Buffer[] = lines.map(line => Buffer.from(line));
      const here = bytesOf(damage.line);
      const place = "at" in damage ? damage.at % here.length : 0;
      let expected = damage.line + 1;
      if (damage.do === "flip") {
        here[place] = (here[place] as number) ^ damage.mask;
        parts[damage.line] = here;
      } else if (damage.do === "insert")
        parts[damage.line] = Buffer.concat([here.subarray(0, place), damage.bytes, here.subarray(place)]);
      else if (damage.do === "cut") parts.splice(damage.line, lines.length, here.subarray(0, place));
      else if (damage.do === "remove") parts.splice(damage.line, 1);
      else if (damage.do === "repeat") {
        parts.splice(damage.line, 0, here);
        expected++;
      } else parts.splice(damage.line, 2, bytesOf(damage.line + 1), here);
      await assert.rejects(read(Buffer.concat(parts), 1_000), error => {
        const { code, message } = error as { code: string; message: string };
        assert.ok(code === "archive-damaged" || (code === "archive-newer" && damage.line === 0), String(error));
        assert.match(message, new RegExp(`^line ${expected}: `));
        return true;
      });
    }),
    { numRuns: 3_000 },
  );
});

test("a file that is whole, and yet no log, is refused at the line that makes it none", async () => {
  const [one, two, three] = written(draft(), draft(), draft()) as [Envelope, Envelope, Envelope];
  const cases: [what: string, line: number, envelopes: unknown[], header?: About][] = [
    ["another text than the hash is of", 3, [one, { ...two, alt: "forged" }]],
    ["a stream with a gap", 3, [one, three]],
    ["a stream in another order", 2, [two, one], about([one, two])],
    ["a stream twice", 3, [one, one]],
    ["a room with a gap", 3, [one, { ...two, n: 3 }]],
    ["a field that has not its form", 3, [one, { ...two, room: "" }], about([one, two])],
    ["a field that is missing", 3, [one, { ...two, ref: undefined }], about([one, two])],
    ["half of an erasure", 3, [one, { ...two, body: null }], about([one, two])],
    ["a header that knows nothing of the stream", 2, [one], about([])],
    ["a header whose stream ends earlier", 3, [one, two], about([one])],
    ["a header whose stream goes on", 4, [one, two], about([one, two, three])],
    ["another sender than the header's running hash is of", 4, [one, { ...two, authorName: "Bo" }], about([one, two])],
  ];
  for (const [what, line, envelopes, header] of cases) {
    const lines = archive(envelopes as Envelope[], header ?? about(envelopes as Envelope[]));
    await assert.rejects(read(lines.join("")), damagedAt(line), what);
  }
  await read(archive([one, two, three]).join(""));
});

test("what is no export is refused at its first line, and one of a later version is called that", async () => {
  for (const file of ["", "\n", "{}\n", "[]\n", "null\n", "Dear Ana,\n", '{"kind":"header"}\n', "\ufeff{}\n"])
    await assert.rejects(read(file), damagedAt(1), file);
  const later = '{"kind":"header","format":"web-chat archive","version":3,"news":{}}\n';
  await assert.rejects(read(later), { code: "archive-newer", message: /version 3.*reads 2.*newer web-chat/ });
});

test("a file without a line break is given up before it fills the memory", async () => {
  let pieces = 0;
  async function* endless() {
    for (;;) {
      pieces++;
      yield Buffer.alloc(1024 * 1024, "x");
    }
  }
  await assert.rejects(ArchiveReader.open(endless()), damagedAt(1));
  assert.ok(pieces <= 5, `${pieces} MB were read`);
  const lines = archive(written(draft()));
  const long = `${at(lines, 0)}${" ".repeat(5 * 1024 * 1024)}${at(lines, 1)}${at(lines, 2)}`;
  await assert.rejects(read(long), damagedAt(2));
});

/** A blob in pieces of four bytes. */
function pieces(text: string): BlobPiece[] {
  const bytes = Buffer.from(text);
  const hash = hashOf(bytes);
  return Array.from({ length: Math.ceil(bytes.length / 4) }, (_, index) => {
    const from = index * 4;
    return { hash, from, bytes: bytes.subarray(from, from + 4), isLast: from + 4 >= bytes.length };
  });
}

/** An archive of one envelope behind these pieces. */
function withBlobs(...parts: BlobPiece[]): { file: string; envelope: Envelope } {
  const [envelope] = written(draft()) as [Envelope];
  const writer = new ArchiveWriter();
  const lines = [writer.header(about([envelope])), ...parts.map(part => writer.blob(part))];
  return { file: [...lines, writer.envelope(envelope), writer.end()].join(""), envelope };
}

async function entries(file: string): Promise<(Read | BlobPiece)[]> {
  async function* chunks() {
    yield Buffer.from(file);
  }
  const all: (Read | BlobPiece)[] = [];
  for await (const entry of (await ArchiveReader.open(chunks())).entries()) all.push(entry);
  return all;
}

test("blobs are read as they were written, and passed over where only envelopes are asked for", async () => {
  const parts = [...pieces("a recording"), ...pieces("one")];
  const { file, envelope } = withBlobs(...parts);
  const all = await entries(file);
  assert.deepEqual(all.slice(0, -1), parts);
  assert.equal((all.at(-1) as Read).envelope.id, envelope.id);
  assert.deepEqual(await read(file), [all.at(-1)]);
});

test("blobs that are cut short, out of order, or not what their name says are damage", async () => {
  const [one, two, three] = pieces("a recording") as [BlobPiece, BlobPiece, BlobPiece];
  const other = pieces("another")[0] as BlobPiece;
  const cases: [parts: BlobPiece[], line: number][] = [
    [[one, two], 4],
    [[one, three], 3],
    [[two, three], 2],
    [[one, one], 3],
    [[one, other], 3],
    [[one, { ...two, isLast: true }], 3],
    [[one, two, { ...three, bytes: Buffer.from("gni") }], 4],
    [[{ ...one, hash: "../log.db" }], 2],
    [[{ ...one, from: -1 }], 2],
  ];
  for (const [parts, line] of cases) await assert.rejects(entries(withBlobs(...parts).file), damagedAt(line));
});

test("an archive of the version before blobs is read", async () => {
  const [first = "", ...rest] = archive(written(draft()));
  const fields = JSON.parse(first) as { version: number; sum: string };
  assert.equal(fields.version, 2);
  const seal = (text: string, before: string) => hashOf(Buffer.from(before + text)).slice(0, 16);
  let sum = "";
  const lines = [{ ...fields, version: 1 }, ...rest.map(line => JSON.parse(line) as { sum: string })].map(
    ({ sum: _, ...line }) => {
      const text = JSON.stringify(line).slice(0, -1);
      sum = seal(text, sum);
      return `${text},"sum":"${sum}"}\n`;
    },
  );
  assert.equal((await read(lines.join(""))).length, 1);
});
