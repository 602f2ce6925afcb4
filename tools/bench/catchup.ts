/**
 * How fast a node catches up with what it missed, in how much memory, and at which cost: `node tools/bench/catchup.ts
 * [envelopes]`. Two nodes as processes; each takes 25 live messages a second meanwhile. Linux.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { makeData, type Program, residentMegabytes, run, say, threadTimes } from "./sample.ts";

const ENVELOPES = Number(process.argv[2] ?? 200_000);
const LIVE_EVERY_MS = 40;
/** Being asked costs the nodes time, too. */
const LOOK_EVERY_MS = 250;
/** What starting left on the heap is given back by then. */
const SETTLE_MS = 4_000;

/** When catching up began: acks count from then on. */
let beganAt = 0;

const folder = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const programs: Program[] = [];
try {
  const [full, empty] = [join(folder, "full"), join(folder, "empty")];
  await makeData(full, ENVELOPES);
  const zmqPort = await freePort();
  // It is there first, and finds nobody: what it takes while it idles is known, and what catching up adds to it.
  const behind = await start({ DATA_DIR: empty, ZMQ_HOST: `127.0.0.1:${zmqPort}` });
  const [cy, ana] = [await talk(behind.url, "Cy"), { stop: () => "" }];
  await sleep(SETTLE_MS);
  const idle = await residentMegabytes(behind.program.process);
  const ahead = await start({ DATA_DIR: full, ZMQ_PORT: String(zmqPort) });
  Object.assign(ana, await talk(ahead.url, "Ana"));
  const nodes = [behind, ahead];
  const before = await Promise.all(nodes.map(({ program }) => threadTimes(program.process)));
  const { seconds, caught, peak } = await caughtUp(behind);
  const after = await Promise.all(nodes.map(({ program }) => threadTimes(program.process)));
  say(`${caught} envelopes`, `${seconds.toFixed(1)} s, ${Math.round(caught / seconds)}/s`);
  say("memory of the node that catches up", `idle ${idle} MB, peak ${peak} MB`);
  say("acks of the node that catches up meanwhile", cy.stop());
  say("acks of the other", ana.stop());
  for (const [index, name] of ["the node that catches up", "the other"].entries()) {
    const [start, end] = [before[index], after[index]] as [Map<string, number>, Map<string, number>];
    const spent = [...end].map(([thread, ms]) => [thread, ((ms - (start.get(thread) ?? 0)) / caught) * 1_000] as const);
    const all = spent.reduce((sum, [, microseconds]) => sum + microseconds, 0);
    const most = spent.filter(([, microseconds]) => microseconds >= 0.1).sort(([, a], [, b]) => b - a);
    const threads = most.map(([thread, microseconds]) => `${thread} ${microseconds.toFixed(1)}`).join(", ");
    say(`CPU of ${name}, an envelope`, `${all.toFixed(1)} µs (${threads})`);
  }
} finally {
  for (const { process, ended } of programs) {
    process.kill("SIGTERM");
    await ended.catch(() => {});
  }
  await rm(folder, { recursive: true });
}

async function start(settings: Record<string, string>): Promise<{ url: string; program: Program }> {
  const program = run({ RATE_LIMIT: "0", ...settings });
  programs.push(program);
  const { url } = JSON.parse(await program.line('"url"')) as { url: string };
  return { url, program };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await new Promise(resolve => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** Sends a message every now and then; `stop` returns how long the acks took since the node was the first time under load. */
async function talk(url: string, name: string): Promise<{ stop(): string }> {
  const socket = io(url, { auth: { name }, transports: ["websocket"] });
  await new Promise(resolve => socket.once("welcome", resolve));
  await socket.emitWithAck("join", { room: "lobby", cursor: {} });
  const acks: { at: number; ms: number }[] = [];
  const timer = setInterval(async () => {
    const at = performance.now();
    const answer = await socket
      .emitWithAck("text", { room: "lobby", body: { text: "meanwhile" } })
      .catch(() => undefined);
    if (answer?.ok) acks.push({ at, ms: performance.now() - at });
  }, LIVE_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      socket.disconnect();
      const times = acks.filter(({ at }) => at >= beganAt).map(({ ms }) => ms);
      times.sort((a, b) => a - b);
      const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
      return `${times.length}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
    },
  };
}

/** Resolves when it has what the other had at first: how much of it was caught up within how long, and in how much memory. */
async function caughtUp({ url, program }: { url: string; program: Program }) {
  const atFirst = await committed(url);
  let [before, peak] = [0, 0];
  for (;;) {
    const had = (await committed(url)) - atFirst;
    const now = performance.now();
    peak = Math.max(peak, await residentMegabytes(program.process));
    if (beganAt === 0 && had > 500) [before, beganAt] = [had, now];
    if (had >= ENVELOPES) return { seconds: (now - beganAt) / 1_000, caught: had - before, peak };
    await sleep(LOOK_EVERY_MS);
  }
}

async function committed(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^chat_envelopes_committed_total (\d+)/m.exec(metrics)?.[1] ?? 0);
}
