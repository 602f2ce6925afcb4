/** One node to another at a walking pace: how long a message takes to those at the other. */
import { pair } from "../load/pair.ts";
import { measurePaced, PACED_FIGURES } from "../load/writing.ts";
import { REDIS, REDIS_STREAMS, WEB_CHAT, WEB_CHAT_PLAIN, type Workload } from "../workload.ts";

const READERS = 200;
const PER_SECOND = 50;

export const workload: Workload = {
  letter: "c2",
  title: "From one node to 200 clients of another, 50 messages a second",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, REDIS, REDIS_STREAMS],
  rounds: 5,
  figures: PACED_FIGURES,
  async measure(contender, run) {
    const { cpuMs, crowd } = await pair(contender, run, run.short ? 50 : READERS);
    const messages = run.short ? 50 : 300;
    return measurePaced(crowd, run, { messages, perSecond: PER_SECOND, cpuMs });
  },
};
