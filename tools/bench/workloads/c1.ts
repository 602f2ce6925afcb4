/** One node to another, as much as goes through: somebody writes at the one, and 200 read at the other. */
import { pair } from "../load/pair.ts";
import { check, inFlightOf, measureSaturated } from "../load/writing.ts";
import { REDIS, REDIS_STREAMS, WEB_CHAT, WEB_CHAT_PLAIN, type Workload } from "../workload.ts";

const READERS = 200;

export const workload: Workload = {
  letter: "c1",
  title: "From one node to 200 clients of another, saturated",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, REDIS, REDIS_STREAMS],
  figures: [
    { key: "perSecond", title: "deliveries/s", ratio: true },
    { key: "cpuUs", title: "CPU of both servers per delivery, µs", digits: 2, ratio: true },
    { key: "peakMb", title: "peak RSS of the reading one, MB" },
  ],
  async measure(contender, run) {
    const { far, cpuMs: servers, crowd } = await pair(contender, run, run.short ? 50 : READERS);
    const { took, cpuMs } = await measureSaturated(crowd, run, { inFlight: inFlightOf(contender), cpuMs: servers });
    const cpuUs = (cpuMs * 1_000) / took.deliveries;
    await check(crowd, run);
    return { perSecond: took.deliveries / (took.ms / 1_000), cpuUs, peakMb: far.peakRssBytes() / 1e6 };
  },
};
