/** A data directory that holds many messages, put there by the log's own functions before any node runs on it. */
import { v7 as uuid } from "uuid";
import { type Draft, encode, keyOf } from "../../../core/envelope.ts";
import { Log } from "../../../core/log/log.ts";

const GROUP = 2_000;
/** In which there is one of each kind: as when a chat was here for a while. */
export const ROOMS = ["lobby", ...Array.from({ length: 9 }, (_, index) => `room ${index}`)];
/** The first message of so many has `MARKS` marks, which are the last of them. */
const POLL = 500;
export const MARKS = 50;

/** A message of the lobby, as a reader may name it. */
export type Place = { id: string; key: string };

/**
 * Makes the directory, with `count` messages in ten rooms. Resolves with places all over the lobby: messages anywhere, and
 * those that marks refer to.
 */
export async function fillDirectory(directory: string, count: number): Promise<{ rows: Place[]; marked: Place[] }> {
  const log = await Log.open(directory);
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
  await log.close();
  return { rows, marked };
}

const roundOf = (index: number): number => Math.floor(index / ROOMS.length);
const isPoll = (index: number): boolean => roundOf(index) % POLL === 0;

function draftOf(index: number, polls: Map<string, string>): Draft {
  const room = ROOMS[index % ROOMS.length] as string;
  const isMark = roundOf(index) % POLL >= POLL - MARKS;
  const text = `message ${index}: shall we ship it? 可以。`;
  const id = uuid();
  if (isPoll(index)) polls.set(room, id);
  return {
    room,
    hlc: 1_700_000_000_000 * 1_024 + index,
    type: isMark ? "vote" : "text",
    version: 1,
    role: isMark ? "mark" : "row",
    author: `person ${index % 100}`,
    authorName: "Ana",
    id,
    ref: isMark ? (polls.get(room) as string) : null,
    alt: text,
    body: encode({ text }),
    blobs: [],
    extra: null,
  };
}
