/** What plain HTTP is answered with on a port that speaks TLS. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Reject } from "../errors.ts";
import { sendJson } from "../refusals.ts";

const HOST = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/**
 * `answer` gets what may be read unencrypted: `isOpen` says so of a path. All else is sent to the encrypted page at the
 * same address. No Strict-Transport-Security: it would hold for every port of the host, and outlive the certificate.
 */
export function answerPlain(answer: RequestListener, isOpen: (path: string) => boolean): RequestListener {
  return (request, response) => {
    // Its server ends idle connections late, and there is seldom a second request.
    response.shouldKeepAlive = false;
    const url = URL.parse(request.url ?? "/", "http://node");
    const isReading = request.method === "GET" || request.method === "HEAD";
    if (!url) return refuse(response, "that is no address");
    if (isReading && isOpen(url.pathname)) return answer(request, response);
    const host = hostOf(request);
    // What was posted has been readable on its way already: a redirect would only hide that, and have it sent again.
    if (!isReading || host === undefined) return refuse(response, "this port speaks HTTPS");
    // Kept by nobody: without its certificate, the node would be out of reach.
    response.writeHead(308, {
      Location: `https://${host}${url.pathname}${url.search}`,
      "Cache-Control": "no-store",
      "Content-Length": 0,
    });
    response.end();
  };
}

/** Host and port as the client named them: with ports mapped, only that is right. */
function hostOf({ headers }: IncomingMessage): string | undefined {
  return headers.host !== undefined && HOST.test(headers.host) ? headers.host : undefined;
}

function refuse(response: ServerResponse, message: string): void {
  sendJson(response, 400, new Reject("invalid", message));
}
