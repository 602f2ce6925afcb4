/**
 * How fast a node catches up with what it missed, and in how much memory: `node tools/bench/catchup.ts [envelopes]`. Two
 * nodes as processes; the one that has everything takes live messages meanwhile. Linux.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { makeData, type Program, peakMegabytes, residentMegabytes, run, say } from "./sample.ts";

const ENVELOPES = Number(process.argv[2] ?? 200_000);
const LIVE_EVERY_MS = 20;

type Started = { url: string; zmqPort: number };

const folder = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const programs: Program[] = [];
try {
  const [full, empty] = [join(folder, "full"), join(folder, "empty")];
  await makeData(full, ENVELOPES);
  const { url, zmqPort } = await start({ DATA_DIR: full });
  const live = await talk(url);
  const startedAt = performance.now();
  const behind = await start({ DATA_DIR: empty, ZMQ_HOST: `127.0.0.1:${zmqPort}` });
  const program = programs.at(-1) as Program;
  const idle = await residentMegabytes(program.process);
  // From here on it only waits for what it lacks.
  const servedAt = performance.now();
  await caughtUp(behind.url);
  const seconds = (performance.now() - servedAt) / 1_000;
  say(
    `${ENVELOPES} envelopes`,
    `${seconds.toFixed(1)} s, ${Math.round(ENVELOPES / seconds)}/s (started in ${Math.round(servedAt - startedAt)} ms)`,
  );
  say("memory of the node that caught up", `${idle} MB at first, peak ${await peakMegabytes(program.process)} MB`);
  say("memory of the other", `peak ${await peakMegabytes((programs[0] as Program).process)} MB`);
  say("acks of the other meanwhile", live());
} finally {
  for (const { process, ended } of programs) {
    process.kill("SIGTERM");
    await ended.catch(() => {});
  }
  await rm(folder, { recursive: true });
}

async function start(settings: Record<string, string>): Promise<Started> {
  const program = run({ RATE_LIMIT: "0", ...settings });
  programs.push(program);
  return JSON.parse(await program.line('"url"')) as Started;
}

/** Sends a message every now and then; returns what tells how long the acks took. */
async function talk(url: string): Promise<() => string> {
  const socket = io(url, { auth: { name: "Ana" }, transports: ["websocket"] });
  await new Promise(resolve => socket.once("welcome", resolve));
  await socket.emitWithAck("join", { room: "lobby", cursor: {} });
  const times: number[] = [];
  const timer = setInterval(async () => {
    const at = performance.now();
    await socket.emitWithAck("text", { room: "lobby", body: { text: "meanwhile" } });
    times.push(performance.now() - at);
  }, LIVE_EVERY_MS);
  return () => {
    clearInterval(timer);
    socket.disconnect();
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
    return `${times.length}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
  };
}

async function caughtUp(url: string): Promise<void> {
  for (;;) {
    const { peers } = (await (await fetch(`${url}/healthz`)).json()) as { peers: { behind: number; up: boolean }[] };
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const committed = Number(/^chat_envelopes_committed_total (\d+)/m.exec(metrics)?.[1] ?? 0);
    if (committed >= ENVELOPES && peers.length > 0) return;
    await sleep(10);
  }
}
