/** What a node runs with, read from the settings as people write them. */
import { hostname } from "node:os";
import { join } from "node:path";
import { closest } from "fastest-levenshtein";
import proxyAddr from "proxy-addr";
import { isHost } from "./addresses.ts";
import { MAX_BLOB_BYTES } from "./blobs/files.ts";
import { MAX_HOSTS } from "./cluster/frames.ts";
import { parseSeeds, type Seed } from "./cluster/seeds.ts";
import { Reject } from "./errors.ts";
import type { Given, SettingName } from "./settings.ts";

export type Config = {
  port: number;
  host: string;
  /** Path under which the page is served, `/chat`; empty at the root. */
  basePath: string;
  publicUrl: URL | undefined;
  tls: TlsConfig | undefined;
  /** Proxies whose X-Forwarded-For is believed: addresses, networks, or the names that proxy-addr knows. */
  trustProxy: string[];
  seeds: Seed[];
  zmqPort: number;
  zmqPubPort: number;
  /** Addresses that peers are told to reach this node at; its own where none is given. */
  advertise: string[];
  /** The first serves, any is tried towards peers; none where the bus is open to private addresses. */
  secrets: string[];
  /** Where a message has to be committed before it is acked. */
  ack: AckMode;
  name: string;
  dataDir: string;
  /** Where plugin folders lie; `plugins` in the data directory where this is undefined. */
  plugins: string | undefined;
  /** Where the executable unpacks its native library and its compiler; found by itself where this is undefined. */
  nativeDir: string | undefined;
  /** Messages a second of one connection; 0 is no limit. */
  rateLimit: number;
  /** New names and rooms an hour from one address; 0 is no limit. */
  claimLimit: number;
  /** Bytes of one file. */
  blobLimit: number;
  /** Bytes of files an hour that one person may send; 0 is no limit. */
  blobQuota: number;
  logLevel: string;
};

/** A certificate chain and its key as PEM files, or one made here. */
export type TlsConfig = { cert: string; key: string } | "self-signed";

/** On this node, or on another one, too. */
export type AckMode = (typeof ACK_MODES)[number];

const ACK_MODES = ["local", "peer"] as const;
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
  const blobLimit = size("BLOB_LIMIT", text("BLOB_LIMIT") ?? "16MB");
  const blobQuota = size("BLOB_QUOTA", text("BLOB_QUOTA") ?? "200MB");
  if (blobLimit === 0) throw unusable("BLOB_LIMIT", "0", "1 or more");
  if (blobLimit > MAX_BLOB_BYTES) throw unusable("BLOB_LIMIT", String(blobLimit), "at most 4GB");
  if (blobQuota > 0 && blobQuota < blobLimit)
    throw unusable(
      "BLOB_QUOTA",
      String(blobQuota),
      `0, or BLOB_LIMIT (${blobLimit}) or more: no such file could be sent`,
    );
  return {
    port,
    host: text("HOST") ?? "",
    basePath: basePath("BASE_PATH", text("BASE_PATH")),
    publicUrl: url("PUBLIC_URL", text("PUBLIC_URL")),
    tls: tls(text("TLS"), text("TLS_CERT"), text("TLS_KEY")),
    trustProxy: proxies("TRUST_PROXY", text("TRUST_PROXY")),
    seeds: seeds("ZMQ_HOST", text("ZMQ_HOST")),
    zmqPort,
    zmqPubPort: zmqPort === 0 ? 0 : zmqPort + PUBLICATIONS_ABOVE,
    advertise: advertised("ZMQ_ADVERTISE", text("ZMQ_ADVERTISE")),
    secrets: secrets("CLUSTER_SECRET", text("CLUSTER_SECRET")),
    ack: ackMode("ACK", text("ACK")),
    name,
    dataDir: text("DATA_DIR") ?? join(".", "web-chat-data", String(port)),
    plugins: text("PLUGINS"),
    nativeDir: text("NATIVE_DIR"),
    rateLimit: number("RATE_LIMIT", 10, 1_000_000),
    claimLimit: number("CLAIM_LIMIT", 120, 1_000_000),
    blobLimit,
    blobQuota,
    logLevel,
  };
}

const UNITS: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
const MAX_SIZE = 1024 ** 4;

/** Bytes. */
function size(name: SettingName, value: string): number {
  const [, count, unit = ""] = /^(\d+) *(?:([KMG])?B?)$/i.exec(value) ?? [];
  const bytes = Number(count) * (UNITS[unit.toUpperCase()] as number);
  if (count === undefined || bytes > MAX_SIZE) throw unusable(name, value, "bytes, or such as 500KB, 16MB or 1GB");
  return bytes;
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

function basePath(name: SettingName, value: string | undefined): string {
  const path = (value ?? "").replace(/\/+$/, "");
  // A browser takes /. and /.. out of an address before it asks.
  if (path !== "" && !/^(\/(?!\.\.?(\/|$))[\w.~-]+)+$/.test(path))
    throw unusable(name, value ?? "", "a path such as /chat, of letters, digits and . _ ~ -");
  return path;
}

function tls(mode: string | undefined, cert: string | undefined, key: string | undefined): TlsConfig | undefined {
  if (mode !== undefined && mode !== "self-signed" && mode !== "none")
    throw unusable("TLS", mode, "self-signed or none");
  if ((cert === undefined) !== (key === undefined))
    throw new Reject("config-invalid", "TLS_CERT and TLS_KEY belong together: set both, or neither");
  if (cert === undefined || key === undefined) return mode === "self-signed" ? mode : undefined;
  if (mode !== undefined) throw new Reject("config-invalid", "TLS and TLS_CERT exclude each other: set one of them");
  return { cert, key };
}

function ackMode(name: SettingName, value = "local"): AckMode {
  const mode = ACK_MODES.find(mode => mode === value);
  if (!mode) throw unusable(name, value, `${ACK_MODES.join(" or ")}; the nearest is “${closest(value, ACK_MODES)}”`);
  return mode;
}

const PRIVATE_PROXIES = ["loopback", "linklocal", "uniquelocal"];

function proxies(name: SettingName, value: string | undefined): string[] {
  if (value === undefined || value === "false") return [];
  if (value === "true") return PRIVATE_PROXIES;
  const proxies = value.split(",").map(part => part.trim());
  try {
    proxyAddr.compile(proxies);
    return proxies;
  } catch {
    throw unusable(name, value, "true, or addresses and networks such as 10.0.0.0/8, separated by commas");
  }
}

/** A secret that can be guessed is none: what knocks at the bus may try as often as it likes. */
function secrets(name: SettingName, value: string | undefined): string[] {
  const secrets = (value ?? "").split(",").map(part => part.trim());
  if (value === undefined) return [];
  if (secrets.some(secret => secret.length < MIN_SECRET_LENGTH))
    throw new Reject(
      "config-invalid",
      `${name} is too short: it takes ${MIN_SECRET_LENGTH} characters or more, such as \`openssl rand -hex 16\` prints`,
    );
  return secrets;
}

const MIN_SECRET_LENGTH = 16;

function unusable(name: SettingName, value: string, wanted: string): Reject {
  // One line, whatever the value.
  const shown = value.slice(0, 80).replace(/\p{Cc}/gu, "�");
  return new Reject("config-invalid", `${name} is “${shown}”, and has to be ${wanted}`);
}
