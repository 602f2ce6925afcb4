/** Offers a node messages at a pace that does not ask what it answers, and sees what became of each of them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "../../../core/plugin.ts";
import type { Run } from "../workload.ts";
import type { Crowd } from "./crowd.ts";
import { type Answer, Person } from "./person.ts";
import type { Author } from "./tally.ts";
import { say } from "./writing.ts";

/** When it was sent, in milliseconds since the first one, and how long the answer took. */
export type Answered = { at: number; ms: number };
/** `drainedMs` is how long the last answer took after the last message. */
export type Offered = {
  messages: number;
  acks: Answered[];
  refusals: Answered[];
  codes: Map<string, number>;
  drainedMs: number;
};

const TICK_MS = 5;
const ANSWERED_WITHIN_MS = 60_000;

/** Sends so many messages a second, the writers in turn; resolves when all are answered, or no answer comes any more. */
export async function offer(crowd: Crowd, perSecond: number, forMs: number): Promise<Offered> {
  const offered: Offered = { messages: 0, acks: [], refusals: [], codes: new Map(), drainedMs: 0 };
  const { acks, refusals, codes } = offered;
  const from = performance.now();
  const send = () => {
    const writer = crowd.writers[offered.messages++ % crowd.writers.length];
    const sentAt = performance.now();
    if (!writer) throw new Error("nobody is there who writes");
    say(writer, refusal => {
      (refusal ? refusals : acks).push({ at: sentAt - from, ms: performance.now() - sentAt });
      if (refusal?.code) codes.set(refusal.code, (codes.get(refusal.code) ?? 0) + 1);
    });
  };
  for (let now = 0; now < forMs; await sleep(TICK_MS)) {
    now = performance.now() - from;
    for (const due = (Math.min(now, forMs) * perSecond) / 1_000; offered.messages < due; ) send();
  }
  const sentAll = performance.now();
  const isOpen = () => acks.length + refusals.length < offered.messages;
  for (const until = performance.now() + ANSWERED_WITHIN_MS; isOpen() && performance.now() < until; )
    await sleep(TICK_MS);
  offered.drainedMs = performance.now() - sentAll;
  return offered;
}

/** Fails the run unless the history of each room has what was acked once, and nothing else. */
export async function checkHistory({ writers, rooms, tally }: Crowd, port: number, run: Run): Promise<void> {
  const kept = new Map<Author, Map<number, number>>(writers.map(({ author }) => [author, new Map()]));
  await Promise.all(
    rooms.map(async (room, index) => {
      for await (const { body } of everything(port, room, `Reader ${index}`)) {
        const [, author, number] = /^~(\d+)\.(\d+)~/.exec((body as { text: string }).text) ?? [];
        const times = kept.get(tally.authors[Number(author)] as Author);
        times?.set(Number(number), (times.get(Number(number)) ?? 0) + 1);
      }
    }),
  );
  const wrong = { lost: 0, doubled: 0, stray: 0 };
  for (const [{ last, refused }, times] of kept) {
    for (let number = 1; number <= last; number++) {
      const found = times.get(number) ?? 0;
      if (refused.has(number)) wrong.stray += found;
      else if (found === 0) wrong.lost++;
      else wrong.doubled += found - 1;
    }
  }
  if (wrong.lost > 0) run.fault(`${wrong.lost} acked messages are not in the history`);
  if (wrong.doubled > 0) run.fault(`${wrong.doubled} messages are in the history twice`);
  if (wrong.stray > 0) run.fault(`${wrong.stray} messages are in the history that were refused`);
}

/** All messages that a room has, by resuming from nothing. */
async function* everything(port: number, room: string, name: string): AsyncGenerator<Message> {
  const person = await Person.enter(port, { name });
  let cursor = {};
  for (let more = true; more; ) {
    const answer = await person.ask("join", { room, cursor });
    if (!answer.ok) throw new Error(`join: ${answer.code}`);
    yield* answer.messages as Message[];
    ({ cursor, more } = answer as Answer & { cursor: object; more: boolean });
  }
  person.cut();
}
