/** Idle connections: what each takes of the server's memory. All are in a room, and hear one message in the end. */
import { setTimeout as sleep } from "node:timers/promises";
import { connectAll, join } from "../load/crowd.ts";
import { Tally } from "../load/tally.ts";
import { check, pace } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { Skipped, SOCKET_IO, WEB_CHAT, type Workload, WS } from "../workload.ts";

/** Connections that are there before: what only the first ones cost is no matter of each. */
const FIRST = 100;
/** What coming left behind is let go of by then. */
const SETTLE_MS = 8_000;
/** As many people as connections; otherwise each of 100 people has many. */
const STRANGERS = { ...WEB_CHAT, name: "web-chat-4000-people" };
const ROOM = "lobby";

export const workload: Workload = {
  letter: "d",
  title: "4,000 idle connections",
  contenders: [WEB_CHAT, STRANGERS, SOCKET_IO, WS],
  rounds: 2,
  figures: [
    { key: "kb", title: "RSS per connection, KB", digits: 1, ratio: true },
    { key: "rssMb", title: "RSS with all of them, MB" },
    { key: "connectMs", title: "CPU per connection, ms", digits: 2, ratio: true },
    { key: "idleCpuPercent", title: "CPU while idle, %", digits: 1 },
  ],
  async measure(contender, run) {
    if (run.short && contender === STRANGERS) throw new Skipped("no more people in the short form");
    const server = await startServer(contender.server, run);
    const [more, settleMs] = run.short ? [100, 200] : [4_000, SETTLE_MS];
    const hearing = new Tally().room();
    const { tally } = hearing;
    const people = contender === STRANGERS ? FIRST + more : FIRST;
    const clients = await connectAll(server, contender, run, { clients: FIRST, people });
    await Promise.all(clients.map(client => join(client, ROOM, hearing)));
    await sleep(settleMs);
    const before = server.rssBytes();
    const cpuMs = server.cpuMs();
    const others = await connectAll(server, contender, run, { clients: more, people, firstPerson: FIRST });
    await Promise.all(others.map(client => join(client, ROOM, hearing)));
    const connectMs = (server.cpuMs() - cpuMs) / more;
    await sleep(settleMs);
    const rss = server.rssBytes();
    const idleCpuMs = server.cpuMs();
    await sleep(settleMs);
    const idleCpuPercent = ((server.cpuMs() - idleCpuMs) / settleMs) * 100;
    const writers = [{ client: clients[0] as (typeof clients)[0], author: hearing.author(), room: ROOM }];
    const crowd = { tally, clients: [...clients, ...others], writers, rooms: [ROOM] };
    await pace(crowd, { messages: 1, perSecond: 1 });
    await check(crowd, run);
    return { kb: (rss - before) / 1_024 / more, rssMb: rss / 1e6, connectMs, idleCpuPercent };
  },
};
