/** One room of 200, as much as goes through. */
import { gather } from "../load/crowd.ts";
import { check, inFlightOf, measureSaturated } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { ALL, type Workload } from "../workload.ts";

const CLIENTS = 200;
const SHORT_CLIENTS = 50;
const WRITERS = 8;

export const workload: Workload = {
  letter: "a1",
  title: "One room of 200, saturated",
  contenders: ALL,
  figures: [
    { key: "perSecond", title: "deliveries/s", ratio: true },
    { key: "cpuUs", title: "server CPU per delivery, µs", digits: 2, ratio: true },
    { key: "peakMb", title: "peak RSS, MB" },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? SHORT_CLIENTS : CLIENTS;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: WRITERS });
    const { took, cpuMs } = await measureSaturated(crowd, run, {
      inFlight: inFlightOf(contender),
      cpuMs: () => server.cpuMs(),
    });
    const cpuUs = (cpuMs * 1_000) / took.deliveries;
    await check(crowd, run);
    return { perSecond: took.deliveries / (took.ms / 1_000), cpuUs, peakMb: server.peakRssBytes() / 1e6 };
  },
};
