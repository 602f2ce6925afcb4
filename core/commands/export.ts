/** `web-chat export`: everything that a node holds, as a file. */
import { createWriteStream } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Administration } from "../administration.ts";
import { ArchiveWriter } from "../archive.ts";
import { asFileError, writeWhole } from "../files.ts";
import { administer, type Place } from "./administer.ts";

export type Exporting = {
  /** Version of web-chat. */
  program: string;
  /** Whether a file of that name may be replaced. */
  force: boolean;
};

/** Resolves with the number of envelopes when the file is on disk; `-` is the standard output. Throws `Reject`. */
export function exportTo(file: string, place: Place, { program, force }: Exporting): Promise<number> {
  return administer(place, async administration => {
    const writer = new ArchiveWriter();
    const write = (output: Writable, end: boolean) =>
      // Every chunk is a page: two of them wait for a slow disk, not sixteen.
      pipeline(Readable.from(chunks(administration, writer, program), { highWaterMark: 2 }), output, { end });
    if (file === "-")
      await write(process.stdout, false).catch(error => {
        throw asFileError(error, "the standard output");
      });
    else await writeWhole(file, force, partial => write(createWriteStream(partial, { flags: "r+" }), true));
    return writer.envelopes;
  });
}

/** All of the archive as of the commit that is the last one now, a page a piece. */
async function* chunks(from: Administration, writer: ArchiveWriter, program: string): AsyncGenerator<string> {
  const { node, heads, pos } = await from.standing();
  yield writer.header({ program, node, at: new Date().toISOString(), heads });
  for (let after = 0; ; ) {
    const page = await from.page(after, pos);
    if (page.envelopes.length === 0) break;
    yield page.envelopes.map(envelope => writer.envelope(envelope)).join("");
    after = page.pos;
  }
  yield writer.end();
}
