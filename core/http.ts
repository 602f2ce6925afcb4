/** Plain HTTP beside Socket.IO: the UI's files, health and metrics. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Assets, serveAsset } from "./assets.ts";

export type HttpParts = {
  assets: Assets;
  health(): object;
  isReady(): boolean;
  metrics(): Promise<{ type: string; text: string }>;
  failed(what: string, error: unknown): void;
};

export function createHttp(parts: HttpParts): Server {
  const server = createServer((request, response) => {
    answer(parts, request, response).catch(error => {
      parts.failed("http", error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  // A connection that sends no request is not worth keeping.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  return server;
}

async function answer(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request);
  // Socket.IO answers its own.
  if (path?.startsWith("/socket.io/")) return;
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  switch (path) {
    case "/healthz":
      return json(response, 200, parts.health());
    case "/readyz": {
      const ready = parts.isReady();
      return json(response, ready ? 200 : 503, { ready });
    }
    case "/metrics": {
      const { type, text } = await parts.metrics();
      response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(text);
      return;
    }
    default:
      if (path === undefined || !serveAsset(parts.assets, path, request, response))
        json(response, 404, { ok: false, code: "not-found", message: "there is nothing at that address" });
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

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}
