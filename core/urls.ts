/** Where browsers reach the nodes of a cluster: what each node tells the others, and what of it is of use to whom. */
import { asPageUrl, isIP, isLoopback, isPageUrl, isPrivate } from "./addresses.ts";
import { MAX_URLS } from "./cluster/frames.ts";
import type { Config } from "./config.ts";
import { ownNames } from "./tls/names.ts";

/** Addresses of one node that a visitor is told: each that leads nowhere costs the time of a try. */
const MAX_TOLD = 3;

/** How somebody came to a node. */
export type Visitor = {
  /** The name or address that was asked for. */
  host: string;
  /** Whoever asks is on this machine, has a private address, or has another. */
  from: "here" | "inside" | "outside";
  /** From a page that came encrypted, whose browser opens no connection that is not. */
  encrypted: boolean;
};

export type ReachableNode = { id: string; name: string; urls: string[] };
/** `isHere`: it runs on the same machine as the node that speaks of it. */
export type KnownNode = ReachableNode & { isHere: boolean };

/** Every address of this node's page, or the public one alone: what stands behind a proxy is reached through that. */
export function ownUrls(
  config: Pick<Config, "host" | "publicUrl" | "advertise" | "basePath">,
  { port, secure }: { port: number; secure: boolean },
): string[] {
  const { publicUrl, host, basePath } = config;
  if (publicUrl) return [asPageUrl(publicUrl.href) ?? ""].filter(isPageUrl);
  const { lasting, passing } = ownNames(config);
  const names = ["", "0.0.0.0", "::"].includes(host) ? [...lasting, ...passing] : [host];
  if (isLoopback(host)) names.push("localhost");
  const scheme = secure ? "https" : "http";
  const urls = names.map(name => `${scheme}://${isIP(name) === 6 ? `[${name}]` : name}:${port}${basePath}`);
  return [...new Set(urls.map(url => asPageUrl(url) ?? ""))].filter(isPageUrl).slice(0, MAX_URLS);
}

/** Of each node the addresses that this visitor can probably use, the likeliest first. */
export function urlsFor(visitor: Visitor, nodes: readonly KnownNode[]): ReachableNode[] {
  return nodes.map(({ id, name, urls, isHere }) => {
    const usable = urls.filter(url => isUsable(new URL(url), isHere, visitor));
    const rank = (url: string) => rankOf(hostOf(new URL(url)), visitor);
    return { id, name, urls: usable.sort((a, b) => rank(b) - rank(a)).slice(0, MAX_TOLD) };
  });
}

function isUsable(url: URL, isHere: boolean, { host, from, encrypted }: Visitor): boolean {
  const target = hostOf(url);
  if (isLoopback(target)) return isHere && isLoopback(host) && from === "here";
  // Browsers call it mixed content, and refuse.
  if (encrypted && url.protocol === "http:") return false;
  // Of no use to the rest of the world, and none of its business.
  return !isInternal(target) || from !== "outside";
}

/** What is nearest to the host that the visitor came to, since that works: this machine, then a like name or address. */
function rankOf(target: string, { host }: Visitor): number {
  if (isLoopback(target)) return 1_000 + likeness(target, host);
  const asked = isLoopback(host) ? 4 : isIP(host);
  return (isIP(target) === asked ? 500 : 0) + likeness(target, host);
}

/** Characters with which both begin, of addresses; with which both end, of names. */
function likeness(one: string, other: string): number {
  const [a, b] = isIP(one) === 0 ? [[...one].reverse(), [...other].reverse()] : [[...one], [...other]];
  const differ = a.findIndex((character, index) => character !== b[index]);
  return differ < 0 ? a.length : differ;
}

function isInternal(host: string): boolean {
  return isIP(host) === 0 ? !host.includes(".") || host.endsWith(".local") : isPrivate(host);
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}
