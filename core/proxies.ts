/** What proxies in front of a node say of a request, as far as they are trusted. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import proxyAddr from "proxy-addr";
import { isIP, isLoopback, isPrivate } from "./addresses.ts";
import type { Visitor } from "./urls.ts";

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
   * their visitors, and CORS does not cover WebSocket. `publicHosts` are this node's own, whatever proxies say. Which
   * protocol the page itself came by is not looked at: clients that are no browsers write http there over TLS, too.
   * A page that another node of the cluster served may come as well: `siblings` are the addresses which those say of
   * themselves.
   */
  isFromOwnPage(
    request: IncomingMessage,
    publicHosts: readonly string[],
    siblings: () => readonly string[] = () => [],
  ): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined) return true;
    const page = URL.parse(origin)?.host;
    if (!page) return false;
    const encrypted = (request.socket as TLSSocket).encrypted === true;
    const protocol = this.#said(request, "x-forwarded-proto") ?? (encrypted ? "https" : "http");
    // A browser leaves out the port that its protocol has anyway, and not every proxy does.
    const asked = [host, this.#said(request, "x-forwarded-host")].filter(name => name !== undefined);
    const own = [...asked.map(name => URL.parse(`${protocol}://${name}`)?.host), ...publicHosts];
    return own.includes(page) || siblings().some(url => URL.parse(url)?.origin === origin);
  }

  /** How whoever sent a request came here. */
  visitorOf(request: IncomingMessage): Visitor {
    const { host = "", origin } = request.headers;
    const address = this.addressOf(request);
    const asked = URL.parse(`http://${this.#said(request, "x-forwarded-host") ?? host}`)?.hostname ?? "";
    return {
      host: asked.replace(/^\[|\]$/g, ""),
      from: isLoopback(address) ? "here" : address !== "" && isPrivate(address) ? "inside" : "outside",
      encrypted: origin?.startsWith("https:") ?? false,
    };
  }

  /** What the first proxy wrote, if the last one is trusted. */
  #said({ headers, socket }: IncomingMessage, name: "x-forwarded-host" | "x-forwarded-proto"): string | undefined {
    const value = headers[name];
    if (value === undefined || !this.#trusts(socket.remoteAddress ?? "", 0)) return undefined;
    return String(value).split(",")[0]?.trim();
  }
}
