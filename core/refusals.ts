/** Refusals over HTTP: a status, and the refusal as JSON, which reach who is still sending as well. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Code, Reject } from "./errors.ts";

const STATUS: Partial<Record<Code, number>> = {
  invalid: 400,
  "session-unknown": 401,
  "not-allowed": 403,
  "not-found": 404,
  "unknown-type": 404,
  "unknown-room": 404,
  "name-taken": 409,
  "too-large": 413,
  "rate-limited": 429,
  "not-ready": 503,
  overloaded: 503,
  stopping: 503,
  "storage-failed": 503,
  "blob-damaged": 503,
  unconfirmed: 503,
  "no-space": 507,
  internal: 500,
  "plugin-failed": 500,
};
/** How long the rest of a refused body is read, and dropped: who is still sending hears of the refusal only after that. */
const LINGER_MS = 1_000;
const JSON_HEADERS = { "Content-Type": "application/json", "Cache-Control": "no-store" };

/** The status that stands for a code. */
export function statusOf({ code }: Reject): number {
  return STATUS[code] ?? 400;
}

export function refuse(
  reason: Reject,
  request: IncomingMessage,
  response: ServerResponse,
  status = statusOf(reason),
): void {
  const headers: Record<string, string> = {};
  const { retryAfterMs } = reason.details;
  if (retryAfterMs !== undefined) headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1_000));
  if (reason.code === "session-unknown") headers["WWW-Authenticate"] = "Bearer";
  if (request.complete || !hasBody(request)) return sendJson(response, status, reason.toJSON(), headers);
  const text = `${JSON.stringify(reason)}\n`;
  response.writeHead(status, {
    ...JSON_HEADERS,
    ...headers,
    "Content-Length": Buffer.byteLength(text),
    Connection: "close",
  });
  response.write(text);
  // A connection that is closed while something comes in is reset, and what was sent on it may be lost.
  const end = () => {
    clearTimeout(lingering);
    response.end();
  };
  const lingering = setTimeout(end, LINGER_MS);
  request.once("close", end).once("end", end).resume();
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...JSON_HEADERS, ...headers }).end(`${JSON.stringify(body)}\n`);
}
