/** Asks a node whether it is up and has caught up: for Docker, systemd and scripts. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIPv6 } from "node:net";
import type { Config } from "./config.ts";
import { Reject } from "./errors.ts";

const ANSWER_WITHIN_MS = 5_000;

/**
 * Resolves with one line where the node is ready; rejects with `Reject` where it is not. The node of a configuration is
 * the one on this machine, and is taken at its word: its certificate names what browsers call it.
 */
export async function checkHealth(node: string | Config): Promise<string> {
  const url = typeof node === "string" ? URL.parse(node) : ownUrl(node);
  if (!url || !/^https?:$/.test(url.protocol)) throw new Reject("config-invalid", `“${node}” is no http or https URL`);
  const base = url.href.replace(/\/$/, "");
  const status = await ask(new URL(`${base}/readyz`), typeof node !== "string").catch((error: Error) => {
    throw new Reject("unreachable", `${base} does not answer: ${reasonOf(error)}`);
  });
  if (status === 200) return `${base} is ready`;
  throw new Reject("not-ready", status === 503 ? `${base} is not ready yet` : `${base} answers ${status}`);
}

function ownUrl({ port, host, tls, basePath }: Config): URL {
  // Not by name: a container may not know even localhost.
  const address = host === "" || host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const name = isIPv6(address) ? `[${address}]` : address;
  return new URL(`${tls ? "https" : "http"}://${name}:${port}${basePath}`);
}

function ask(url: URL, trusted: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { signal: AbortSignal.timeout(ANSWER_WITHIN_MS), rejectUnauthorized: !trusted };
    const request = url.protocol === "https:" ? httpsRequest(url, options) : httpRequest(url, options);
    request.on("error", reject);
    request.on("response", response => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.end();
  });
}

/** A host with several addresses fails with an error for each, and no text of its own. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return error.name === "AbortError" || error.name === "TimeoutError"
    ? `nothing came within ${ANSWER_WITHIN_MS / 1_000} s`
    : error.message;
}
