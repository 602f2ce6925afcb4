/** Two clients of 200 stop reading: what the others notice of it, what it takes of memory, and that the two are cut off. */
import { setTimeout as sleep } from "node:timers/promises";
import { gather, type Writer } from "../load/crowd.ts";
import { check, saturate } from "../load/writing.ts";
import { type Server, startServer } from "../servers/server.ts";
import { type Run, SOCKET_IO, WEB_CHAT, type Workload, WS } from "../workload.ts";

const STALLED = 2;
const WRITERS = 8;
const PEOPLE = 100;
const IN_FLIGHT = 64;
/** 4 MiB, and what one commit brings beyond. */
const MAX_BUFFERED_BYTES = 8 * 1024 ** 2;
/** What a system keeps on the way and the server for a client is less by far. */
const ENOUGH_BYTES = 64 * 1024 ** 2;
const SAMPLE_MS = 250;
const CUT_WITHIN_MS = 5_000;

export const workload: Workload = {
  letter: "e",
  title: "One client in a hundred stops reading",
  contenders: [WEB_CHAT, SOCKET_IO, WS],
  figures: [
    { key: "before", title: "deliveries/s before" },
    { key: "after", title: "deliveries/s to the others then", ratio: true },
    { key: "share", title: "of before, %" },
    { key: "sentMb", title: "sent meanwhile to each, MB" },
    { key: "grownMb", title: "RSS grown by, MB" },
    { key: "cut", title: "cut off, of 2" },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? 40 : 200;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: WRITERS, people: PEOPLE });
    const filler = "shall we ship it today? 可以。".repeat(run.short ? 120 : 25);
    crowd.writers = crowd.writers.map(writer => ({ ...writer, filler }));
    const [calm, messages, maxMs] = run.short ? [200, 500, 1_000] : [Infinity, Infinity, 5_000];
    await saturate(crowd, { messages: calm, inFlight: IN_FLIGHT, maxMs: maxMs / 2 });
    const before = await saturate(crowd, { messages: calm, inFlight: IN_FLIGHT, maxMs });
    const rss = server.rssBytes();
    const { receivers } = (crowd.writers[0] as Writer).author.room;
    for (const client of crowd.clients.slice(-STALLED)) {
      client.pause();
      receivers.splice(receivers.indexOf(client.receiver as (typeof receivers)[0]), 1);
      client.hearing = undefined;
    }
    const watch = server.name === "web-chat" ? new Watch(server) : undefined;
    const after = await saturate(crowd, { messages, inFlight: IN_FLIGHT, maxMs });
    let bytes = after.messages * filler.length;
    while (watch && watch.cut < STALLED && bytes < ENOUGH_BYTES)
      bytes += (await saturate(crowd, { messages: 500, inFlight: IN_FLIGHT, maxMs })).messages * filler.length;
    await watch?.end(run);
    const cut = watch?.cut ?? 0;
    await check(crowd, run);
    const [perSecond, later] = [before, after].map(({ deliveries, ms }) => deliveries / (ms / 1_000)) as [
      number,
      number,
    ];
    const grownMb = (server.rssBytes() - rss) / 1e6;
    return { before: perSecond, after: later, share: (later / perSecond) * 100, sentMb: bytes / 1e6, grownMb, cut };
  },
};

/** Looks at what waits for slow clients, and at how many were cut off. */
class Watch {
  cut = 0;
  readonly #server: Server;
  readonly #sampling: Promise<void>;
  #mostBytes = 0;
  #isOver = false;

  constructor(server: Server) {
    this.#server = server;
    this.#sampling = this.#sampleOn();
  }

  /** A backlog that was too long is a fault, and one who was not cut. */
  async end(run: Run): Promise<void> {
    const until = performance.now() + CUT_WITHIN_MS;
    while (this.cut < STALLED && performance.now() < until) await sleep(SAMPLE_MS);
    this.#isOver = true;
    await this.#sampling;
    if (this.cut < STALLED) run.fault(`${STALLED - this.cut} of ${STALLED} who stopped reading were not cut off`);
    if (this.#mostBytes > MAX_BUFFERED_BYTES) run.fault(`${this.#mostBytes} bytes waited for one client`);
  }

  async #sampleOn(): Promise<void> {
    for (; !this.#isOver; await sleep(SAMPLE_MS)) {
      const metrics = await this.#server.metrics();
      this.#mostBytes = Math.max(this.#mostBytes, metrics.get("chat_client_buffered_bytes_max") ?? 0);
      this.cut = metrics.get("chat_slow_clients_cut_total") ?? 0;
    }
  }
}
