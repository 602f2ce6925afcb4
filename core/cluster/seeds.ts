/** From the peers that a person named to the addresses to dial. */
import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import { isIP, isPrivate } from "../addresses.ts";
import type { Address } from "./address.ts";
import { MAX_HOSTS } from "./frames.ts";

/** A peer as `ZMQ_HOST` names it. */
export type Seed = { host: string; port?: number };

const FIRST_BUS_PORT = 6002;
const NEIGHBOURS = 8;

/** Reads `host`, `host:port`, `[ipv6]:port`, separated by commas; undefined where that is none of them. */
export function parseSeeds(text: string): Seed[] | undefined {
  const seeds: Seed[] = [];
  for (const part of text.split(",").map(part => part.trim())) {
    if (part === "") continue;
    const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(part);
    const host = match?.[1] ?? match?.[2] ?? (isIP(part) === 6 ? part : undefined);
    const port = match?.[3] === undefined ? undefined : Number(match[3]);
    if (match?.[1] !== undefined && isIP(match[1]) !== 6) return undefined;
    if (host === undefined || (port !== undefined && (port < 1 || port > 65_535))) return undefined;
    seeds.push({ host, ...(port !== undefined && { port }) });
  }
  return seeds;
}

/** All addresses that a seed means; throws what DNS threw where its name does not resolve. */
export async function resolveSeed({ host, port }: Seed, ownPort: number): Promise<Address[]> {
  const found = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
  // A name that means this machine by both protocols is still one machine.
  const loopback = found.filter(address => address === "::1" || address.startsWith("127."));
  const hosts = loopback.length > 0 ? [loopback.find(address => address !== "::1") ?? "::1"] : [...new Set(found)];
  if (port !== undefined) return hosts.map(host => ({ host, port }));
  if (loopback.length === 0) return hosts.map(host => ({ host, port: ownPort }));
  return hosts.flatMap(host => neighbourhood(ownPort).map(port => ({ host, port })));
}

/** The bus ports where other nodes of this machine are likely: those from 6002 up, and those around one's own. */
function neighbourhood(ownPort: number): number[] {
  const ports = new Set<number>();
  for (let step = 0; step < 16; step++) ports.add(FIRST_BUS_PORT + step);
  for (let step = -NEIGHBOURS; step <= NEIGHBOURS; step++) ports.add(ownPort + step);
  ports.delete(ownPort);
  return [...ports].filter(port => port > 0 && port < 65_536);
}

/** The addresses of this machine that others may reach, private ones first. */
export function ownHosts(): string[] {
  const hosts = Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address);
  return [...new Set(hosts)].sort((a, b) => Number(isPrivate(b)) - Number(isPrivate(a))).slice(0, MAX_HOSTS);
}
