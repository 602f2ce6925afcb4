/** What proxies in front of a node say of a request, as far as they are trusted. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import proxyAddr from "proxy-addr";
import { isIP } from "./addresses.ts";

export class Proxies {
  readonly #trusts: (address: string, distance: number) => boolean;

  /** Addresses, networks, and the names that proxy-addr knows; from any other the headers count for nothing. */
  constructor(trusted: readonly string[]) {
    this.#trusts = proxyAddr.compile([...trusted]);
  }

  /** The address of the client: the nearest one that is no trusted proxy's. */
  addressOf(request: IncomingMessage): string {
    const nearest = request.socket.remoteAddress;
    if (nearest === undefined) return "";
    // Proxies also write “unknown” there, or an address with a port: what stands before that is then the best known.
    return proxyAddr.all(request, this.#trusts).findLast(address => isIP(address) !== 0) ?? nearest;
  }

  /**
   * Whether a request comes from a page of this node, or from no page at all: pages of other hosts must not speak for
   * their visitors, and CORS does not cover WebSocket. `publicHosts` are this node's own, whatever proxies say.
   */
  isFromOwnPage(request: IncomingMessage, publicHosts: readonly string[]): boolean {
    const { origin } = request.headers;
    if (origin === undefined) return true;
    const page = URL.parse(origin);
    if (!page || (page.protocol === "http:" && this.#isSecure(request))) return false;
    return [request.headers.host, this.#said(request, "x-forwarded-host"), ...publicHosts].includes(page.host);
  }

  /** Known to be encrypted. A proxy that says `http` may stand behind another one, and is not taken at its word. */
  #isSecure(request: IncomingMessage): boolean {
    return (request.socket as TLSSocket).encrypted === true || this.#said(request, "x-forwarded-proto") === "https";
  }

  /** What the first proxy wrote, if the last one is trusted. */
  #said({ headers, socket }: IncomingMessage, name: "x-forwarded-host" | "x-forwarded-proto"): string | undefined {
    const value = headers[name];
    if (value === undefined || !this.#trusts(socket.remoteAddress ?? "", 0)) return undefined;
    return String(value).split(",")[0]?.trim().toLowerCase();
  }
}
