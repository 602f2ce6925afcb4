/** A data directory that holds many messages, put there by the log's own functions before any node runs on it. */
import { v7 as uuid } from "uuid";
import { Clock } from "../../../core/clock.ts";
import { type Draft, encode, keyOf } from "../../../core/envelope.ts";
import { writeFact } from "../../../core/facts.ts";
import { Log } from "../../../core/log/log.ts";
import { textOf } from "./texts.ts";

const GROUP = 2_000;
/** Milliseconds since 1970. */
const BEGAN = 1_700_000_000_000;
/** In which there is one of each kind: as when a chat was here for a while. */
export const ROOMS = ["lobby", ...Array.from({ length: 9 }, (_, index) => `room ${index}`)];
/** The first message of so many has `MARKS` marks, which are the last of them. */
const POLL = 500;
export const MARKS = 50;

/** A message of the lobby, as a reader may name it. */
export type Place = { id: string; key: string };

/** Places all over the lobby: messages anywhere, and those that marks refer to; and how long the index took, a message. */
type Filled = { rows: Place[]; marked: Place[]; indexUs: number };

/** Makes the directory, with `count` messages in ten rooms, and with the index that searches need. */
export async function fillDirectory(directory: string, count: number): Promise<Filled> {
  const log = await Log.open(directory);
  const clock = new Clock(() => BEGAN - 1);
  for (const name of ROOMS.slice(1))
    await writeFact("chat:room", { id: "person 0", name: "Ana" }, { name }, { log, clock });
  const [rows, marked]: [Place[], Place[]] = [[], []];
  const polls = new Map<string, string>();
  for (let from = 0; from < count; from += GROUP) {
    const size = Math.min(GROUP, count - from);
    const outcomes = await log.append(Array.from({ length: size }, (_, index) => draftOf(from + index, polls)));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status !== "stored") throw new Error(`the log refused message ${from + index}: ${outcome.status}`);
      const { id, room, role } = outcome.envelope;
      if (room !== "lobby" || role !== "row") continue;
      const place = { id, key: keyOf(outcome.envelope) };
      if (isPoll(from + index)) marked.push(place);
      else if (index % 100 === 0) rows.push(place);
    }
  }
  const from = performance.now();
  while ((await log.search({ text: "anything", limit: 1 })).behind > 0);
  const indexUs = ((performance.now() - from) * 1_000) / count;
  await log.close();
  return { rows, marked, indexUs };
}

const roundOf = (index: number): number => Math.floor(index / ROOMS.length);
const isPoll = (index: number): boolean => roundOf(index) % POLL === 0;
/** Whether that message is a mark of another, which is no row. */
export const isMark = (index: number): boolean => roundOf(index) % POLL >= POLL - MARKS;

function draftOf(index: number, polls: Map<string, string>): Draft {
  const room = ROOMS[index % ROOMS.length] as string;
  const text = textOf(index);
  const id = uuid();
  if (isPoll(index)) polls.set(room, id);
  return {
    room,
    hlc: BEGAN * 1_024 + index,
    type: isMark(index) ? "vote" : "text",
    version: 1,
    role: isMark(index) ? "mark" : "row",
    author: `person ${index % 100}`,
    authorName: "Ana",
    id,
    ref: isMark(index) ? (polls.get(room) as string) : null,
    alt: text,
    body: encode({ text }),
    blobs: [],
    extra: null,
  };
}
