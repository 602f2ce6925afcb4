/** People hear what was written on another node before their own node has it on its disk, which the tests hold up. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { Message } from "../../core/plugin.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, spawnNode } from "../helpers/node.ts";

/** Nothing is committed to that database until the function that is returned is called. */
function holdUp(t: TestContext, { dataDir }: { dataDir: string }): () => void {
  const database = new DatabaseSync(join(dataDir, "log.db"));
  database.exec("BEGIN IMMEDIATE");
  const release = () => {
    if (database.isOpen) database.close();
  };
  cleanUp(t, release);
  return release;
}

test("a message of another node is heard before this node commits it, once, also by who joins meanwhile", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const ana = await connect(t, a, { name: "Ana" });
  const [daming, eve] = [await connect(t, b, { name: "大明" }), await connect(t, b, { name: "Eve" })];
  await ana.join("lobby");
  await daming.join("lobby");
  await ana.say("first");
  await daming.until(() => daming.messages().length === 1);
  await converged(a, b);
  const release = holdUp(t, b);
  await ana.say("second");
  await daming.until(() => daming.messages().length === 2);
  const joined = await eve.join("lobby");
  await eve.until(() => eve.messages().length === 1);
  assert.deepEqual(
    joined.messages.map(({ alt }) => alt),
    ["first"],
    "which is not committed yet",
  );
  release();
  await ana.say("third");
  await converged(a, b);
  for (const [client, texts] of [
    [daming, ["first", "second", "third"]],
    [eve, ["second", "third"]],
  ] as const) {
    await client.until(() => client.messages().some(({ alt }) => alt === "third"));
    assert.deepEqual(
      client.messages().map(({ alt }) => alt),
      texts,
    );
  }
});

test("what a node told, and could not store, is taken back, and is there when it can", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const ana = await connect(t, a, { name: "Ana" });
  const daming = await connect(t, b, { name: "大明" });
  await ana.join("lobby");
  await daming.join("lobby");
  const release = holdUp(t, b);
  await ana.say("early");
  await daming.until(() => daming.messages().length === 1);
  await daming.until(() => daming.events.some(([event]) => event === "reset"));
  const { messages } = await daming.join("lobby");
  assert.deepEqual(messages, []);
  release();
  await daming.until(() => daming.messages().length === 2);
  await converged(a, b);
  assert.equal(daming.messages()[1]?.alt, "early");
});

test("whoever heard what his node lost with its process gets it from there once it is back, and nothing twice", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const killed = await spawnNode(t, { NODE_NAME: "b", ...peer(a) });
  await killed.ready();
  const ana = await connect(t, a, { name: "Ana" });
  const daming = await connect(t, killed, { name: "大明" });
  await ana.join("lobby");
  await daming.join("lobby");
  const release = holdUp(t, killed);
  const { id } = await ana.say("before the end");
  const heard = await daming.until(() => daming.messages()[0]);
  await killed.kill("SIGKILL");
  release();
  await ana.say("while it was away");
  const b = await spawnNode(t, { NODE_NAME: "b", DATA_DIR: killed.dataDir, ...peer(a) });
  const back = await connect(t, b, { token: daming.welcome.token });
  const { messages } = await back.join("lobby", { [heard.origin]: heard.n }, { [heard.origin]: id });
  // What stands before his cursor a client passes over.
  const isNew = ({ origin, n }: Message) => origin !== heard.origin || n > heard.n;
  const texts = () => [...messages, ...back.messages()].filter(isNew).map(({ alt }) => alt);
  await back.until(() => texts().length > 0);
  await ana.say("afterwards");
  await back.until(() => texts().includes("afterwards"));
  assert.deepEqual(texts(), ["while it was away", "afterwards"]);
});
