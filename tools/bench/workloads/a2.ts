/** One room of 200 at a walking pace: how long a message takes to each of them. */
import { gather } from "../load/crowd.ts";
import { check, pace, percentile, saturate } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { SOCKET_IO, WEB_CHAT, WEB_CHAT_PLAIN, type Workload, WS, WS_COALESCING } from "../workload.ts";

const CLIENTS = 200;
const SHORT_CLIENTS = 50;
const WRITERS = 8;
const PER_SECOND = 50;
const WARM_MS = 4_000;

export const workload: Workload = {
  letter: "a2",
  title: "One room of 200, 50 messages a second",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, SOCKET_IO, WS, WS_COALESCING],
  rounds: 5,
  figures: [
    { key: "p50", title: "p50, ms", digits: 2, ratio: true },
    { key: "p99", title: "p99, ms", digits: 2, ratio: true },
    { key: "p999", title: "p99.9, ms", digits: 2, ratio: true },
    { key: "cpuUs", title: "server CPU per delivery, µs", digits: 2, ratio: true },
  ],
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? SHORT_CLIENTS : CLIENTS;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: WRITERS });
    const [fast, warm, messages, perSecond] = run.short ? [100, 10, 50, 100] : [5_000, 100, 300, PER_SECOND];
    await saturate(crowd, { messages: fast, inFlight: 64, maxMs: WARM_MS });
    await pace(crowd, { messages: warm, perSecond });
    crowd.tally.isTimed = true;
    const cpuMs = server.cpuMs();
    const { deliveries } = await pace(crowd, { messages, perSecond });
    const cpuUs = ((server.cpuMs() - cpuMs) * 1_000) / deliveries;
    await check(crowd, run);
    const { latencies } = crowd.tally;
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map(share => percentile(latencies, share)) as [number, number, number];
    return { p50, p99, p999, cpuUs };
  },
};
