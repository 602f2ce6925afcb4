/** More than a person writes, and all that came of it. */
import { v7 as uuid } from "uuid";
import type { Message } from "../../core/plugin.ts";
import type { Client, Joined } from "./client.ts";

/** Writes into the lobby as fast as the node takes it, until told to stop or the connection ends. */
export function flood(client: Client): { acked: ReadonlySet<string>; stop(): Promise<void> } {
  const acked = new Set<string>();
  let writing = true;
  let unanswered = 0;
  const writer = (async () => {
    while (writing && client.socket.connected) {
      // Always work for the node; without a bound it would be this process that is too busy to see the node end.
      for (; unanswered < 2_000; unanswered++) {
        const id = uuid();
        client.socket.emit("text", { id, room: "lobby", body: { text: id } }, (answer: { ok: boolean }) => {
          unanswered--;
          if (answer.ok) acked.add(id);
        });
      }
      await new Promise(resolve => setImmediate(resolve));
    }
  })();
  const stop = () => {
    writing = false;
    return writer;
  };
  return { acked, stop };
}

/** Everything that a room holds, by resuming from nothing. */
export async function everything(client: Client, room = "lobby"): Promise<Message[]> {
  const messages: Message[] = [];
  let joined: Joined = await client.join(room, {});
  messages.push(...joined.messages);
  while (joined.more) {
    joined = await client.join(room, joined.cursor);
    messages.push(...joined.messages);
  }
  return messages;
}
