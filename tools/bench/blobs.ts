/**
 * How long blobs take from one node to another, and what people who write meanwhile feel of it: `node tools/bench/blobs.ts
 * [megabytes] [megabytes of each] [rounds]`. Two nodes as processes; on each, 25 messages a second are sent, which the other
 * hears. Each round is as long a calm, and then the blobs. Linux.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { io, type Socket } from "socket.io-client";
import { type Program, peakMegabytes, residentMegabytes, runProgram, say } from "./sample.ts";

const ALL = Number(process.argv[2] ?? 100);
const EACH = Number(process.argv[3] ?? 1);
const ROUNDS = Number(process.argv[4] ?? 5);
const MEGABYTE = 1_000_000;
const LIVE_EVERY_MS = 40;
/** What starting costs is over by then, or what was uploaded is on disk. */
const SETTLE_MS = 4_000;
const CALM_MS = 3_000;

type Timed = { at: number; ms: number };
type Span = { from: number; to: number };
type Client = { socket: Socket; token: string; url: string };

const folder = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const programs: Program[] = [];
const talks: ReturnType<typeof talk>[] = [];
try {
  const sender = await start("sender");
  const fetcher = await start("fetcher", { ZMQ_HOST: `127.0.0.1:${sender.zmqPort}` });
  const [ana, bo] = [await enter(sender.url, "Ana"), await enter(fetcher.url, "Bo")];
  const idle = await residentMegabytes(fetcher.program.process);
  talks.push(talk(ana, bo), talk(bo, ana));
  const [calm, busy]: [Span[], Span[]] = [[], []];
  for (let round = 1; round <= ROUNDS; round++) {
    const hashes = await upload(ana);
    await sleep(SETTLE_MS);
    const began = performance.now();
    await sleep(CALM_MS);
    const sent = performance.now();
    for (const hash of hashes) ana.socket.emit("file", { room: "lobby", body: { hashes: [hash] } });
    while ((await blobsOf(fetcher.url)) < round * hashes.length) await sleep(50);
    calm.push({ from: began, to: sent });
    busy.push({ from: sent, to: performance.now() });
  }
  tell("calm", calm);
  tell("while the blobs go over", busy);
  const rates = busy.map(({ from, to }) => Math.round(ALL / ((to - from) / 1_000)));
  say(`${ALL} MB in blobs of ${EACH} MB, MB/s`, rates.join(", "));
  const peak = await peakMegabytes(fetcher.program.process);
  say("memory of the node that fetches", `idle ${idle} MB, peak ${peak} MB`);
} finally {
  for (const { stop } of talks) stop();
  for (const { process, ended } of programs) {
    process.kill("SIGTERM");
    await ended.catch(() => {});
  }
  await rm(folder, { recursive: true });
}

async function start(name: string, settings: Record<string, string> = {}) {
  const program = runProgram(join(import.meta.dirname, "file-node.ts"), {
    RATE_LIMIT: "0",
    BLOB_QUOTA: "0",
    NODE_NAME: name,
    DATA_DIR: join(folder, name),
    ...settings,
  });
  programs.push(program);
  const { url, zmqPort } = JSON.parse(await program.line('"url"')) as { url: string; zmqPort: number };
  return { url, zmqPort, program };
}

async function enter(url: string, name: string): Promise<Client> {
  const socket = io(url, { auth: { name }, transports: ["websocket"], forceNew: true });
  const { token } = await new Promise<{ token: string }>(resolve => socket.once("welcome", resolve));
  await socket.emitWithAck("join", { room: "lobby" });
  return { socket, token, url };
}

async function upload({ url, token }: Client): Promise<string[]> {
  const hashes: string[] = [];
  for (let sent = 0; sent < ALL; sent += EACH) {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${url}/blobs`, { method: "PUT", headers, body: randomBytes(EACH * MEGABYTE) });
    const told = (await answer.json()) as { ok: boolean; hash: string; message?: string };
    if (!told.ok) throw new Error(told.message);
    hashes.push(told.hash);
  }
  return hashes;
}

/** Sends a message every now and then; how long each took to be acked, and to be heard on the other node. */
function talk({ socket, url }: Client, other: Client) {
  const [acks, heard]: [Timed[], Timed[]] = [[], []];
  const sentAt = new Map<string, number>();
  other.socket.on("text", ({ body }: { body: { text: string } }) => {
    const at = sentAt.get(body.text);
    if (at !== undefined) heard.push({ at, ms: performance.now() - at });
  });
  const timer = setInterval(async () => {
    const at = performance.now();
    const text = `${url} ${at}`;
    sentAt.set(text, at);
    const answer = await socket.emitWithAck("text", { room: "lobby", body: { text } }).catch(() => undefined);
    if (answer?.ok) acks.push({ at, ms: performance.now() - at });
  }, LIVE_EVERY_MS);
  const stop = () => {
    clearInterval(timer);
    socket.disconnect();
  };
  return { acks, heard, stop };
}

function tell(when: string, spans: readonly Span[]): void {
  for (const [index, who] of ["sender", "fetcher"].entries()) {
    const { acks = [], heard = [] } = talks[index] ?? {};
    say(`${when}, written on the ${who}`, `acked ${spread(acks, spans)}; heard on the other ${spread(heard, spans)}`);
  }
}

function spread(timed: readonly Timed[], spans: readonly Span[]): string {
  const within = (at: number) => spans.some(({ from, to }) => at >= from && at < to);
  const times = timed.flatMap(({ at, ms }) => (within(at) ? [ms] : [])).sort((a, b) => a - b);
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1);
  return `${times.length}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`;
}

async function blobsOf(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^chat_blobs (\d+)/m.exec(metrics)?.[1] ?? 0);
}
