/** More than a person writes, and all that came of it. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { v7 as uuid } from "uuid";
import type { Message } from "../../core/plugin.ts";
import type { Given } from "../../core/settings.ts";
import { type Client, connect, type Joined } from "./client.ts";
import type { NodeProcess } from "./node.ts";

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

/** SIGTERM while somebody writes: the node ends in order, and what was acked is there when `start` has it run again. */
export async function endsInOrder(t: TestContext, start: (settings: Given) => Promise<NodeProcess>): Promise<void> {
  const node = await start({});
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const { acked, stop } = flood(ana);
  await ana.until(() => acked.size > 500);
  const termAt = performance.now();
  const code = await node.kill("SIGTERM");
  t.diagnostic(`${acked.size} acked; ended ${Math.round(performance.now() - termAt)} ms after SIGTERM`);
  await stop();
  // What takes longer than 5 s is ended by the node itself, with another code.
  assert.equal(code, 0);
  const again = await start({ DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: ana.welcome.token });
  const kept = new Set((await everything(back)).map(({ id }) => id));
  assert.deepEqual(
    [...acked].filter(id => !kept.has(id)),
    [],
  );
}
