/** Blobs over HTTP: `PUT /blobs`, and `GET /blobs/<hash>` with ranges. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asReject, Reject } from "../errors.ts";
import type { People } from "../people.ts";
import { Places } from "../places.ts";
import type { Person } from "../plugin.ts";
import { refuse, sendJson } from "../refusals.ts";
import { type BlobFiles, type BlobInfo, HASH } from "./files.ts";
import { partOf } from "./ranges.ts";
import { isInline } from "./type.ts";
import type { Uploads } from "./uploads.ts";

export type BlobHttpParts = {
  files: Pick<BlobFiles, "info" | "isDamaged" | "stream">;
  uploads: Uploads;
  people: Pick<People, "ofToken" | "ofTicket">;
  /** Whether this node has what the others know. */
  isReady(): boolean;
  /** Where a request comes from, as far as the proxies in between can be trusted. */
  addressOf(request: IncomingMessage): string;
  /** Whether a request may come in, by the page that it comes from. */
  isFromOwnPage(request: IncomingMessage): boolean;
  /** What is known of a blob as soon as it is here, and whole; undefined where nobody has it. `person` is who waits for it. */
  find(hash: string, person: string): Promise<BlobInfo | undefined>;
  failed(what: string, error: unknown): void;
};

/**
 * An upload that does not bring so much in that time has been cut off, or holds a place for nothing; where places are few it
 * has a sixth of that time.
 */
const PACE_BYTES = 32 * 1024;
const STALLED_AFTER_MS = 30_000;
const HURRIED_AFTER_MS = 5_000;
/** Whoever takes nothing for so long has gone, or asks again: what plays sound does when it needs more. */
const UNREAD_AFTER_MS = 120_000;
/** A file that is sent keeps a descriptor open. */
const MAX_SENT = 2_048;
const MAX_SENT_TO_A_PERSON = 64;
const READY_SOON_MS = 500;
const PREFLIGHT_SECONDS = 600;

/** Codes of what happens to a stream when whoever is at its other end has gone. */
const GONE = new Set(
  "ECONNRESET EPIPE ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_DESTROYED ERR_STREAM_UNABLE_TO_PIPE".split(" "),
);

export class BlobHttp {
  readonly #parts: BlobHttpParts;
  readonly #all = new Places(MAX_SENT, "files");
  readonly #ofPerson = new Places(MAX_SENT_TO_A_PERSON, "files");

  constructor(parts: BlobHttpParts) {
    this.#parts = parts;
  }

  /** Files that are sent, or waited for. */
  get sending(): number {
    return this.#all.size;
  }

