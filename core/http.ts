/** Plain HTTP beside Socket.IO: the UI's files, blobs, what plugins answer, health and metrics. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Assets, serveAsset } from "./assets.ts";
import type { BlobHttp } from "./blobs/http.ts";
import { Reject } from "./errors.ts";
import { sendJson } from "./refusals.ts";
import type { Webhooks } from "./webhooks.ts";

export type HttpParts = {
  /** Path under which everything is found, `/chat`; empty at the root. */
  basePath: string;
  assets: Assets;
  health(): object;
  isReady(): boolean;
  blobs: BlobHttp;
  webhooks: Webhooks;
  metrics(): Promise<{ type: string; text: string }>;
  failed(what: string, error: unknown): void;
};

/** What probes ask for inside a container, where no proxy has put the base path in front. */
const PROBES = ["/healthz", "/readyz", "/metrics"];

/** Answers everything but Socket.IO, which answers its own. */
export function answerHttp(parts: HttpParts): RequestListener {
  return (request, response) => {
    answer(parts, request, response).catch(error => {
      parts.failed("http", error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
}

async function answer(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { basePath } = parts;
  const asked = pathOf(request);
  if (basePath !== "" && (asked === "/" || asked === basePath)) return sendTo(`${basePath}/`, request, response);
  const path = asked && !PROBES.includes(asked) ? pathBelow(basePath, asked) : asked;
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (path === "/blobs" || path?.startsWith("/blobs/")) return parts.blobs.answer(path, request, response);
  if (path?.startsWith("/x/")) return parts.webhooks.answer(path, request, response);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  switch (path) {
    case "/healthz":
      return sendJson(response, 200, parts.health());
    case "/readyz": {
      const ready = parts.isReady();
      return sendJson(response, ready ? 200 : 503, { ready });
    }
    case "/metrics": {
      const { type, text } = await parts.metrics();
      response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(text);
      return;
    }
    default:
      if (path === undefined || !serveAsset(parts.assets, path, request, response))
        sendJson(response, 404, new Reject("not-found", "there is nothing at that address"));
  }
}

/** The decoded path of a request; undefined where it is none. */
function pathOf({ url = "/" }: IncomingMessage): string | undefined {
  try {
    return decodeURIComponent(new URL(url, "http://node").pathname);
  } catch {
    return undefined;
  }
}

/** What comes after the base path; undefined for what is not below it. */
export function pathBelow(basePath: string, path: string): string | undefined {
  return path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : undefined;
}

/** Not for ever: the base path is a setting. */
function sendTo(path: string, { url = "" }: IncomingMessage, response: ServerResponse): void {
  const query = url.indexOf("?");
  const Location = query < 0 ? path : path + url.slice(query);
  response.writeHead(307, { Location, "Cache-Control": "no-store", "Content-Length": 0 }).end();
}
