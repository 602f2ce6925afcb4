/** Network addresses as text: which there are, and what they belong to. Opens no sockets. */
import { BlockList, isIP, isIPv6 } from "node:net";

/** The family of an IP address, 4 or 6; 0 where the text is none. */
export { isIP };

/** An IP address, or a host's name as RFC 1123 has them: what a socket can be told to connect to. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (text.length <= 253 && text.split(".").every(label => LABEL.test(label)));
}

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/i;

const PRIVATE = new BlockList();
for (const [net, prefix] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
] as const)
  PRIVATE.addSubnet(net, prefix, "ipv4");
PRIVATE.addAddress("::1", "ipv6");
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addSubnet("fe80::", 10, "ipv6");

/** An address without its zone; one of IPv4 in that form, also where a socket for both families gave it. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}

/** Loopback, private (RFC 1918, RFC 4193) and link-local addresses. */
export function isPrivate(address: string): boolean {
  const plain = plainAddress(address);
  return PRIVATE.check(plain, isIPv6(plain) ? "ipv6" : "ipv4");
}

const NOWHERE_ELSE = new BlockList();
for (const [net, prefix, family] of [
  ["0.0.0.0", 8, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["::", 127, "ipv6"],
  ["ff00::", 8, "ipv6"],
] as const)
  NOWHERE_ELSE.addSubnet(net, prefix, family);
// Where clouds answer their machines, with credentials among other things.
NOWHERE_ELSE.addAddress("169.254.169.254", "ipv4");
NOWHERE_ELSE.addAddress("fd00:ec2::254", "ipv6");

/** Whether another machine could be meant: no loopback, multicast or unspecified address, nor that of a cloud's metadata. */
export function isElsewhere(host: string): boolean {
  const plain = plainAddress(host);
  const family = isIP(plain);
  if (family === 0) return !/(^|\.)localhost$/i.test(plain);
  return !NOWHERE_ELSE.check(plain, family === 6 ? "ipv6" : "ipv4");
}

/** Whether that may be the address of a node's page: with http or https, and nothing behind the path. */
export function isPageUrl(text: string): boolean {
  return text.length <= 256 && asPageUrl(text) === text;
}

/** The one way to write the address of a page; undefined where the text is none. */
export function asPageUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/** Whether that means the machine that it is used on. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(host);
}

/** Where an address comes from: an IPv6 household has a /64 to itself, and could be a new address each time. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail = ""] = address.split("::");
  const groups = head.split(":").filter(Boolean);
  const rest = tail.split(":").filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0");
  return [...groups, ...zeros, ...rest].slice(0, 4).join(":");
}
