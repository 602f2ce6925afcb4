/** One node to another at a walking pace: how long a message takes to those at the other. */
import { pair } from "../load/pair.ts";
import { check, pace, percentile } from "../load/writing.ts";
import { REDIS, REDIS_STREAMS, WEB_CHAT, WEB_CHAT_PLAIN, type Workload } from "../workload.ts";

const READERS = 200;
const PER_SECOND = 50;
/** Nobody is to be measured with code that is still being compiled. */
const WARM_PER_SECOND = 250;

export const workload: Workload = {
  letter: "c2",
  title: "From one node to 200 clients of another, 50 messages a second",
  contenders: [WEB_CHAT, WEB_CHAT_PLAIN, REDIS, REDIS_STREAMS],
  rounds: 5,
  figures: [
    { key: "p50", title: "p50, ms", digits: 2, ratio: true },
    { key: "p99", title: "p99, ms", digits: 2, ratio: true },
    { key: "p999", title: "p99.9, ms", digits: 2, ratio: true },
    { key: "cpuUs", title: "CPU of both servers per delivery, µs", digits: 2, ratio: true },
  ],
  async measure(contender, run) {
    const { near, far, crowd } = await pair(contender, run, run.short ? 50 : READERS);
    const [fast, warm, messages] = run.short ? [50, 10, 40] : [750, 50, 400];
    await pace(crowd, { messages: fast, perSecond: WARM_PER_SECOND });
    await pace(crowd, { messages: warm, perSecond: PER_SECOND });
    crowd.tally.isTimed = true;
    const cpuMs = near.cpuMs() + far.cpuMs();
    const { deliveries } = await pace(crowd, { messages, perSecond: PER_SECOND });
    const cpuUs = ((near.cpuMs() + far.cpuMs() - cpuMs) * 1_000) / deliveries;
    await check(crowd, run);
    const { latencies } = crowd.tally;
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map(share => percentile(latencies, share)) as [number, number, number];
    return { p50, p99, p999, cpuUs };
  },
};
