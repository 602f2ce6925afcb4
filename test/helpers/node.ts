/** Nodes for tests: in this process, or as processes of their own that can be killed. All end with the test. */
import {
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
  type SpawnOptionsWithoutStdio,
  spawn,
} from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { readConfig } from "../../core/config.ts";
import { type Logger, type RunningNode, startNode } from "../../core/node.ts";
import type { Given } from "../../core/settings.ts";
import { realTime, type Time } from "../../core/time.ts";
import plugins from "../../plugins/server.ts";
import { cleanUp } from "./cleanup.ts";
import { freePort } from "./port.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FROM_SOURCE = [process.execPath, join(ROOT, "core/main.ts")];
const quiet = { info() {}, warn() {}, error() {} };

/** A folder that is removed with the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "web-chat-test-"));
  cleanUp(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export type TestNode = RunningNode;

/** Ports that are its own, also when it is started again, and no limits. */
async function defaults({ PORT, ZMQ_PORT }: Given): Promise<Given> {
  const ports = PORT === undefined && ZMQ_PORT === undefined && [String(await freePort()), String(await freePort())];
  return {
    HOST: "127.0.0.1",
    RATE_LIMIT: "0",
    CLAIM_LIMIT: "0",
    ...(ports ? { PORT: ports[0], ZMQ_PORT: ports[1] } : { PORT: "0" }),
  };
}

/** A node in this process, on free ports, without limits unless `settings` say otherwise. */
export async function newNode(
  t: TestContext,
  settings: Given = {},
  types = plugins,
  logger: Logger = quiet,
  time: Time = realTime,
): Promise<TestNode> {
  const dataDir = settings.DATA_DIR ?? temporaryDirectory(t);
  const given = { ...(await defaults(settings)), NODE_NAME: "node", ...settings };
  const config = readConfig({ ...given, DATA_DIR: dataDir });
  const node = await startNode({ config, plugins: types, version: "test", ui: join(ROOT, "dist/ui"), logger, time });
  cleanUp(t, () => node.stop());
  return node;
}

/** The setting that names a node to another. */
export function peer(...nodes: { zmqPort: number }[]): Given {
  return { ZMQ_HOST: nodes.map(({ zmqPort }) => `127.0.0.1:${zmqPort}`).join(",") };
}

/** Resolves when all hold the same log; rejects if they do not come to it. */
export async function converged(...nodes: TestNode[]): Promise<void> {
  const until = performance.now() + 45_000;
  for (;;) {
    const digests = new Set(await Promise.all(nodes.map(({ log }) => log.digest())));
    if (digests.size === 1) return;
    if (performance.now() > until) {
      const held = nodes.map(async node => ({
        sees: node.nodes().map(({ name }) => name),
        heads: await node.log.heads(),
      }));
      throw new Error(`the logs stay different: ${JSON.stringify(await Promise.all(held))}`);
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

export type NodeProcess = {
  url: string;
  port: number;
  zmqPort: number;
  dataDir: string;
  process: ChildProcess;
  /** Everything that it has logged, a line an entry. */
  lines: string[];
  /** Resolves when it has logged a line that has this text, or so many of them; rejects if none comes. */
  logged(text: string, times?: number): Promise<void>;
  /** Resolves when `/readyz` answers 200. */
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
};

/** How many the process has open; none where the system does not say. */
export function openFiles({ process: { pid } }: NodeProcess): number {
  return process.platform === "linux" ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

/** Settings, and what else of the environment is to be there. */
export type Environment = Given & { HOME?: string; PATH?: string; XDG_CACHE_HOME?: string };

/** A node as a process of its own, from source unless another program is named. Resolves when it serves. */
export async function spawnNode(
  t: TestContext,
  settings: Environment = {},
  wrapper: string[] = [],
  flags: readonly string[] = [],
  program = FROM_SOURCE,
): Promise<NodeProcess> {
  const dataDir = settings.DATA_DIR ?? temporaryDirectory(t);
  const given = { ...(await defaults(settings)), ...settings, DATA_DIR: dataDir };
  const node = runNode(given, wrapper, flags, program);
  cleanUp(t, () => node.kill("SIGKILL"));
  await Promise.race([
    node.logged('"url"'),
    once(node.process, "exit").then(() => {
      throw new Error(`the node ended at start: ${node.lines.join("\n")}`);
    }),
  ]);
  const started = JSON.parse(node.lines.find(line => line.includes('"url"')) as string) as {
    url: string;
    zmqPort: number;
    dataDir: string;
  };
  const ready = async () => {
    for (;;) {
      const answer = await fetch(`${started.url}/readyz`).catch(() => undefined);
      if (answer?.status === 200) return;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  return { ...node, ...started, port: Number(new URL(started.url).port), ready };
}

export type Told = { code: number | null; out: string; error: string };

/** Runs a command of the program to its end, on the node whose data directory that is. */
export async function command(dataDir: string, ...words: string[]): Promise<Told> {
  return told(spawnCommand(dataDir, words));
}

/** What every process needs that runs from source; the cache saves it a quarter of its start. */
const OWN_ENVIRONMENT = {
  PATH: process.env.PATH,
  ...(process.env.NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
};

/** A command of the program as a process of its own; its standard streams are pipes. */
export function spawnCommand(dataDir: string, words: string[], options: SpawnOptionsWithoutStdio = {}) {
  const env = { ...OWN_ENVIRONMENT, DATA_DIR: dataDir };
  return spawn(process.execPath, [join(ROOT, "core/main.ts"), ...words], { env, ...options });
}

/** What a process has said when it has ended. */
export async function told(child: ChildProcessWithoutNullStreams): Promise<Told> {
  child.stdin.end();
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, out, error };
}

/** Runs the program with these settings, and nothing else of them from the environment. */
export function runNode(
  settings: Environment,
  wrapper: string[] = [],
  flags: readonly string[] = [],
  program = FROM_SOURCE,
) {
  const [command = "", ...words] = [...wrapper, ...program, ...flags];
  const child = spawn(command, words, {
    env: {
      ...(program === FROM_SOURCE ? OWN_ENVIRONMENT : { PATH: process.env.PATH }),
      ...settings,
    } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", line => {
      lines.push(line);
      for (const check of waiting) check();
    });
  // Not "exit": what it said last may still be on its way then.
  const ended = once(child, "close") as Promise<[number | null]>;
  const logged = (text: string, times = 1) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (lines.filter(line => line.includes(text)).length < times) return;
        clearTimeout(givenUp);
        waiting.delete(check);
        resolve();
      };
      // Sooner than the test's own end, which does not say what it waited for.
      const givenUp = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`“${text}” is not logged; last it said:\n${lines.slice(-20).join("\n")}`));
      }, 90_000).unref();
      waiting.add(check);
      check();
    });
  const kill = async (signal: NodeJS.Signals) => {
    // Under a wrapper such as strace the node is a child of the child; its own log says which.
    const pid = wrapper.length > 0 ? Number(/"pid":(\d+)/.exec(lines.join())?.[1]) : child.pid;
    if (pid && child.exitCode === null && child.signalCode === null) process.kill(pid, signal);
    return (await ended)[0];
  };
  return { process: child, lines, logged, kill, ended: ended.then(([code]) => code) };
}

/** Runs a command to its end, with these settings in its environment. */
export async function runCommand(
  words: readonly string[],
  settings: Given = {},
): Promise<{ code: number | null; output: string }> {
  const { ended, lines } = runNode(settings, [], words);
  const code = await ended;
  return { code, output: lines.join("\n") };
}
