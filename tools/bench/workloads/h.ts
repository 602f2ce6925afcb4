/** Writing alone: each writer in a room of its own, so that little is delivered. */

import { gather } from "../load/crowd.ts";
import { meshed } from "../load/pair.ts";
import { check, saturate } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { type Contender, WEB_CHAT, type Workload } from "../workload.ts";

const WRITERS = 16;
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
    const inFlight = WRITERS * 64;
    const [warm, messages, maxMs] = run.short ? [500, 2_000, 2_000] : [10_000, 100_000, 10_000];
    await saturate(crowd, { messages: warm, inFlight, maxMs: maxMs / 3 });
    const cpuMs = server.cpuMs();
    const { messages: acked, refused, ms } = await saturate(crowd, { messages, inFlight, maxMs });
    const cpuUs = ((server.cpuMs() - cpuMs) * 1_000) / acked;
    await check(crowd, run);
    return { perSecond: acked / (ms / 1_000), cpuUs, refused };
  },
};
