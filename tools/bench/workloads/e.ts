/** Two clients of 200 stop reading: what the others notice of it, what it takes of memory, and that the two are cut off. */
import { setTimeout as sleep } from "node:timers/promises";
import { gather, type Writer } from "../load/crowd.ts";
import { check, saturate } from "../load/writing.ts";
import { type Server, startServer } from "../servers/server.ts";
import { type Run, SOCKET_IO, WEB_CHAT, WEB_CHAT_PLAIN, type Workload, WS } from "../workload.ts";

const STALLED = 2;
const WRITERS = 8;
const PEOPLE = 100;
const IN_FLIGHT = 64;
/** 4 MiB, and what one commit brings beyond. */
const MAX_BUFFERED_BYTES = 8 * 1024 ** 2;
const SAMPLE_MS = 250;
const CUT_WITHIN_MS = 5_000;

export const workload: Workload = {
  letter: "e",
  title: "One client in a hundred stops reading",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, SOCKET_IO, WS],
  figures: [
    { key: "before", title: "deliveries/s before" },
    { key: "after", title: "deliveries/s to the others then", ratio: true },
    { key: "share", title: "of before, %" },
    { key: "grownMb", title: "RSS grown by, MB" },
    { key: "cut", title: "cut off, of 2" },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? 40 : 200;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: WRITERS, people: PEOPLE });
    const filler = "shall we ship it today? 可以。".repeat(run.short ? 120 : 25);
    crowd.writers = crowd.writers.map(writer => ({ ...writer, filler }));
    const [calm, messages, maxMs] = run.short ? [500, 5_000, 4_000] : [5_000, 20_000, 10_000];
    await saturate(crowd, { messages: calm, inFlight: IN_FLIGHT, maxMs: maxMs / 3 });
    const before = await saturate(crowd, { messages: calm, inFlight: IN_FLIGHT, maxMs });
    const rss = server.rssBytes();
    const { receivers } = (crowd.writers[0] as Writer).author.room;
    for (const client of crowd.clients.slice(-STALLED)) {
      client.pause();
      receivers.splice(receivers.indexOf(client.receiver as (typeof receivers)[0]), 1);
      client.hearing = undefined;
    }
    const watch = server.name === "web-chat" ? watchBacklog(server, run) : undefined;
    const after = await saturate(crowd, { messages, inFlight: IN_FLIGHT, maxMs });
    const cut = (await watch?.()) ?? 0;
    await check(crowd, run);
    const [perSecond, later] = [before, after].map(({ deliveries, ms }) => deliveries / (ms / 1_000)) as [
      number,
      number,
    ];
    const grownMb = (server.rssBytes() - rss) / 1e6;
    return { before: perSecond, after: later, share: (later / perSecond) * 100, grownMb, cut };
  },
};

/** Returns what ends it, and resolves with how many were cut off. Too long a backlog is a fault, and one who is not cut. */
function watchBacklog(server: Server, run: Run): () => Promise<number> {
  let most = 0;
  let cut = 0;
  const sample = async () => {
    const metrics = await server.metrics();
    most = Math.max(most, metrics.get("chat_client_buffered_bytes_max") ?? 0);
    cut = metrics.get("chat_slow_clients_cut_total") ?? 0;
  };
  let isOver = false;
  const sampling = (async () => {
    for (; !isOver; await sleep(SAMPLE_MS)) await sample();
  })();
  return async () => {
    isOver = true;
    await sampling;
    const until = performance.now() + CUT_WITHIN_MS;
    while (cut < STALLED && performance.now() < until) {
      await sleep(SAMPLE_MS);
      await sample();
    }
    if (cut < STALLED) run.fault(`${STALLED - cut} of ${STALLED} who stopped reading were not cut off`);
    if (most > MAX_BUFFERED_BYTES) run.fault(`${most} bytes waited for one client`);
    return cut;
  };
}
