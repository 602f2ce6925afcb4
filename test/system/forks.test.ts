/** A node whose database was put back to an earlier state, and which wrote on before it met anybody: nothing is lost. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";

const texts = (messages: readonly { body?: unknown }[]) => messages.map(({ body }) => (body as { text: string }).text);

/** Two nodes that held the same, and a third copy of the first one's folder from before its last messages. */
async function restored(t: TestContext) {
  const a = await newNode(t, { NODE_NAME: "a" });
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("before the backup");
  await a.stop();
  const folder = join(temporaryDirectory(t), "backup");
  cpSync(a.dataDir, folder, { recursive: true });
  const later = await newNode(t, { NODE_NAME: "a", DATA_DIR: a.dataDir });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(later) });
  const { token } = ana.welcome;
  const back = await connect(t, later, { token });
  await back.join("lobby");
  await back.say("after the backup");
  await converged(later, b);
  const page = await connect(t, b, { name: "Bo" });
  await page.join("lobby");
  await later.stop();
  return { folder, b, page, token };
}

test("both branches of a stream end up on every node, each message once, and its readers begin anew", async t => {
  const { folder, b, page, token } = await restored(t);
  // Alone: it knows nobody, and nobody tells it what it wrote.
  const alone = await spawnNode(t, { NODE_NAME: "a", DATA_DIR: folder });
  const ana = await connect(t, alone, { token });
  await ana.join("lobby");
  for (const text of ["on the other branch", "and one more"]) await ana.say(text);
  const seen = await ana.join("lobby");
  await alone.kill("SIGTERM");

  const a = await spawnNode(t, { NODE_NAME: "a", DATA_DIR: folder, ...peer(b) });
  await a.logged("messages are written again in a new stream");
  await page.until(() => page.events.some(([event]) => event === "reset"));
  const c = await newNode(t, { NODE_NAME: "c", ...peer(b) });
  await c.ready;
  await converged(b, c);
  const all = ["after the backup", "and one more", "before the backup", "on the other branch"];
  const [onA, onC] = [await connect(t, a, { token }), await connect(t, c, { token })];
  for (const client of [page, onC]) assert.deepEqual(texts((await client.join("lobby")).messages).toSorted(), all);
  // The node that gave its branch up gets the other one after that.
  const again = await onA.join("lobby");
  await onA.until(() => texts([...again.messages, ...onA.messages()]).includes("after the backup"));
  for (const client of [onA, onC]) {
    assert.equal((await client.join("lobby", seen.cursor, seen.last)).code, "reset", "which saw what is no more");
    assert.equal((await client.join("lobby", seen.cursor)).code, "reset", "or may have");
  }
});

test("whoever holds less of a stream gives way where the one that wrote it is gone", async t => {
  const { folder, b, page, token } = await restored(t);
  const alone = await spawnNode(t, { NODE_NAME: "a", DATA_DIR: folder });
  const ana = await connect(t, alone, { token });
  await ana.join("lobby");
  for (const text of ["on the other branch", "and one more"]) await ana.say(text);
  // It has all of that branch when the node is gone that wrote it.
  const c = await newNode(t, { NODE_NAME: "c", ...peer(alone) });
  await c.ready;
  await alone.kill("SIGKILL");
  const d = await newNode(t, { NODE_NAME: "d", ...peer(b, c) });
  await d.ready;
  await page.until(() => page.events.some(([event]) => event === "reset"));
  await converged(b, c, d);
  const all = ["after the backup", "and one more", "before the backup", "on the other branch"];
  for (const node of [b, c, d]) {
    const client = await connect(t, node, { token });
    let joined = await client.join("lobby");
    // A branch may be cut off in that very moment: then a reader begins anew.
    while (joined.code === "reset") joined = await client.join("lobby");
    assert.deepEqual(texts(joined.messages).toSorted(), all);
  }
});