  /** Answers a request for `/blobs`, or for what is below it. */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#admit(request, response);
      const hash = path === "/blobs" ? undefined : path.slice("/blobs/".length);
      const methods = hash === undefined ? "PUT" : "GET, HEAD";
      if (request.method === "OPTIONS") return answerPreflight(methods, request, response);
      if (!methods.split(", ").includes(request.method ?? "")) {
        response.writeHead(405, { Allow: `${methods}, OPTIONS` }).end();
        return;
      }
      if (hash === undefined) await this.#put(request, response);
      else await this.#get(hash, request, response);
    } catch (error) {
      const isExpected = error instanceof Reject || GONE.has((error as NodeJS.ErrnoException).code ?? "");
      if (!isExpected) this.#parts.failed("blobs", error);
      if (request.socket.destroyed || response.destroyed) return;
      if (response.headersSent) response.destroy();
      else refuse(asReject(error), request, response);
    }
  }

  /** Pages of this cluster may ask, from whichever node they came; pages of others may not, whatever session they know of. */
  #admit(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    response.setHeader("Vary", "Origin");
    if (origin === undefined) return;
    if (!this.#parts.isFromOwnPage(request)) throw new Reject("not-allowed", "that page is none of this cluster's");
    response.setHeader("Access-Control-Allow-Origin", origin);
    response.setHeader("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, ETag, Retry-After");
  }

  #personOf(request: IncomingMessage, ticket?: string | null): Person {
    const { people, isReady } = this.#parts;
    const [, token] = /^Bearer +(\S{1,128})$/i.exec(request.headers.authorization ?? "") ?? [];
    const person = token === undefined ? ticket && people.ofTicket(ticket) : people.ofToken(token);
    if (person) return person;
    if (!isReady()) throw new Reject("not-ready", undefined, { retryAfterMs: READY_SOON_MS });
    throw new Reject("session-unknown", "blobs are for people with a session: say its token or ticket");
  }

  async #put(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { files, uploads, addressOf } = this.#parts;
    const from = { person: this.#personOf(request).id, address: addressOf(request) };
    const { "content-length": length } = request.headers;
    const body = bodyOf(request, response, uploads);
    const { hash, size, isNew } = await uploads.receive(from, length === undefined ? undefined : Number(length), body);
    const { type } = (await files.info(hash)) ?? {};
    sendJson(response, isNew ? 201 : 200, { ok: true, hash, size, type });
  }

  async #get(hash: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const person = this.#personOf(request, URL.parse(request.url ?? "", "http://node")?.searchParams.get("ticket"));
    if (!HASH.test(hash)) throw new Reject("invalid", "a blob's name is 64 hexadecimal digits");
    const leave: (() => void)[] = [];
    try {
      leave.push(this.#ofPerson.enter(person.id));
      leave.push(this.#all.enter(""));
      await this.#send(hash, person, request, response);
    } finally {
      for (const left of leave) left();
    }
  }

  async #send(hash: string, person: Person, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { files, find } = this.#parts;
    const info = await find(hash, person.id);
    // Whoever asked may have gone meanwhile: nothing would end a stream that nobody takes.
    if (response.destroyed) return;
    if (!info)
      throw files.isDamaged(hash) ? new Reject("blob-damaged") : new Reject("not-found", "there is no such blob");
    const etag = `"${hash}"`;
    const { range, "if-range": ifRange, "if-none-match": known = "" } = request.headers;
    if (known.split(",").some(tag => [etag, `W/${etag}`, "*"].includes(tag.trim()))) {
      setHeaders(response, info, etag);
      response.writeHead(304).end();
      return;
    }
    const part = request.method === "GET" && (ifRange ?? etag) === etag ? partOf(range, info.size) : undefined;
    if (part === "none") {
      const reason = new Reject("invalid", `the blob has ${info.size} bytes, and none of those asked for`);
      sendJson(response, 416, reason.toJSON(), { "Content-Range": `bytes */${info.size}` });
      return;
    }
    setHeaders(response, info, etag);
    const { from, to } = part ?? { from: 0, to: info.size };
    response.setHeader("Content-Length", to - from);
    if (part) response.setHeader("Content-Range", `bytes ${from}-${to - 1}/${info.size}`);
    response.writeHead(part ? 206 : 200);
    if (request.method === "HEAD") response.end();
    else await pour(files.stream(hash, from, to), response);
  }
}

/** Resolves when all of it went out; what is open is closed in any case. */
async function pour(stream: Readable, response: ServerResponse): Promise<void> {
  response.setTimeout(UNREAD_AFTER_MS, () => response.destroy());
  // It may still fail after the other end has.
  stream.on("error", () => {});
  try {
    await pipeline(stream, response);
  } finally {
    stream.destroy();
  }
}

/** A blob never changes, and what somebody sent must not run as a page of this site. */
function setHeaders(response: ServerResponse, { type }: BlobInfo, etag: string): void {
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", "private, max-age=31536000, immutable");
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Security-Policy", "sandbox; default-src 'none'");
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("Content-Disposition", isInline(type) ? "inline" : "attachment");
}

function answerPreflight(methods: string, { headers }: IncomingMessage, response: ServerResponse): void {
  if (headers.origin === undefined) response.setHeader("Allow", `${methods}, OPTIONS`);
  else {
    response.setHeader("Access-Control-Allow-Methods", methods);
    response.setHeader("Access-Control-Allow-Headers", "authorization, content-type, range, if-none-match, if-range");
    response.setHeader("Access-Control-Max-Age", PREFLIGHT_SECONDS);
  }
  response.writeHead(204).end();
}

/** What comes in; whoever waits for a word before sending gets it when the first byte is asked for. */
async function* bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
  uploads: Pick<Uploads, "isCrowded">,
): AsyncGenerator<Uint8Array> {
  // RFC 9110, 10.1.1: whoever speaks HTTP/1.0 knows no such word.
  if (request.headers.expect !== undefined && request.httpVersion !== "1.0") response.writeContinue();
  let bytes = 0;
  let pacedAt = performance.now();
  const looking = setInterval(() => {
    const tooSlowAfterMs = uploads.isCrowded ? HURRIED_AFTER_MS : STALLED_AFTER_MS;
    if (performance.now() - pacedAt >= tooSlowAfterMs) request.destroy();
  }, HURRIED_AFTER_MS);
  try {
    // Left alone where it is not read to its end: the refusal has to go out on the same connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      yield chunk as Buffer;
      bytes += (chunk as Buffer).length;
      if (bytes < PACE_BYTES) continue;
      bytes = 0;
      pacedAt = performance.now();
    }
  } finally {
    clearInterval(looking);
  }
}
