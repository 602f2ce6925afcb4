/**
 * A log as a file of JSON lines: a header, an envelope a line in an order in which they can be applied, what those refer to
 * in pieces before them, and an end.
 *
 * Each line ends with the running hash of all lines up to it, so that damage is seen at the line where it is. The header's
 * `version` goes up when a line gets another form or a new kind of line comes in; a reader takes its own version and those
 * before it, and refuses later ones whole, rather than pass over what it does not know.
 */
import { createHash, type Hash, hash } from "node:crypto";
import * as v from "valibot";
import { HASH } from "./blobs/files.ts";
import { EMPTY_CHAIN, type Head, hashChain } from "./chain.ts";
import { asEnvelope, type Envelope, FIELDS, isGenuine, ORIGIN } from "./envelope.ts";
import { asReject, Reject } from "./errors.ts";

const FORMAT = "web-chat archive";
const VERSION = 2;
/** Longer than the longest envelope, and than a header of some ten thousand streams. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const BYTES = ["body", "salt", "contentHash", "extra"] as const satisfies readonly (keyof Envelope)[];

/** What the header says: who wrote the file and when, and where the streams end that follow. */
export type About = {
  /** Version of web-chat. */
  program: string;
  node: { id?: string | undefined; name: string };
  /** ISO 8601. */
  at: string;
  heads: Record<string, Head>;
};
/** An envelope that was read, the running hash of its stream after it, and the line where it stands. */
export type Read = { envelope: Envelope; chain: string; line: number };
/** A piece of a blob; those of one blob follow each other, and the last one says so. */
export type BlobPiece = { hash: string; from: number; bytes: Uint8Array; isLast: boolean };

const Piece = v.object({
  hash: v.pipe(v.string(), v.regex(HASH)),
  from: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  isLast: v.boolean(),
  bytes: v.string(),
});

const Header = v.object({
  kind: v.literal("header"),
  format: v.literal(FORMAT),
  version: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(VERSION)),
  program: v.string(),
  node: v.object({ id: v.optional(v.string()), name: v.string() }),
  at: v.string(),
  heads: v.record(
    v.pipe(v.string(), v.regex(ORIGIN)),
    v.object({ seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)), chain: v.string() }),
  ),
});

/** The running hash of lines. */
class Seal {
  #sum = "";

  /** The line that has these fields. */
  put(fields: object): string {
    const text = JSON.stringify(fields).slice(0, -1);
    return `${text}${this.#suffix(text)}`;
  }

  /** Whether the line is the one that was written here. */
  fits(line: string): boolean {
    const text = line.slice(0, -SUFFIX_LENGTH);
    return line === `${text}${this.#suffix(text)}`;
  }

  #suffix(text: string): string {
    this.#sum = hash("sha256", this.#sum + text).slice(0, 16);
    return `,"sum":"${this.#sum}"}`;
  }
}

const SUFFIX_LENGTH = `,"sum":"${"0".repeat(16)}"}`.length;

/** Gives the lines of an archive, each with its line break. */
export class ArchiveWriter {
  readonly #seal = new Seal();
  envelopes = 0;

  header(about: About): string {
    return this.#line({ kind: "header", format: FORMAT, version: VERSION, ...about });
  }

  envelope(envelope: Envelope): string {
    this.envelopes++;
    const fields = FIELDS.map(field => [field, isBytes(field) ? base64(envelope[field]) : envelope[field]]);
    return this.#line({ kind: "envelope", ...Object.fromEntries(fields) });
  }

  /** A piece of a blob. Those of one stand behind each other, and before the first envelope that refers to it. */
  blob({ hash, from, bytes, isLast }: BlobPiece): string {
    return this.#line({ kind: "blob", hash, from, isLast, bytes: base64(bytes) });
  }

  end(): string {
    return this.#line({ kind: "end", envelopes: this.envelopes });
  }

  #line(fields: object): string {
    return `${this.#seal.put(fields)}\n`;
  }
}

/** Reads an archive once, from its first line to its last. Throws `Reject` at the first line that is damaged. */
export class ArchiveReader {
  readonly #lines: AsyncGenerator<string>;
  readonly #seal = new Seal();
  readonly #streams = new Streams();
  readonly about: About;
  /** The blob of which not all has come. */
  #blob: { name: string; size: number; hash: Hash } | undefined;
  #line = 1;

  private constructor(lines: AsyncGenerator<string>, first: string) {
    this.#lines = lines;
    this.about = this.#header(first);
  }

  static async open(chunks: AsyncIterable<Buffer>): Promise<ArchiveReader> {
    const lines = linesOf(chunks);
    const { value, done } = await lines.next();
    if (done) throw damaged(1, "the file is empty");
    return new ArchiveReader(lines, value);
  }

