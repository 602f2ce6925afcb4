/** One room of 200 at a walking pace: how long a message takes to each of them. */
import { gather } from "../load/crowd.ts";
import { measurePaced, PACED_FIGURES, pace, saturate } from "../load/writing.ts";
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
  figures: PACED_FIGURES,
  async measure(contender, run) {
    const server = await startServer(contender.server, run);
    const each = run.short ? SHORT_CLIENTS : CLIENTS;
    const crowd = await gather(server, contender, run, { rooms: 1, each, writers: WRITERS });
    const [fast, warm, messages, perSecond] = run.short ? [100, 10, 50, 100] : [5_000, 100, 300, PER_SECOND];
    await saturate(crowd, { messages: fast, inFlight: 64, maxMs: WARM_MS });
    await pace(crowd, { messages: warm, perSecond });
    return measurePaced(crowd, run, { messages, perSecond, cpuMs: () => server.cpuMs() });
  },
};
