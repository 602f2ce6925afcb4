/**
 * What a mesh of nodes takes while nothing happens: `node tools/bench/mesh.ts [nodes] [seconds]`. All are processes on this
 * machine, and are told the address of the first; each has taken a message. Linux.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { type Program, residentMegabytes, run, say, threadTimes } from "./sample.ts";

const [NODES, SECONDS] = [Number(process.argv[2] ?? 16), Number(process.argv[3] ?? 20)];
/** What starting leaves to be done, above all for the compiler, is over by then. */
const SETTLE_MS = 30_000;

type Started = { url: string; zmqPort: number };

const folder = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const programs: Program[] = [];
try {
  const first = await start();
  const startedAt = performance.now();
  const others = await Promise.all(Array.from({ length: NODES - 1 }, () => start(first)));
  const servedAt = performance.now();
  for (const { url } of [first, ...others]) await meshed(url);
  const meshedAt = performance.now();
  say(`${NODES} nodes`, `started in ${seconds(servedAt - startedAt)}, a mesh ${seconds(meshedAt - servedAt)} later`);
  for (const [index, { url }] of [first, ...others].entries()) await write(url, `Ana ${index}`);
  await sleep(SETTLE_MS);
  const before = await allTimes();
  const measuredAt = performance.now();
  await sleep(SECONDS * 1_000);
  const after = await allTimes();
  const elapsed = performance.now() - measuredAt;
  const percent = (milliseconds: number) => `${((milliseconds / elapsed) * 100).toFixed(2)} %`;
  const spent = [...after].map(([name, milliseconds]) => [name, milliseconds - (before.get(name) ?? 0)] as const);
  const all = spent.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  say("CPU of all together", `${percent(all)} of a core over ${SECONDS} s`);
  for (const [name, milliseconds] of spent.sort(([, a], [, b]) => b - a)) say(`  ${name}`, percent(milliseconds));
  const memory = await Promise.all(programs.map(({ process }) => residentMegabytes(process)));
  say("memory of all together", `${memory.reduce((sum, megabytes) => sum + megabytes, 0)} MB`);
} finally {
  await Promise.all(
    programs.map(({ process, ended }) => {
      process.kill("SIGTERM");
      return ended.catch(() => {});
    }),
  );
  await rm(folder, { recursive: true });
}

async function start(named?: Started): Promise<Started> {
  const dataDir = join(folder, String(programs.length));
  const program = run({ DATA_DIR: dataDir, ...(named && { ZMQ_HOST: `127.0.0.1:${named.zmqPort}` }) });
  programs.push(program);
  return JSON.parse(await program.line('"url"')) as Started;
}

/** Resolves when the node at `url` has all others as peers that are up. */
async function meshed(url: string): Promise<void> {
  for (;;) {
    const { peers } = (await (await fetch(`${url}/healthz`)).json()) as { peers: { up: boolean }[] };
    if (peers.filter(({ up }) => up).length === NODES - 1) return;
    await sleep(20);
  }
}

/** So that the node has a stream of its own, whose end it tells with each heartbeat. */
async function write(url: string, name: string): Promise<void> {
  const socket = io(url, { auth: { name }, transports: ["websocket"] });
  await new Promise(resolve => socket.once("welcome", resolve));
  await socket.emitWithAck("join", { room: "lobby", cursor: {} });
  await socket.emitWithAck("text", { room: "lobby", body: { text: "hello" } });
  socket.disconnect();
}

/** Milliseconds on a core so far, of all nodes together, by the names of the threads. */
async function allTimes(): Promise<Map<string, number>> {
  const all = new Map<string, number>();
  for (const { process } of programs)
    for (const [name, milliseconds] of await threadTimes(process)) all.set(name, (all.get(name) ?? 0) + milliseconds);
  return all;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}
