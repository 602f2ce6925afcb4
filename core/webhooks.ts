/** What plugins answer over HTTP, below `/x/<type>`: to programs elsewhere, and to nobody's session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asReject, Reject } from "./errors.ts";
import { Places } from "./places.ts";
import type { WebRequest } from "./plugin.ts";
import type { Answer } from "./plugins/calls/hooks.ts";
import { refuse, statusOf } from "./refusals.ts";
import type { Time } from "./time.ts";

export type WebhookParts = {
  /** What answers for a type; undefined where nothing does. */
  route(type: string): Route | undefined;
  /** Where a request comes from, as far as the proxies in between can be trusted. */
  addressOf(request: IncomingMessage): string;
  time: Pick<Time, "after" | "elapsed">;
  failed(what: string, error: unknown): void;
};

/** Resolves when all that the plugin sends is committed; rejects with `Reject`. */
export type Route = (request: WebRequest, withinMs: number) => Promise<Answer>;

export const MAX_BODY_BYTES = 1024 * 1024;
/** For all of it: its body, the hook, and the commit of what the hook sends. */
export const ANSWER_WITHIN_MS = 10_000;
/** At a time; each may hold a body. */
const MAX_REQUESTS = 96;
const MAX_REQUESTS_TO_A_TYPE = 32;
const MAX_REQUESTS_OF_AN_ADDRESS = 16;
/** Whoever takes nothing for so long has gone. */
const UNREAD_AFTER_MS = 30_000;

const COMMIT_GRACE_MS = 100;
const LATE = new Reject("invalid", `the request did not come to its end within ${ANSWER_WITHIN_MS / 1_000} s`);
const BEHIND = new Reject("overloaded", "the disk does not keep up", { retryAfterMs: 1_000 });

const GONE = new Set("ECONNRESET EPIPE ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_DESTROYED".split(" "));

/** As much of an address as says whose it is. */
type Asked = { type: string; path: string; query: URLSearchParams };

export class Webhooks {
  readonly #parts: WebhookParts;
  readonly #all = new Places(MAX_REQUESTS, "requests");
  readonly #ofType = new Places(MAX_REQUESTS_TO_A_TYPE, "requests");
  readonly #ofAddress = new Places(MAX_REQUESTS_OF_AN_ADDRESS, "requests");

  constructor(parts: WebhookParts) {
    this.#parts = parts;
  }

  /** Requests that have no answer yet. */
  get size(): number {
    return this.#all.size;
  }

  /** Answers a request for something below `/x/`, by any method. `path` is decoded, and without the base path. */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Content-Security-Policy", "sandbox");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Referrer-Policy", "no-referrer");
    try {
      const answer = await this.#admitted(readPath(path, request), request, response);
      if (!response.destroyed) send(answer, response);
    } catch (error) {
      const isExpected = error instanceof Reject || GONE.has((error as NodeJS.ErrnoException).code ?? "");
      if (!isExpected) this.#parts.failed("webhooks", error);
      if (request.socket.destroyed || response.destroyed) return;
      refuse(asReject(error), request, response, statusFor(asReject(error)));
    }
  }

  async #admitted(asked: Asked, request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const route = this.#parts.route(asked.type);
    if (!route) throw new Reject("not-found", "there is nothing at that address");
    if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
    const leave: (() => void)[] = [];
    try {
      const addressOf = this.#parts.addressOf(request);
      leave.push(this.#ofAddress.enter(addressOf));
      leave.push(this.#ofType.enter(asked.type));
      leave.push(this.#all.enter(""));
      return await this.#ask(route, asked, request, response);
    } finally {
      for (const left of leave) left();
    }
  }

  async #ask(
    route: Route,
    { path, query }: Asked,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answer> {
    const { time } = this.#parts;
    const began = time.elapsed();
    const leftMs = () => Math.max(1, ANSWER_WITHIN_MS - (time.elapsed() - began));
    const body = await this.#within(leftMs(), bodyOf(request, response), LATE);
    const { method = "GET" } = request;
    const answer = route({ method, path, query, headers: headersOf(request), body }, leftMs());
    // A moment more than the hook has, whose refusal says better what was late.
    return this.#within(leftMs() + COMMIT_GRACE_MS, answer, BEHIND);
  }

  /** Rejects with `late` where that has not come about in time. */
  #within<Result>(ms: number, coming: Promise<Result>, late: Reject): Promise<Result> {
    return new Promise((resolve, reject) => {
      const stop = this.#parts.time.after(ms, () => reject(late));
      coming.then(resolve, reject).finally(stop);
    });
  }
}

/** A program that is told 507 may take it for the request's own fault, and never come again. */
function statusFor(reason: Reject): number {
  if (reason === LATE) return 408;
  return reason.code === "no-space" ? 503 : statusOf(reason);
}

function readPath(path: string, { url = "" }: IncomingMessage): Asked {
  const [, type = "", rest = ""] = /^\/x\/([^/]*)(.*)$/s.exec(path) ?? [];
  const query = URL.parse(url, "http://node")?.searchParams ?? new URLSearchParams();
  return { type, path: rest === "" ? "/" : rest, query };
}

/** Without the cookies, which are other people's: of the pages at this address, whichever port they came from. */
function headersOf({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const { cookie: _, ...rest } = headers;
  return Object.freeze(
    Object.fromEntries(
      Object.entries(rest).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
    ),
  );
}

/** The whole body; throws `Reject` as soon as there is too much of it. */
async function bodyOf(request: IncomingMessage, response: ServerResponse): Promise<Uint8Array> {
  // Others than PUT were told so when they came.
  if (request.headers.expect !== undefined && request.method === "PUT") response.writeContinue();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Left alone where it is not read to its end: the refusal has to go out on the same connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks, bytes);
}

const tooLarge = () => new Reject("too-large", `a body has at most ${MAX_BODY_BYTES} bytes`);

function send({ status, type, body }: Answer, response: ServerResponse): void {
  const isEmpty = status === 204 || status === 205 || status === 304;
  response.setTimeout(UNREAD_AFTER_MS, () => response.destroy());
  if (!isEmpty) response.setHeader("Content-Type", type);
  response.writeHead(status).end(isEmpty ? undefined : body);
}
