/** What this machine may be called in an address bar. */
import { hostname } from "node:os";
import { isHost, isIP } from "../addresses.ts";
import { ownHosts } from "../cluster/seeds.ts";
import type { Config } from "../config.ts";

export type OwnNames = {
  /** Names and addresses that people type, or that were set. */
  lasting: string[];
  /** IPv6 addresses of the interfaces: many are replaced every day, and nobody types them. */
  passing: string[];
};

const WILDCARDS = ["", "0.0.0.0", "::"];

/** Loopback, the host name (also as mDNS has it), the interfaces' addresses, and what the settings name. */
export function ownNames({ host, publicUrl, advertise }: Pick<Config, "host" | "publicUrl" | "advertise">): OwnNames {
  const machine = hostname();
  const addresses = ownHosts();
  const set = [...(WILDCARDS.includes(host) ? [] : [host]), ...(publicUrl ? [publicUrl.hostname] : []), ...advertise];
  const v6 = addresses.filter(address => isIP(address) === 6);
  const v4 = addresses.filter(address => isIP(address) === 4);
  const lasting = plain(["localhost", machine, `${machine.split(".")[0]}.local`, "127.0.0.1", "::1", ...v4, ...set]);
  return { lasting, passing: plain(v6).filter(address => !lasting.includes(address)) };
}

/** Each once, in the one way of writing it that certificates are compared by. */
function plain(names: string[]): string[] {
  const usual = names.map(name => {
    const bare = name.toLowerCase().replace(/^\[|\]$/g, "");
    return isIP(bare) === 6 ? (URL.parse(`http://[${bare}]`)?.hostname.slice(1, -1) ?? "") : bare;
  });
  return [...new Set(usual)].filter(isHost);
}
