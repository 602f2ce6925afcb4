/** The settings of a node: each a flag and an environment variable, and the flag wins. */
import { hostname } from "node:os";
import { join } from "node:path";
import { isHost } from "./addresses.ts";
import { MAX_HOSTS } from "./cluster/frames.ts";
import { parseSeeds, type Seed } from "./cluster/seeds.ts";
import { Reject } from "./errors.ts";

export type Config = {
  port: number;
  host: string;
  seeds: Seed[];
  zmqPort: number;
  zmqPubPort: number;
  /** Addresses that peers are told to reach this node at; its own where none is given. */
  advertise: string[];
  publicUrl: URL | undefined;
  name: string;
  dataDir: string;
  /** Messages a second of one connection; 0 is no limit. */
  rateLimit: number;
  /** New names and rooms an hour from one address; 0 is no limit. */
  claimLimit: number;
  logLevel: string;
};

/** One setting as a person meets it. `--help` and the README's table are made of this list. */
export type Setting = { flag: string; env: string; value: string; help: string; fallback: string };

export const SETTINGS = [
  { flag: "port", env: "PORT", value: "port", help: "port of the web page and of Socket.IO", fallback: "5002" },
  { flag: "host", env: "HOST", value: "address", help: "address to listen on", fallback: "all" },
  {
    flag: "zmq-host",
    env: "ZMQ_HOST",
    value: "peers",
    help: "other nodes as host[:port], separated by commas; one is enough, the rest is learned",
    fallback: "none",
  },
  {
    flag: "zmq-port",
    env: "ZMQ_PORT",
    value: "port",
    help: "port of the bus between nodes; its publications take the port 1000 above",
    fallback: "PORT + 1000",
  },
  {
    flag: "zmq-advertise",
    env: "ZMQ_ADVERTISE",
    value: "hosts",
    help: "addresses under which peers reach this node, separated by commas",
    fallback: "its own",
  },
  {
    flag: "public-url",
    env: "PUBLIC_URL",
    value: "url",
    help: "address of the page behind a proxy, if the proxy changes the Host header",
    fallback: "none",
  },
  { flag: "node-name", env: "NODE_NAME", value: "name", help: "name that people see", fallback: "host name and port" },
  {
    flag: "data-dir",
    env: "DATA_DIR",
    value: "folder",
    help: "where the messages are kept",
    fallback: "./web-chat-data/PORT",
  },
  {
    flag: "rate-limit",
    env: "RATE_LIMIT",
    value: "n",
    help: "messages a second that one connection may send; three times as many at once; 0 is no limit",
    fallback: "10",
  },
  {
    flag: "claim-limit",
    env: "CLAIM_LIMIT",
    value: "n",
    help: "new names and rooms an hour from one address; 0 is no limit",
    fallback: "120",
  },
  { flag: "log-level", env: "LOG_LEVEL", value: "level", help: "debug, info, warn, error or silent", fallback: "info" },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]["env"];
export type Given = Partial<Record<SettingName, string | undefined>>;

const LEVELS = ["debug", "info", "warn", "error", "silent"];
const PUBLICATIONS_ABOVE = 1_000;

/** Reads the settings; throws `Reject` with one clear line for the first that cannot be used. */
export function readConfig(given: Given): Config {
  const text = (name: SettingName): string | undefined => given[name]?.trim() || undefined;
  const number = (name: SettingName, fallback: number, max: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    if (!/^\d+$/.test(value) || Number(value) > max) throw unusable(name, value, `a whole number from 0 to ${max}`);
    return Number(value);
  };
  const port = number("PORT", 5002, 65_535);
  const zmqPort = number("ZMQ_PORT", port === 0 ? 0 : port + 1_000, 65_535);
  if (zmqPort + PUBLICATIONS_ABOVE > 65_535)
    throw unusable(
      "ZMQ_PORT",
      String(zmqPort),
      `at most ${65_535 - PUBLICATIONS_ABOVE}, as publications take the port 1000 above`,
    );
  if (port !== 0 && (port === zmqPort || port === zmqPort + PUBLICATIONS_ABOVE))
    throw unusable(
      "ZMQ_PORT",
      String(zmqPort),
      `other than PORT and PORT - ${PUBLICATIONS_ABOVE}, since the bus takes two ports`,
    );
  const logLevel = text("LOG_LEVEL") ?? "info";
  if (!LEVELS.includes(logLevel)) throw unusable("LOG_LEVEL", logLevel, `one of ${LEVELS.join(", ")}`);
  const name = text("NODE_NAME") ?? (port === 5002 ? hostname().slice(0, 64) : `${hostname().slice(0, 56)}:${port}`);
  if (name.length > 64 || /\p{Cc}/u.test(name))
    throw unusable("NODE_NAME", name, "at most 64 characters, without control characters");
  return {
    port,
    host: text("HOST") ?? "",
    seeds: seeds("ZMQ_HOST", text("ZMQ_HOST")),
    zmqPort,
    zmqPubPort: zmqPort === 0 ? 0 : zmqPort + PUBLICATIONS_ABOVE,
    advertise: advertised("ZMQ_ADVERTISE", text("ZMQ_ADVERTISE")),
    publicUrl: url("PUBLIC_URL", text("PUBLIC_URL")),
    name,
    dataDir: text("DATA_DIR") ?? join(".", "web-chat-data", String(port)),
    rateLimit: number("RATE_LIMIT", 10, 1_000_000),
    claimLimit: number("CLAIM_LIMIT", 120, 1_000_000),
    logLevel,
  };
}

function seeds(name: SettingName, value: string | undefined): Seed[] {
  const seeds = parseSeeds(value ?? "");
  if (!seeds) throw unusable(name, value ?? "", "host[:port], separated by commas");
  return seeds;
}

/** What no peer would take as an address is better said here than by every peer there. */
function advertised(name: SettingName, value: string | undefined): string[] {
  const hosts = (parseSeeds(value ?? "") ?? [{ host: "" }]).map(({ host }) => host);
  if (hosts.length > MAX_HOSTS || !hosts.every(isHost))
    throw unusable(name, value ?? "", `up to ${MAX_HOSTS} addresses or host names, separated by commas`);
  return hosts;
}

function url(name: SettingName, value: string | undefined): URL | undefined {
  if (value === undefined) return undefined;
  const parsed = URL.parse(value);
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw unusable(name, value, "an http or https URL");
  return parsed;
}

function unusable(name: SettingName, value: string, wanted: string): Reject {
  // One line, whatever the value.
  const shown = value.slice(0, 80).replace(/\p{Cc}/gu, "�");
  return new Reject("config-invalid", `${name} is “${shown}”, and has to be ${wanted}`);
}
