/** What a terminal shows when a node has started. */
import { resolve } from "node:path";
import { renderUnicodeCompact } from "uqr";
import { isPrivate } from "./addresses.ts";
import { ownHosts } from "./cluster/seeds.ts";
import type { Config } from "./config.ts";
import type { RunningNode } from "./node.ts";

export type Greeting = {
  node: Pick<RunningNode, "url" | "nodes" | "dataDir" | "authority">;
  config: Pick<Config, "host" | "publicUrl" | "name" | "seeds">;
  version: string;
  warnings: readonly string[];
  /** Whether the terminal shows colours. */
  colour: boolean;
  /** Addresses of this machine; its own unless given. */
  hosts?: readonly string[];
};

/**
 * Names and addresses in a column, then the address for phones as a QR code: the page or, where a phone has to be told
 * first whom to trust, the one that says how.
 */
export function greeting({ node, config, version, warnings, colour, hosts = ownHosts() }: Greeting): string {
  const bold = (text: string) => (colour ? `\x1b[1m${text}\x1b[22m` : text);
  const yellow = (text: string) => (colour ? `\x1b[33m${text}\x1b[39m` : text);
  const urls = [...new Set([node.url, ...addresses(node.url, config, hosts)])];
  const install = node.authority && installPage(urls[1] ?? node.url);
  const rows: [string, readonly string[]][] = [
    ["Open", urls],
    ...(install === undefined ? [] : [["Certificate", certificateOf(node, install)] as [string, string[]]]),
    ["Cluster", [clusterOf(node.nodes(), config)]],
    ["Data", [resolve(node.dataDir)]],
  ];
  const width = 2 + Math.max(...rows.map(([name]) => name.length), 7);
  const lines = rows.flatMap(([name, values]) =>
    values.map((value, index) => `  ${(index === 0 ? name : "").padEnd(width)}${value}`),
  );
  const shared = urls[1] && (install ?? urls[1]);
  return [
    "",
    `  ${bold(`web-chat ${version}`)}`,
    "",
    ...lines,
    ...warnings.map(warning => `  ${yellow("Warning")}${" ".repeat(width - 7)}${warning}`),
    ...(shared === undefined ? [] : ["", ...code(shared, colour), `  ${shared}`]),
    "",
    "",
  ].join("\n");
}

/** Where other machines find the page, the best first. */
function addresses(url: string, { host, publicUrl }: Greeting["config"], hosts: readonly string[]): string[] {
  if (publicUrl) return [publicUrl.href.replace(/\/$/, "")];
  const everywhere = host === "" || host === "0.0.0.0" || host === "::";
  const own = everywhere ? hosts.filter(address => isPrivate(address) && !address.includes(":")) : [host];
  return own
    .filter(address => address !== "localhost" && !address.startsWith("127.") && address !== "::1")
    .map(address => url.replace("localhost", address.includes(":") ? `[${address}]` : address));
}

/** Over plain HTTP, since nothing encrypted is trusted yet. */
export function installPage(url: string): string {
  return `${url.replace(/^https:/, "http:")}/ca`;
}

/** The fingerprint in two lines: it is compared by eye. */
function certificateOf({ authority }: Greeting["node"], install: string): string[] {
  const fingerprint = authority?.fingerprint ?? "";
  return [
    install,
    "to be opened on every device first, and compared:",
    fingerprint.slice(0, 47),
    fingerprint.slice(48),
  ];
}

function clusterOf(nodes: readonly { name: string }[], { name, seeds }: Greeting["config"]): string {
  if (nodes.length > 1) return `${nodes.length} nodes: ${nodes.map(node => node.name).join(", ")}`;
  if (seeds.length > 0) return `${name}, looking for ${seeds.map(({ host }) => host).join(", ")}`;
  return `${name} alone; start another with ZMQ_HOST naming this machine`;
}

/** Dark on light whatever the terminal's colours are: not every phone reads it the other way round. */
function code(text: string, colour: boolean): string[] {
  const rows = renderUnicodeCompact(text, { border: 2 }).split("\n");
  return rows.map(row => (colour ? `  \x1b[38;5;231;48;5;16m${row}\x1b[0m` : `  ${row}`));
}
