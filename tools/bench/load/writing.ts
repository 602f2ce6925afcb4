/** How the writers of a crowd write: as much as is acked, or at a pace. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Contender, Figure, Figures, Run } from "../workload.ts";
import type { Answer } from "./client.ts";
import type { Crowd, Writer } from "./crowd.ts";

/** What ended: how long it took, from the first message sent to the last delivery. */
export type Written = { messages: number; deliveries: number; refused: number; ms: number };

const FILLER = "shall we ship it today? 可以。";
/** What comes after everything was counted is looked for that long. */
const SETTLE_MS = 100;

/**
 * Sends the writer's next message. One that is refused is taken out of the count: its work is to be sent again under the next
 * number, so that the author's order stays the order of the numbers.
 */
export function say(
  { client, author, room, filler = FILLER }: Writer,
  answered: (refusal: Answer | undefined) => void,
): void {
  const number = ++author.last;
  author.sentAt[number] = performance.now();
  client.send("text", { room, body: { text: `~${author.index}.${number}~ ${filler}` } }, refusal => {
    if (refusal) author.refused.add(number);
    answered(refusal);
  });
}

/**
 * Keeps so many messages on their way, evenly spread over the writers; ends at `messages` or after `maxMs`. Of more writers
 * than that some take turns, a message each.
 */
export async function saturate(
  crowd: Crowd,
  { messages, inFlight, maxMs }: { messages: number; inFlight: number; maxMs: number },
): Promise<Written> {
  const startedAt = performance.now();
  const before = crowd.tally.deliveries;
  const seats = Math.min(inFlight, crowd.writers.length);
  const work: Work = {
    left: messages,
    inFlight: inFlight / seats,
    isOver: () => work.left <= 0 || performance.now() - startedAt > maxMs,
  };
  const took = await Promise.all(
    Array.from({ length: seats }, (_, seat) =>
      keepWriting(
        crowd.writers.filter((_, index) => index % seats === seat),
        work,
      ),
    ),
  );
  return ended(crowd, startedAt, before, took);
}

/** What is shared out among those who write. */
type Work = { left: number; readonly inFlight: number; isOver(): boolean };
type Took = { acked: number; refused: number; deliveries: number };

/** Resolves when everything that these writers sent is answered. */
function keepWriting(writers: readonly Writer[], work: Work): Promise<Took> {
  const took = { acked: 0, refused: 0, deliveries: 0 };
  return new Promise((resolve, reject) => {
    let turn = 0;
    let under = 0;
    let waitMs = 0;
    const fill = () => {
      while (waitMs === 0 && under < work.inFlight && !work.isOver()) {
        const writer = writers[turn++ % writers.length] as Writer;
        work.left--;
        under++;
        say(writer, refusal => answered(writer, refusal));
      }
      if (under > 0) return;
      if (waitMs === 0) return resolve(took);
      // Not before all that was sent is answered: what is sent again keeps its place.
      const ms = waitMs;
      waitMs = 0;
      setTimeout(fill, ms);
    };
    const answered = (writer: Writer, refusal: Answer | undefined) => {
      under--;
      if (!refusal) {
        took.acked++;
        took.deliveries += writer.author.room.receivers.length;
      } else if (refusal.retryAfterMs === undefined) return reject(new Error(`refused: ${JSON.stringify(refusal)}`));
      else {
        took.refused++;
        work.left++;
        waitMs = Math.max(waitMs, refusal.retryAfterMs);
      }
      fill();
    };
    fill();
  });
}

/** Sends so many messages a second, the writers in turn, however long the answers take; rejects where one is refused. */
export async function pace(
  crowd: Crowd,
  { messages, perSecond }: { messages: number; perSecond: number },
): Promise<Written> {
  const startedAt = performance.now();
  const before = crowd.tally.deliveries;
  const answers: Promise<Took>[] = [];
  for (let index = 0; index < messages; index++) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / perSecond - performance.now()));
    const writer = crowd.writers[index % crowd.writers.length] as Writer;
    const deliveries = writer.author.room.receivers.length;
    answers.push(
      new Promise((resolve, reject) => {
        say(writer, refusal =>
          refusal
            ? reject(new Error(`refused: ${JSON.stringify(refusal)}`))
            : resolve({ acked: 1, refused: 0, deliveries }),
        );
      }),
    );
  }
  return ended(crowd, startedAt, before, await Promise.all(answers));
}

