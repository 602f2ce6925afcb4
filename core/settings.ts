/** The settings of a node: each a flag, an environment variable and a key of the config file, and the first wins. */
import { readFileSync } from "node:fs";
import { closest, distance } from "fastest-levenshtein";
import { Reject } from "./errors.ts";

/** One setting as a person meets it. The help, the config file and the README's table are made of this list. */
export type Setting = {
  flag: string;
  env: string;
  group: "The page" | "The cluster" | "This node";
  value: string;
  help: string;
  fallback: string;
  /** What the bare flag means. */
  bare?: string;
};

// biome-ignore format: a table
export const SETTINGS = [
  { flag: "port", env: "PORT", group: "The page", value: "port", help: "port of the web page and of Socket.IO", fallback: "5002" },
  { flag: "host", env: "HOST", group: "The page", value: "address", help: "address to listen on", fallback: "all" },
  { flag: "base-path", env: "BASE_PATH", group: "The page", value: "path", help: "path under which a proxy serves the page, such as /chat", fallback: "/" },
  { flag: "public-url", env: "PUBLIC_URL", group: "The page", value: "url", help: "address of the page behind a proxy, where pages that lose their node find this one", fallback: "none" },
  { flag: "trust-proxy", env: "TRUST_PROXY", group: "The page", value: "proxies", help: "proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas; true is every private address", fallback: "none", bare: "true" },
  { flag: "tls", env: "TLS", group: "The page", value: "mode", help: "self-signed: HTTPS with a certificate made here, so that microphones work on a LAN", fallback: "none" },
  { flag: "tls-cert", env: "TLS_CERT", group: "The page", value: "file", help: "certificate chain as PEM; read again on change and on SIGHUP", fallback: "none" },
  { flag: "tls-key", env: "TLS_KEY", group: "The page", value: "file", help: "private key of the certificate as PEM", fallback: "none" },
  { flag: "zmq-host", env: "ZMQ_HOST", group: "The cluster", value: "peers", help: "other nodes as host[:port], separated by commas; one is enough, the rest is learned", fallback: "none" },
  { flag: "zmq-port", env: "ZMQ_PORT", group: "The cluster", value: "port", help: "port of the bus between nodes; its publications take the port 1000 above", fallback: "PORT + 1000" },
  { flag: "zmq-advertise", env: "ZMQ_ADVERTISE", group: "The cluster", value: "hosts", help: "addresses under which peers reach this node, separated by commas", fallback: "its own" },
  { flag: "cluster-secret", env: "CLUSTER_SECRET", group: "The cluster", value: "secret", help: "the same on every node: the bus is encrypted, and closed to who lacks it", fallback: "none" },
  { flag: "ack", env: "ACK", group: "The cluster", value: "mode", help: "local: a message is acked when this node has committed it; peer: when another one has, too", fallback: "local" },
  { flag: "node-name", env: "NODE_NAME", group: "The cluster", value: "name", help: "name that people see", fallback: "host name and port" },
  { flag: "data-dir", env: "DATA_DIR", group: "This node", value: "folder", help: "where the messages are kept; a folder/* is the first free one of folder/1, folder/2, …", fallback: "./web-chat-data/PORT" },
  { flag: "plugins", env: "PLUGINS", group: "This node", value: "folder", help: "where message types lie that were dropped in, each a folder", fallback: "plugins in the data folder" },
  { flag: "native-dir", env: "NATIVE_DIR", group: "This node", value: "folder", help: "where the executable unpacks its native library and its compiler", fallback: "data folder, cache or tmp" },
  { flag: "rate-limit", env: "RATE_LIMIT", group: "This node", value: "n", help: "messages a second that one connection may send; three times as many at once; 0 is no limit", fallback: "10" },
  { flag: "claim-limit", env: "CLAIM_LIMIT", group: "This node", value: "n", help: "new names and rooms an hour from one address; 0 is no limit", fallback: "120" },
  { flag: "blob-limit", env: "BLOB_LIMIT", group: "This node", value: "size", help: "largest file that somebody may send, in bytes, or such as 16MB; 4GB at the most", fallback: "16MB" },
  { flag: "blob-quota", env: "BLOB_QUOTA", group: "This node", value: "size", help: "bytes of files an hour that one person may send; 0 is no limit", fallback: "200MB" },
  { flag: "log-level", env: "LOG_LEVEL", group: "This node", value: "level", help: "debug, info, warn, error or silent", fallback: "info" },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]["env"];
/** What is set, as text. */
export type Given = Partial<Record<SettingName, string | undefined>>;

/** Flags by their name, such as `zmq-host`. */
export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** Flags before environment before config file. Throws `Reject` where the file cannot be used. */
export function gather(flags: Flags, environment: Environment, file?: string): Given {
  const kept = file === undefined ? {} : readFile(file);
  return Object.fromEntries(
    SETTINGS.map(({ flag, env }) => [env, flags[flag] ?? (environment[env] || undefined) ?? kept[flag]]),
  );
}

/** Reads a config file: a JSON object whose keys are the flags' names. */
function readFile(path: string): Flags {
  const unusable = (why: string) => new Reject("config-invalid", `${path} cannot be used: ${why}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
  } catch (error) {
    throw unusable((error as Error).message.replace(/\p{Cc}+/gu, " "));
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw unusable('it has to be a JSON object, such as { "port": 5002 }');
  const flags = SETTINGS.map(({ flag }): string => flag);
  return Object.fromEntries(
    Object.entries(content).map(([key, value]: [string, unknown]) => {
      if (!flags.includes(key)) throw unusable(`there is no setting “${key}”; the nearest is “${closest(key, flags)}”`);
      const text = textOf(value);
      if (text === undefined) throw unusable(`“${key}” has to be text, a number, true, false, or a list of texts`);
      return [key, text];
    }),
  );
}

function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.every(part => typeof part === "string") ? value.join(",") : undefined;
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

/** Variables that look like settings written wrong, with what was meant. The environment has others' variables, too. */
export function nearMisses(environment: Environment): { name: string; meant: string }[] {
  const names = SETTINGS.map(({ env }): string => env);
  const long = names.filter(name => name.length > 4);
  return Object.keys(environment).flatMap(name => {
    const meant = closest(name, long);
    return !names.includes(name) && distance(name, meant) <= 2 ? [{ name, meant }] : [];
  });
}
