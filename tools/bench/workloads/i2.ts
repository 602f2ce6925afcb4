/** What a delivery costs as a room grows: 10, 100, 1,000 and 4,000 clients. */
import type { Client } from "../load/client.ts";
import { connectAll, join, type Writer } from "../load/crowd.ts";
import { Tally } from "../load/tally.ts";
import { check, measureSaturated } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { type Figures, SOCKET_IO, WEB_CHAT, type Workload } from "../workload.ts";

const SIZES = [10, 100, 1_000, 4_000];
const SHORT_SIZES = [10, 100];
const PEOPLE = 100;
const WRITERS = 8;
const IN_FLIGHT = 256;
const FOR_MS = 3_000;
const ROOM = "lobby";

export const workload: Workload = {
  letter: "i2",
  title: "As a room grows: 10, 100, 1,000, 4,000 clients",
  contenders: [WEB_CHAT, SOCKET_IO],
  rounds: 2,
  figures: SIZES.flatMap(size => [
    { key: `perSecond${size}`, title: `${size} clients: deliveries/s`, ratio: true as const },
    { key: `cpuUs${size}`, title: `${size}: CPU per delivery, µs`, digits: 2, ratio: true as const },
  ]),
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const hearing = new Tally().room();
    const crowd = { tally: hearing.tally, clients: [] as Client[], writers: [] as Writer[], rooms: [ROOM] };
    const figures: Figures = {};
    for (const size of run.short ? SHORT_SIZES : SIZES) {
      const clients = size - crowd.clients.length;
      const more = await connectAll(server, contender, run, {
        clients,
        people: PEOPLE,
        firstPerson: crowd.clients.length,
      });
      await Promise.all(more.map(client => join(client, ROOM, hearing)));
      crowd.clients.push(...more);
      if (crowd.writers.length === 0)
        crowd.writers = more.slice(0, WRITERS).map(client => ({ client, author: hearing.author(), room: ROOM }));
      const { took, cpuMs } = await measureSaturated(crowd, run, {
        inFlight: IN_FLIGHT,
        cpuMs: () => server.cpuMs(),
        forMs: FOR_MS,
      });
      figures[`perSecond${size}`] = took.deliveries / (took.ms / 1_000);
      figures[`cpuUs${size}`] = (cpuMs * 1_000) / took.deliveries;
    }
    await check(crowd, run);
    return figures;
  },
};
