/** Writing alone: each writer in a room of its own, so that little is delivered. */

import { gather } from "../load/crowd.ts";
import { meshed } from "../load/pair.ts";
import { check, measureSaturated } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { type Contender, WEB_CHAT, type Workload } from "../workload.ts";

const WRITERS = 16;
/** Enough for large commits, and no more than a node always takes: whoever is refused waits, and measures that. */
const IN_FLIGHT = 384;
const ON_TWO: Contender = { ...WEB_CHAT, name: "web-chat ACK=peer" };

export const workload: Workload = {
  letter: "h",
  title: "Acked writes a second, with ACK=local and with ACK=peer",
  contenders: [{ ...WEB_CHAT, name: "web-chat ACK=local" }, ON_TWO],
  figures: [
    { key: "perSecond", title: "acked writes/s" },
    { key: "cpuUs", title: "CPU of that node a write, µs", digits: 1 },
    { key: "refused", title: "put off" },
  ],
  async measure(contender, run) {
    const ack = contender === ON_TWO ? "peer" : "local";
    const server = await startServer(contender.server, run, { settings: { ACK: ack } });
    if (ack === "peer") {
      const settings = { ZMQ_HOST: `127.0.0.1:${server.zmqPort}` };
      await meshed([server, await startServer(contender.server, run, { settings })]);
    }
    const crowd = await gather(server, contender, run, { rooms: WRITERS, each: 1, writers: 1 });
    const { took, cpuMs } = await measureSaturated(crowd, run, { inFlight: IN_FLIGHT, cpuMs: () => server.cpuMs() });
    await check(crowd, run);
    const { messages: acked, refused, ms } = took;
    return { perSecond: acked / (ms / 1_000), cpuUs: (cpuMs * 1_000) / acked, refused };
  },
};
