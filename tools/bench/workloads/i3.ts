/** What a message costs as rooms grow in number: 1, 10, 100 and 1,000, with the same ten clients in all of them. */
import { connectAll, join, makeRooms, type Writer } from "../load/crowd.ts";
import { Tally } from "../load/tally.ts";
import { check, measureSaturated } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { type Figures, SOCKET_IO, WEB_CHAT, type Workload } from "../workload.ts";

const COUNTS = [1, 10, 100, 1_000];
const SHORT_COUNTS = [1, 10, 100];
const CLIENTS = 10;
const IN_FLIGHT = 256;
const FOR_MS = 3_000;

export const workload: Workload = {
  letter: "i3",
  title: "As rooms grow in number: 1, 10, 100, 1,000 rooms of the same 10 clients",
  contenders: [WEB_CHAT, SOCKET_IO],
  rounds: 2,
  figures: COUNTS.flatMap(count => [
    { key: `perSecond${count}`, title: `${count} rooms: messages/s`, ratio: true as const },
    { key: `cpuUs${count}`, title: `${count}: CPU per message, µs`, digits: 1, ratio: true as const },
  ]),
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    // One room for the tally: all hear all of them.
    const hearing = new Tally().room();
    const clients = await connectAll(server, contender, run, { clients: CLIENTS });
    const counts = run.short ? SHORT_COUNTS : COUNTS;
    const rooms = await makeRooms(server, contender, counts.at(-1) as number);
    const crowd = { tally: hearing.tally, clients, writers: [] as Writer[], rooms };
    const figures: Figures = {};
    let joined = 0;
    for (const count of counts) {
      for (; joined < count; joined++)
        await Promise.all(clients.map(client => join(client, rooms[joined] as string, hearing)));
      crowd.writers = Array.from({ length: Math.max(count, IN_FLIGHT) }, (_, index) => ({
        client: clients[index % CLIENTS] as (typeof clients)[0],
        author: hearing.author(),
        room: rooms[index % count] as string,
      }));
      const { took, cpuMs } = await measureSaturated(crowd, run, {
        inFlight: IN_FLIGHT,
        cpuMs: () => server.cpuMs(),
        forMs: FOR_MS,
      });
      figures[`perSecond${count}`] = took.messages / (took.ms / 1_000);
      figures[`cpuUs${count}`] = (cpuMs * 1_000) / took.messages;
    }
    await check(crowd, run);
    return figures;
  },
};