  #header(line: string): About {
    const fields = this.#fields(line);
    if (fields.kind !== "header" || fields.format !== FORMAT) throw damaged(1, "this is no export of web-chat");
    if (typeof fields.version === "number" && fields.version > VERSION)
      throw new Reject(
        "archive-newer",
        `line 1: the file has version ${fields.version}, this program reads ${VERSION}: take a newer web-chat`,
      );
    this.#assertSealed(line);
    const parsed = v.safeParse(Header, fields);
    if (!parsed.success) throw damaged(1, parsed.issues[0].message);
    return parsed.output;
  }

  /** Every envelope in the order of the file; complete where it comes to its end without a `Reject`. */
  async *envelopes(): AsyncGenerator<Read> {
    for await (const entry of this.entries()) if ("envelope" in entry) yield entry;
  }

  /** Every envelope, and every piece of a blob, in the order of the file. */
  async *entries(): AsyncGenerator<Read | BlobPiece> {
    let count = 0;
    let ended = false;
    for await (const line of this.#lines) {
      this.#line++;
      if (ended) throw damaged(this.#line, "something follows the end");
      const fields = this.#fields(line);
      this.#assertSealed(line);
      if (fields.kind === "blob") {
        yield this.#piece(fields);
        continue;
      }
      if (this.#blob) throw damaged(this.#line, "a blob before this ends too soon");
      if (fields.kind === "envelope") {
        count++;
        yield this.#envelope(fields);
      } else if (fields.kind === "end" && fields.envelopes === count) {
        this.#assertComplete();
        ended = true;
      } else throw damaged(this.#line, "this is neither an envelope nor the end of as many as there were");
    }
    if (!ended) throw damaged(this.#line + 1, "the file was cut short here");
  }

  #envelope(fields: Record<string, unknown>): Read {
    try {
      const bytes = Object.fromEntries(BYTES.map(field => [field, fromBase64(fields[field])]));
      const envelope = asEnvelope({ ...fields, ...bytes });
      if (!isGenuine(envelope)) throw new Reject("invalid", "its content does not match its hash");
      const { seq = 0 } = this.about.heads[envelope.origin] ?? {};
      if (envelope.seq > seq) throw new Reject("invalid", "it goes beyond where the header says that its stream ends");
      return { envelope, chain: this.#streams.take(envelope), line: this.#line };
    } catch (error) {
      throw damaged(this.#line, asReject(error).message);
    }
  }

  #piece(fields: Record<string, unknown>): BlobPiece {
    const parsed = v.safeParse(Piece, fields);
    if (!parsed.success) throw damaged(this.#line, parsed.issues[0].message);
    const { hash, from, isLast } = parsed.output;
    const bytes = Buffer.from(parsed.output.bytes, "base64");
    const blob = from === 0 ? { name: hash, size: 0, hash: createHash("sha256") } : this.#blob;
    if ((from === 0 && this.#blob) || blob?.name !== hash || blob.size !== from)
      throw damaged(this.#line, "it does not continue the blob before it");
    blob.hash.update(bytes);
    blob.size += bytes.length;
    this.#blob = isLast ? undefined : blob;
    if (isLast && blob.hash.digest("hex") !== hash) throw damaged(this.#line, "the blob is not the one of that name");
    return { hash, from, bytes, isLast };
  }

  #fields(line: string): Record<string, unknown> {
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch {
      throw damaged(this.#line, "this is no JSON");
    }
    if (typeof fields !== "object" || fields === null) throw damaged(this.#line, "this is no JSON object");
    return fields as Record<string, unknown>;
  }

  #assertSealed(line: string): void {
    if (!this.#seal.fits(line))
      throw damaged(this.#line, "this is not what was written here: changed, moved or missing");
  }

  #assertComplete(): void {
    for (const [origin, { seq, chain }] of Object.entries(this.about.heads)) {
      const head = this.#streams.head(origin);
      if (head.seq !== seq || head.chain !== chain)
        throw damaged(this.#line, `stream ${origin} does not end as the header says`);
    }
  }
}

/** Streams from their beginnings: what the log asks of an envelope before it takes it. */
class Streams {
  readonly #heads = new Map<string, Head>();
  /** Last n by origin, then room. */
  readonly #counts = new Map<string, Map<string, number>>();

  head(origin: string): Head {
    return this.#heads.get(origin) ?? { seq: 0, chain: EMPTY_CHAIN };
  }

  /** The running hash after the envelope; throws `Reject` where that continues neither its stream nor its room. */
  take(envelope: Envelope): string {
    const { origin, seq, room, n } = envelope;
    const head = this.head(origin);
    if (seq !== head.seq + 1) throw new Reject("invalid", `seq ${seq} follows ${head.seq} in stream ${origin}`);
    const counts = this.#counts.get(origin) ?? new Map<string, number>();
    const last = counts.get(room) ?? 0;
    if (n !== last + 1) throw new Reject("invalid", `n ${n} follows ${last} in a room of stream ${origin}`);
    const chain = hashChain(head.chain, envelope);
    this.#heads.set(origin, { seq, chain });
    this.#counts.set(origin, counts.set(room, n));
    return chain;
  }
}

/** Each line without its break; throws `Reject` where one is too long, no UTF-8, or has no break. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let pieces: Buffer[] = [];
  let bytes = 0;
  let line = 1;
  const keep = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > MAX_LINE_BYTES) throw damaged(line, `it is longer than ${MAX_LINE_BYTES} bytes`);
    pieces.push(piece);
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, to));
      let text: string;
      try {
        text = decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
      } catch {
        throw damaged(line, "this is no UTF-8");
      }
      yield text;
      pieces = [];
      bytes = 0;
      line++;
      from = to + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  if (bytes > 0) throw damaged(line, "the file was cut short here");
}

function damaged(line: number, why: string): Reject {
  return new Reject("archive-damaged", `line ${line}: ${why}`);
}

const isBytes = (field: string): field is (typeof BYTES)[number] => (BYTES as readonly string[]).includes(field);

function base64(bytes: Uint8Array | null): string | null {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

function fromBase64(text: unknown): unknown {
  return typeof text === "string" ? Buffer.from(text, "base64") : text;
}
