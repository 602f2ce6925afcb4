/** Goes to a message, wherever it stands. */
import { effect, signal } from "@preact/signals";
import type { Message } from "../core/plugin.ts";
import { connected } from "./connection.ts";
import { t } from "./i18n.ts";
import { reason } from "./reason.ts";
import { history } from "./resume.ts";
import type { Room } from "./room.ts";
import { currentId, open, roomOf } from "./rooms.ts";
import { identity } from "./timeline.ts";
import { toast } from "./toasts.tsx";

/** Goes up with each pick: whoever has picked another does not want this one any more. */
const picks = signal(0);

/** Opens the room, loads what stands around the message in place of what is there, and has it shown. */
export async function goTo(message: Message): Promise<void> {
  if (!connected.peek()) return toast(t("offline"));
  const room = roomOf(message.room);
  const pick = ++picks.value;
  const sought = `… ${pick}`;
  // What is shown on the way there is not read.
  room.goal.value = sought;
  open(room.id);
  try {
    await turnTo(room, message, pick);
  } catch (error) {
    toast((error as Error).message);
  }
  if (room.goal.peek() === sought) room.goal.value = "";
}

async function turnTo(room: Room, message: Message, pick: number): Promise<void> {
  const isWanted = () => picks.peek() === pick && currentId.peek() === room.id && roomOf(room.id) === room;
  await joined(room, pick);
  while (isWanted()) {
    const { era } = room;
    const newer = await page(room, { after: message.key });
    const after = newer.messages.find(({ role = "row" }) => role === "row")?.key;
    // As it is now, which may be erased, and with what belongs to it.
    const older = await page(room, after === undefined ? {} : { before: after });
    if (!isWanted()) return;
    // The newest page may have come, which was asked for before.
    if (room.era !== era) continue;
    const found = older.messages.find(other => identity(other) === identity(message));
    if (!found) throw new Error(reason("not-found", ""));
    room.turnTo([...older.messages, ...newer.messages], older.older);
    room.goal.value = found.key;
    return;
  }
}

async function page(room: Room, from: Parameters<typeof history>[1]) {
  const answer = await history(room, from);
  if (!answer.ok) throw new Error(reason(answer.code, answer.message));
  return answer;
}

/** Resolves when the room is joined, is none, or is not wanted any more. */
function joined(room: Room, pick: number): Promise<void> {
  return new Promise(resolve => {
    const stop = effect(() => {
      if (!room.joined.value && room.state.value !== "missing" && picks.value === pick) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}
