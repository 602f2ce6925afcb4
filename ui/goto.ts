/** Goes to a message, wherever it stands. */
import { effect } from "@preact/signals";
import type { Message } from "../core/plugin.ts";
import { request } from "./connection.ts";
import { reason } from "./reason.ts";
import { history, type Page } from "./resume.ts";
import type { Room } from "./room.ts";
import { currentId, open, roomOf } from "./rooms.ts";
import { toast } from "./toasts.tsx";

/** Opens the room, loads what stands around the message in place of what is there, and has it shown. */
export async function show(message: Message): Promise<void> {
  const { id, key, room: roomId } = message;
  open(roomId);
  const room = roomOf(roomId);
  await joined(room);
  const [older, marks, newer] = await Promise.all([
    history(room, { before: key }),
    request<Page>("history", { room: roomId, ref: id }),
    history(room, { after: key }),
  ]);
  if (!older.ok) return refuse(older);
  if (!marks.ok) return refuse(marks);
  if (!newer.ok) return refuse(newer);
  // Whoever has turned elsewhere meanwhile is not to be brought back.
  if (currentId.peek() !== roomId || roomOf(roomId) !== room) return;
  room.turnTo([...older.messages, message, ...marks.messages, ...newer.messages], older.older);
  room.goal.value = key;
}

function joined(room: Room): Promise<void> {
  return new Promise(resolve => {
    const stop = effect(() => {
      if (!room.joined.value) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}

function refuse({ code, message }: { code: string; message: string }): void {
  toast(reason(code, message));
}
