/** Three times as much as a node can do: what it takes is kept and soon acked, the rest is refused, and then all is as before. */
import { setInterval } from "node:timers/promises";
import { gather } from "../load/crowd.ts";
import { type Answered, checkHistory, type Offered, offer } from "../load/overload.ts";
import { check, percentile, saturate } from "../load/writing.ts";
import { type Server, startServer } from "../servers/server.ts";
import { type Run, WEB_CHAT, type Workload } from "../workload.ts";

/** Many who write a little, so that it is no single one who is too fast. */
const CROWD = { rooms: 10, each: 5, writers: 5 };
const TIMES = 3;
/** While capacity is measured: no more than a node always takes, since whoever is refused waits. */
const IN_FLIGHT = 400;
const CALM_SHARE = 0.25;
/** Latency is as before again when it is at most twice that, or so little that nobody notices. */
const NORMAL_MS = 50;
const WINDOW_MS = 250;
const SAMPLE_MS = 500;
/** What a queue may hold at most, as /metrics tells it. */
const BOUNDS = {
  chat_log_waiting: 10_000,
  chat_drafts_waiting: 10_000,
  // A client is cut off at 4 MB, after the write that went beyond it.
  chat_client_buffered_bytes_max: 5 * 1024 * 1024,
};

export const workload: Workload = {
  letter: "o",
  title: "Overload: three times of what a node can do, for a minute",
  contenders: [WEB_CHAT],
  rounds: 1,
  figures: [
    { key: "capacity", title: "capacity, acked/s" },
    { key: "offered", title: "offered/s" },
    { key: "accepted", title: "acked, %", digits: 1 },
    { key: "ackedPerSecond", title: "acked/s" },
    { key: "calmP99", title: "p99 before, ms", digits: 1 },
    { key: "p50", title: "p50 of the acked, ms", digits: 1 },
    { key: "p99", title: "p99, ms", digits: 1 },
    { key: "refusedP99", title: "p99 of the refused, ms", digits: 1 },
    { key: "recoveredMs", title: "until all was as before, ms" },
    { key: "mostWaiting", title: "most drafts that waited" },
    { key: "peakMb", title: "peak RSS, MB" },
  ],
  async measure({ server: name }, run) {
    const seconds = Number(process.env.OVERLOAD_SECONDS ?? (run.short ? 5 : 60));
    const server = await startServer(name, run);
    const crowd = await gather(server, WEB_CHAT, run, CROWD);
    const maxMs = run.short ? 500 : 5_000;
    await saturate(crowd, { messages: 1e6, inFlight: IN_FLIGHT, maxMs });
    const { messages, ms } = await saturate(crowd, { messages: 1e6, inFlight: IN_FLIGHT, maxMs });
    const capacity = messages / (ms / 1_000);
    const calmly = () => offer(crowd, capacity * CALM_SHARE, maxMs);
    const calm = await calmly();
    const watching = watch(server, run);
    const much = await offer(crowd, capacity * TIMES, seconds * 1_000);
    const after = await calmly();
    const mostWaiting = await watching.stop();
    for (const phase of [calm, much, after]) checkAnswers(phase, run);
    await check(crowd, run);
    await checkHistory(crowd, server.port, run);
    const calmP99 = p99(calm.acks);
    return {
      capacity,
      offered: much.messages / seconds,
      accepted: (much.acks.length / much.messages) * 100,
      ackedPerSecond: much.acks.length / seconds,
      calmP99,
      p50: percentile(
        much.acks.map(({ ms }) => ms),
        0.5,
      ),
      p99: p99(much.acks),
      refusedP99: p99(much.refusals),
      recoveredMs: much.drainedMs + recovered(after, Math.max(NORMAL_MS, calmP99 * 2)),
      mostWaiting,
      peakMb: server.peakRssBytes() / 1e6,
    };
  },
};

const p99 = (answers: readonly Answered[]): number =>
  percentile(
    answers.map(({ ms }) => ms),
    0.99,
  );

function checkAnswers({ messages, acks, refusals, codes }: Offered, run: Run): void {
  const open = messages - acks.length - refusals.length;
  if (open > 0) run.fault(`${open} messages were never answered`);
  for (const [code, times] of codes)
    if (code !== "overloaded") run.fault(`${times} messages were refused with ${code}`);
}

/** Milliseconds until the last window in which anything was refused, or more than one in a hundred late, was over. */
function recovered({ acks, refusals }: Offered, normalMs: number): number {
  const windowOf = ({ at }: Answered) => Math.floor(at / WINDOW_MS);
  const count = (answers: readonly Answered[], window: number) =>
    answers.filter(answer => windowOf(answer) === window).length;
  const late = acks.filter(({ ms }) => ms > normalMs);
  const slow = [...new Set(late.map(windowOf))].filter(window => count(late, window) > count(acks, window) / 100);
  return (Math.max(-1, ...slow, ...refusals.map(windowOf)) + 1) * WINDOW_MS;
}

/** Holds the queues against their bounds as long as it runs; `stop` resolves with the most drafts that waited. */
function watch(server: Server, run: Run): { stop(): Promise<number> } {
  const ending = new AbortController();
  const most = new Map<string, number>();
  const watching = (async () => {
    for await (const _ of setInterval(SAMPLE_MS, undefined, { signal: ending.signal })) {
      const metrics = await server.metrics();
      for (const name of Object.keys(BOUNDS)) most.set(name, Math.max(most.get(name) ?? 0, metrics.get(name) ?? 0));
    }
  })().catch(error => {
    if (!ending.signal.aborted) throw error;
  });
  return {
    async stop() {
      ending.abort();
      await watching;
      for (const [name, bound] of Object.entries(BOUNDS)) {
        const value = most.get(name) ?? 0;
        if (value > bound) run.fault(`${name} was ${value}, and may be ${bound} at most`);
      }
      return most.get("chat_drafts_waiting") ?? 0;
    },
  };
}
