/** A node's half of the control socket: HTTP in its data directory, for whoever may write there, and on no port. */
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import * as v from "valibot";
import type { Administration } from "../administration.ts";
import { HASH } from "../blobs/files.ts";
import { digestOf } from "../chain.ts";
import { decode, encode, fromWire, isGenuine, MAX_FRAME_BYTES, ORIGIN, toWire } from "../envelope.ts";
import { asReject, Reject } from "../errors.ts";
import { sendJson } from "../refusals.ts";
import { type ControlPath, controlPath } from "./path.ts";

export type ControlParts = {
  dataDir: string;
  administration: Administration;
  /** What `/healthz` says in public. */
  health(): object;
  failed(what: string, error: unknown): void;
};

/** Resolves with what closes the socket and removes it; rejects where there can be none. */
export async function openControl(parts: ControlParts): Promise<() => Promise<void>> {
  const place = controlPath(parts.dataDir);
  const server = createServer((request, response) => {
    answer(parts, request, response).catch((error: unknown) => {
      if (!(error instanceof Reject)) parts.failed("control socket", error);
      if (!response.headersSent) sendJson(response, error instanceof Reject ? 400 : 500, asReject(error));
    });
  });
  // A command that writes to a slow disk asks for its next page when it is done with this one.
  server.keepAliveTimeout = 0;
  try {
    await listen(server, place);
  } catch (error) {
    place.release();
    throw error;
  }
  return async () => {
    const closed = new Promise(resolve => server.close(resolve));
    server.closeAllConnections();
    await closed;
    place.release();
  };
}

function listen(server: Server, { path }: ControlPath): Promise<void> {
  // A node that was killed leaves its socket behind; that no other one runs here says the lock of the data directory.
  if (process.platform !== "win32") rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The socket is made before listen() returns, with this mask: it is never open to others, not for a moment either.
    const mask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
  });
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const origin = v.pipe(v.string(), v.regex(ORIGIN));
const hash = v.pipe(v.string(), v.regex(HASH));
const piece = v.object({ hash, from: count, bytes: v.instance(Uint8Array), isLast: v.boolean() });
const envelopes = v.pipe(
  v.array(v.unknown()),
  v.transform(wires => wires.map(fromWire)),
  v.check(envelopes => envelopes.every(isGenuine), "an envelope's content does not match its hash"),
);

/** The calls by name: what each takes, and what it gives. */
const CALLS = new Map<string, (on: Administration, input: unknown) => Promise<unknown>>([
  ["standing", on => on.standing()],
  [
    "page",
    async (on, input) => {
      const { envelopes, pos } = await on.page(...parse(v.tuple([count, count]), input));
      return { envelopes: envelopes.map(toWire), pos };
    },
  ],
  ["chainsAt", (on, input) => on.chainsAt(...parse(v.tuple([v.record(origin, count)]), input))],
  ["append", (on, input) => on.append(...parse(v.tuple([envelopes]), input))],
  ["blob", async (on, input) => (await on.blob(...parse(v.tuple([hash, count]), input))) ?? null],
  ["keepBlob", (on, input) => on.keepBlob(...parse(v.tuple([piece]), input))],
  ["abandon", (on, input) => on.abandon(...parse(v.tuple([origin, count]), input))],
  ["erase", (on, input) => on.erase(...parse(v.tuple([v.string()]), input))],
  ["forget", (on, input) => on.forget(...parse(v.tuple([v.string()]), input))],
]);

function parse<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, input);
  if (!parsed.success) throw new Reject("invalid", parsed.issues[0].message);
  return parsed.output;
}

async function answer(
  { administration, health }: ControlParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === "GET" && request.url === "/healthz") {
    const { heads } = await administration.standing();
    return sendJson(response, 200, { ...health(), digest: digestOf(heads), heads });
  }
  const call = request.method === "POST" ? CALLS.get(request.url?.slice(1) ?? "") : undefined;
  if (!call) {
    const refusal = new Reject("not-found", "the node that runs is of another version than this command");
    return sendJson(response, 404, refusal);
  }
  const value = await call(administration, decode(await bodyOf(request)));
  response.writeHead(200, { "Content-Type": "application/msgpack" }).end(encode(value));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_FRAME_BYTES) chunks.push(chunk);
  }
  // Not before: what is left unread would cut off the answer.
  if (bytes > MAX_FRAME_BYTES) throw new Reject("too-large");
  return Buffer.concat(chunks);
}
