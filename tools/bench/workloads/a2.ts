/** One room of 200 at a walking pace: how long a message takes to each of them. */
import { gather } from "../load/crowd.ts";
import { measurePaced, PACED_FIGURES } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { SOCKET_IO, WEB_CHAT, WEB_CHAT_PLAIN, type Workload, WS, WS_COALESCING } from "../workload.ts";

const CLIENTS = 200;
const SHORT_CLIENTS = 50;
const WRITERS = 8;
const PER_SECOND = 50;

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
    const [messages, perSecond] = run.short ? [60, 100] : [300, PER_SECOND];
    return measurePaced(crowd, run, { messages, perSecond, cpuMs: () => server.cpuMs() });
  },
};