/** The columns of `measurePaced`. */
export const PACED_FIGURES: readonly Figure[] = [
  { key: "p50", title: "p50, ms", digits: 2, ratio: true },
  { key: "p99", title: "p99, ms", digits: 2, ratio: true },
  { key: "p999", title: "p99.9, ms", digits: 2, ratio: true },
  { key: "cpuUs", title: "CPU of the servers per delivery, µs", digits: 2, ratio: true },
];

/** Nobody is to be measured with code that is still being compiled: what a commit calls once has to be called a thousand times. */
const WARM = { messages: 3_000, perSecond: 500 };
const SETTLING_MESSAGES = 100;

/** At a pace: how long each delivery takes, and what it costs the servers, whose CPU time so far `cpuMs` says. */
export async function measurePaced(
  crowd: Crowd,
  run: Run,
  { cpuMs, ...pacing }: { messages: number; perSecond: number; cpuMs: () => number },
): Promise<Figures> {
  if (!run.short) {
    await pace(crowd, WARM);
    await pace(crowd, { ...pacing, messages: SETTLING_MESSAGES });
  }
  crowd.tally.isTimed = true;
  const before = cpuMs();
  const { deliveries } = await pace(crowd, pacing);
  const cpuUs = ((cpuMs() - before) * 1_000) / deliveries;
  await check(crowd, run);
  const within = (share: number) => percentile(crowd.tally.latencies, share);
  return { p50: within(0.5), p99: within(0.99), p999: within(0.999), cpuUs };
}

/** How many messages of a room of many are on their way: a client without batches has less to gain by more. */
export const inFlightOf = ({ speech }: Contender): number => (speech === "plain" ? 64 : 256);

const SATURATED_MS = 6_000;
const SHORT_MESSAGES = 800;

/**
 * As much as goes through, after half of the time to warm up: each contender for the same time, however fast it is. Returns
 * also the CPU time that it took the servers; `cpuMs` says theirs so far.
 */
export async function measureSaturated(
  crowd: Crowd,
  run: Run,
  { inFlight, cpuMs, forMs = SATURATED_MS }: { inFlight: number; cpuMs: () => number; forMs?: number },
): Promise<{ took: Written; cpuMs: number }> {
  const messages = run.short ? SHORT_MESSAGES : Number.POSITIVE_INFINITY;
  await saturate(crowd, { messages: messages / 4, inFlight, maxMs: forMs / 2 });
  const before = cpuMs();
  const took = await saturate(crowd, { messages, inFlight, maxMs: forMs });
  return { took, cpuMs: cpuMs() - before };
}

async function ended({ tally }: Crowd, startedAt: number, before: number, took: readonly Took[]): Promise<Written> {
  const sum = (what: keyof Took) => took.reduce((total, part) => total + part[what], 0);
  await tally.until(before + sum("deliveries"));
  const ms = performance.now() - startedAt;
  return { messages: sum("acked"), deliveries: sum("deliveries"), refused: sum("refused"), ms };
}

/** Fails the run where anybody got other messages than were acked to their authors, or in another order. */
export async function check({ tally }: Crowd, run: Run): Promise<void> {
  await sleep(SETTLE_MS);
  const { lost, doubled, disordered, stray } = tally.faults();
  if (lost > 0) run.fault(`${lost} deliveries were lost`);
  if (doubled > 0) run.fault(`${doubled} messages were delivered twice`);
  if (disordered > 0) run.fault(`${disordered} messages were delivered out of their author's order`);
  if (stray > 0) run.fault(`${stray} deliveries were of messages that nobody sent there, or that were refused`);
}

/** The value below which that share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
