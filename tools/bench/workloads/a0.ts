/** The load's own limit: frames that were made before, to 200 clients, as fast as the load reads them. */
import { gather, type Writer } from "../load/crowd.ts";
import { check } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import type { Contender, Workload } from "../workload.ts";

const CLIENTS = 200;
const SHORT_CLIENTS = 50;
const PER_WRITE = 256;
const BATCHES: Contender = { name: "prepared-batches", server: "prepared", speech: "ws", durable: false };
const SINGLES: Contender = { name: "prepared-singles", server: "prepared", speech: "ws", durable: false };

export const workload: Workload = {
  letter: "a0",
  title: "The load's own limit: a room of 200, frames made before",
  contenders: [BATCHES, SINGLES],
  figures: [
    { key: "perSecond", title: "deliveries/s" },
    { key: "loadCpuUs", title: "load's CPU per delivery, µs", digits: 3 },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? SHORT_CLIENTS : CLIENTS;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: 1 });
    const { client, author } = crowd.writers[0] as Writer;
    const messages = run.short ? 2_000 : 40_000;
    const perFrame = contender === BATCHES ? PER_WRITE : 1;
    await client.ask("prepare", { prepare: { messages, perFrame, perWrite: PER_WRITE } });
    author.last = messages;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await client.ask("go", { go: true });
    await crowd.tally.until(messages * each);
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    await check(crowd, run);
    const deliveries = messages * each;
    return { perSecond: deliveries / (ms / 1_000), loadCpuUs: (user + system) / deliveries };
  },
};
