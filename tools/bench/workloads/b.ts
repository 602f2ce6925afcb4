/** Many small rooms: 300 of 10. */
import { gather } from "../load/crowd.ts";
import { check, measureSaturated } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { SOCKET_IO, WEB_CHAT, WEB_CHAT_PLAIN, type Workload, WS, WS_COALESCING } from "../workload.ts";

const IN_ROOM = 10;
const PEOPLE = 300;
const IN_FLIGHT = 256;

export const workload: Workload = {
  letter: "b",
  title: "300 rooms of 10, saturated",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, SOCKET_IO, WS, WS_COALESCING],
  figures: [
    { key: "perSecond", title: "deliveries/s", ratio: true },
    { key: "messagesPerSecond", title: "messages/s", ratio: true },
    { key: "cpuUs", title: "server CPU per delivery, µs", digits: 2, ratio: true },
    { key: "peakMb", title: "peak RSS, MB" },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const rooms = run.short ? 30 : 300;
    const crowd = await gather(server, contender, run, { rooms, each: IN_ROOM, writers: 1, people: PEOPLE });
    const { took, cpuMs } = await measureSaturated(crowd, run, { inFlight: IN_FLIGHT, cpuMs: () => server.cpuMs() });
    const { deliveries, messages, ms } = took;
    const cpuUs = (cpuMs * 1_000) / deliveries;
    await check(crowd, run);
    const seconds = ms / 1_000;
    const peakMb = server.peakRssBytes() / 1e6;
    return { perSecond: deliveries / seconds, messagesPerSecond: messages / seconds, cpuUs, peakMb };
  },
};
