/** A server as a process of its own on the first core, and what the operating system says of it. Linux. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../workload.ts";
import { startRedis } from "./redis.ts";

export type ServerName =
  | "web-chat"
  | "ws"
  | "ws-coalescing"
  | "socketio"
  | "redis-adapter"
  | "redis-streams-adapter"
  | "prepared";

export type Server = {
  readonly name: ServerName;
  readonly port: number;
  /** Of the bus; 0 for peers. */
  readonly zmqPort: number;
  readonly process: ChildProcess;
  /** Milliseconds on a core so far, of all its threads, and of the Redis that it needs. */
  cpuMs(): number;
  /** Resident memory in bytes, now and at its most; of the server's process alone. */
  rssBytes(): number;
  peakRssBytes(): number;
  /** Figures of /metrics by name; web-chat only. */
  metrics(): Promise<Map<string, number>>;
  /** Resolves when the process has ended. The run does it in the end anyway. */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

export type ServerOptions = {
  /** Settings of web-chat, beside those that lift its limits for single addresses and people. */
  settings?: Record<string, string>;
  /** Address of a Redis that several servers share; otherwise each that needs one gets its own. */
  redisUrl?: string;
};

/** The core of servers, and that of the load. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const MAIN = join(import.meta.dirname, "../../../core/main.ts");
const PEERS = join(import.meta.dirname, "../peers");
const UNLIMITED = { RATE_LIMIT: "0", CLAIM_LIMIT: "0" };
const STOP_WITHIN_MS = 20_000;
/** Of the kernel's clock, in which /proc counts. */
const TICK_MS = 10;

/** Starts a server; resolves when it takes connections. Throws `Skipped` where what it needs is not on this machine. */
export async function startServer(name: ServerName, run: Run, options: ServerOptions = {}): Promise<Server> {
  const redis = name.startsWith("redis") && options.redisUrl === undefined ? await startRedis(run) : undefined;
  const redisUrl = options.redisUrl ?? redis?.url;
  const { command, env } = name === "web-chat" ? webChat(run, options) : peer(name, redisUrl);
  const [program = "", ...words] = pinned(SERVER_CORE, command);
  const child = spawn(program, words, {
    env: { PATH: process.env.PATH, ...env } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>(resolve => child.once("close", () => resolve()));
  const stop = (signal: NodeJS.Signals = "SIGTERM") => end(child, signal, ended);
  run.defer(() => stop());
  const { url, zmqPort = 0 } = await firstLine(child);
  const port = Number(new URL(url).port);
  if (name === "web-chat") await ready(url);
  return {
    name,
    port,
    zmqPort,
    process: child,
    cpuMs: () => cpuMs(child.pid) + (redis ? cpuMs(redis.pid) : 0),
    rssBytes: () => memory(child.pid, "VmRSS"),
    peakRssBytes: () => memory(child.pid, "VmHWM"),
    metrics: () => metrics(url),
    stop,
  };
}

/** A temporary folder that is gone after the run. */
export function scratch(run: Run): string {
  const folder = mkdtempSync(join(tmpdir(), "web-chat-bench-"));
  run.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The command on that core alone, where the system can. */
export function pinned(core: number, command: readonly string[]): string[] {
  return existsSync("/usr/bin/taskset") ? ["/usr/bin/taskset", "-c", String(core), ...command] : [...command];
}

/** `BENCH_FLAGS` are for Node, such as `--cpu-prof`. */
function webChat(run: Run, { settings }: ServerOptions): { command: string[]; env: object } {
  const DATA_DIR = settings?.DATA_DIR ?? join(scratch(run), "data");
  const flags = process.env.BENCH_FLAGS?.split(" ").filter(flag => flag !== "") ?? [];
  return {
    command: [process.execPath, ...flags, MAIN],
    env: { PORT: "0", HOST: "127.0.0.1", LOG_LEVEL: "info", ...UNLIMITED, ...settings, DATA_DIR },
  };
}

function peer(name: ServerName, redisUrl: string | undefined): { command: string[]; env: object } {
  return { command: [process.execPath, join(PEERS, `${name}.ts`)], env: { REDIS_URL: redisUrl } };
}

/** The first line that tells an address. */
async function firstLine({ stdout }: ChildProcess): Promise<{ url: string; zmqPort?: number }> {
  if (!stdout) throw new Error("the server says nothing");
  const lines = createInterface({ input: stdout });
  return new Promise<{ url: string; zmqPort?: number }>((resolve, reject) => {
    lines.on("line", text => {
      const said = text.startsWith("{") ? (JSON.parse(text) as { url?: string; zmqPort?: number }) : {};
      if (said.url !== undefined) resolve(said as { url: string });
    });
    lines.once("close", () => reject(new Error("the server did not start")));
  });
}

async function ready(url: string): Promise<void> {
  while (!(await fetch(`${url}/readyz`)).ok) await sleep(5);
}

async function end(child: ChildProcess, signal: NodeJS.Signals, ended: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await ended;
  clearTimeout(killer);
}

async function metrics(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split("\n").filter(line => line !== "" && !line.startsWith("#"));
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]));
}

export function cpuMs(pid: number | undefined): number {
  // The name in it may have spaces: fields are counted from behind it.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function memory(pid: number | undefined, what: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
}
