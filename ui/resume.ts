/** Joining a room without holes: with its cursor where it has one, and again where an n is missing. */
import type { Message } from "../core/plugin.ts";
import { type Answer, connected, request } from "./connection.ts";
import type { Room } from "./room.ts";

const RETRY_MS = 2_000;
/** Beyond this, what came live meanwhile is not kept: the next join brings it. */
const MAX_HELD = 5_000;
const PAGE_ROWS = 50;

type Joined = {
  messages: Message[];
  cursor: Record<string, number>;
  last: Record<string, string>;
  more: boolean;
  older: boolean;
};

export async function join(room: Room): Promise<void> {
  if (room.held) return;
  room.held = [];
  const done = await follow(room);
  const held = room.held;
  room.held = undefined;
  if (!done) return;
  room.joined.value = true;
  if (room.state.peek() === "loading") room.state.value = "ready";
  receive(room, held);
}

/** What it holds of the room is of another history; what was written and not yet sent stays. */
export function reset(room: Room): void {
  room.resets++;
  room.cursor = undefined;
  if (room.held) room.held = [];
  join(room);
}

/** Joins until nothing is left to page; returns whether it is subscribed now. */
async function follow(room: Room): Promise<boolean> {
  let from = room.cursor;
  for (let first = true; ; first = false) {
    const { resets } = room;
    const answer = await request<Joined>("join", { room: room.id, ...(from && { cursor: from, last: room.last }) });
    const isReset = room.resets > resets || (!answer.ok && answer.code === "reset");
    if (!answer.ok && !isReset) return refused(room, answer);
    // After a long absence the newest page is worth more than hours of catching up.
    if (!answer.ok || isReset || (from && first && answer.more)) {
      from = undefined;
      continue;
    }
    const anew = from === undefined;
    if (anew) room.startAnew(answer.older);
    from = room.cursor = answer.cursor;
    room.last = answer.last;
    room.accept(answer.messages, !anew);
    if (!answer.more) return true;
  }
}

function refused(room: Room, answer: Answer<Joined> & { ok: false }): false {
  if (answer.code === "unknown-room") room.state.value = "missing";
  // Offline needs no timer: the next welcome joins again.
  else if (connected.peek()) setTimeout(() => join(room), answer.retryAfterMs ?? RETRY_MS);
  return false;
}

/** Takes what came live: what is known is dropped, and where something is missing the room is joined again. */
export function receive(room: Room, messages: readonly Message[]): void {
  if (room.held) {
    if (room.held.length < MAX_HELD) room.held.push(...messages);
    return;
  }
  if (!room.joined.peek() || !room.cursor) return;
  const cursor = { ...room.cursor };
  const next: Message[] = [];
  let gap = false;
  for (const message of messages) {
    const last = cursor[message.origin] ?? 0;
    if (message.n <= last) continue;
    if (message.n > last + 1) {
      gap = true;
      continue;
    }
    cursor[message.origin] = message.n;
    room.last[message.origin] = message.id;
    next.push(message);
  }
  room.cursor = cursor;
  if (next.length > 0) room.accept(next, true);
  if (gap) join(room);
}

export type Page = { messages: Message[]; older: boolean };

export const history = (room: Room, from: { before?: string; after?: string }) =>
  request<Page>("history", { room: room.id, ...from, limit: PAGE_ROWS });

/** Loads the page before the oldest row; returns whether that worked. */
export async function loadOlder(room: Room): Promise<boolean> {
  const before = room.timeline.oldest?.key;
  if (!before) return true;
  const { era } = room;
  const answer = await history(room, { before });
  if (room.era !== era) return true;
  if (!answer.ok) return false;
  room.prepend(answer.messages);
  // A page without a row would otherwise be asked for again and again.
  room.older.value = answer.older && answer.messages.length > 0;
  return true;
}

/** Loads the page after the newest row; returns whether that worked. */
export async function loadNewer(room: Room): Promise<boolean> {
  const after = room.timeline.newest?.key;
  if (!after) return loadNewest(room);
  const { era } = room;
  const answer = await history(room, { after });
  if (room.era !== era) return true;
  if (answer.ok) room.append(answer.messages);
  return answer.ok;
}

/** Loads the newest page, in place of what is here; returns whether that worked. */
export async function loadNewest(room: Room): Promise<boolean> {
  const end = room.timeline.newest?.key ?? "";
  // What comes from now on is in that page, or follows it.
  room.newer.value = false;
  const { era } = room;
  const answer = await history(room, {});
  if (room.era !== era) return true;
  if (answer.ok) room.renew(answer.messages, answer.older);
  else room.cut(end);
  return answer.ok;
}
