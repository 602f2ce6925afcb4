/** `web-chat export`: everything that a node holds, as a file. */
import { createWriteStream } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Administration } from "../administration.ts";
import { ArchiveWriter } from "../archive.ts";
import { Reject } from "../errors.ts";
import { asFileError, writeWhole } from "../files.ts";
import { administer, type Place } from "./administer.ts";

export type Exporting = {
  /** Version of web-chat. */
  program: string;
  /** Whether a file of that name may be replaced. */
  force: boolean;
};

/** How many envelopes and blobs are in the file, and how many blobs are not, since the node does not hold them. */
export type Exported = { envelopes: number; blobs: number; missing: number };

/** Resolves when the file is on disk; `-` is the standard output. Throws `Reject`. */
export function exportTo(file: string, place: Place, { program, force }: Exporting): Promise<Exported> {
  return administer(place, async administration => {
    const writer = new ArchiveWriter();
    const blobs = new BlobsOnce(administration, writer);
    const write = (output: Writable, end: boolean) =>
      // Every chunk is a page: two of them wait for a slow disk, not sixteen.
      pipeline(Readable.from(chunks(administration, writer, blobs, program), { highWaterMark: 2 }), output, { end });
    if (file === "-")
      await write(process.stdout, false).catch(error => {
        throw asFileError(error, "the standard output");
      });
    else await writeWhole(file, force, partial => write(createWriteStream(partial, { flags: "r+" }), true));
    return { envelopes: writer.envelopes, blobs: blobs.written, missing: blobs.missing };
  });
}

/** All of the archive as of the commit that is the last one now, a page a piece. */
async function* chunks(
  from: Administration,
  writer: ArchiveWriter,
  blobs: BlobsOnce,
  program: string,
): AsyncGenerator<string> {
  const { node, heads, pos } = await from.standing();
  yield writer.header({ program, node, at: new Date().toISOString(), heads });
  for (let after = 0; ; ) {
    const page = await from.page(after, pos);
    if (page.envelopes.length === 0) break;
    for (const envelope of page.envelopes) for (const hash of envelope.blobs) yield* blobs.lines(hash);
    yield page.envelopes.map(envelope => writer.envelope(envelope)).join("");
    after = page.pos;
  }
  yield writer.end();
}

/** The blobs of an archive, each once. */
class BlobsOnce {
  readonly #from: Administration;
  readonly #writer: ArchiveWriter;
  readonly #seen = new Set<string>();
  written = 0;
  missing = 0;

  constructor(from: Administration, writer: ArchiveWriter) {
    this.#from = from;
    this.#writer = writer;
  }

  /** Its pieces, the first time that it is asked for. */
  async *lines(hash: string): AsyncGenerator<string> {
    if (this.#seen.has(hash)) return;
    this.#seen.add(hash);
    for (let from = 0; ; ) {
      const piece = await this.#from.blob(hash, from);
      if (!piece) {
        // An archive with a blob that is cut short would be damaged.
        if (from > 0) throw new Reject("not-found", `the blob ${hash} was removed while it was read: export again`);
        this.missing++;
        return;
      }
      yield this.#writer.blob({ hash, from, ...piece });
      from += piece.bytes.length;
      if (piece.isLast) break;
    }
    this.written++;
  }
}
