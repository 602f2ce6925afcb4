/** Clients that go on at another node: where they find it, what they get there, and when they have to begin anew. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join as joinPath } from "node:path";
import { type TestContext, test } from "node:test";
import type { Message } from "../../core/plugin.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { type Client, connect, type Welcome } from "../helpers/client.ts";
import { converged, newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";

const textOf = ({ body }: Message) => (body as { text: string }).text;
const at = (node: { port: number }) => `http://localhost:${node.port}`;

type Nodes = Welcome["nodes"];

/** The nodes that a client was last told of. */
function nodesOf({ welcome, events }: Client): Nodes {
  return (events.findLast(([event]) => event === "chat:nodes")?.[1] as Nodes | undefined) ?? welcome.nodes;
}

test("a client is told where the nodes that are up can be reached, and when that changes", async t => {
  const a = await newNode(t, { NODE_NAME: "attic" });
  const ana = await connect(t, a, { name: "Ana" }, { url: at(a) });
  assert.deepEqual(
    ana.welcome.nodes.map(({ name, urls }) => [name, urls[0]]),
    [["attic", at(a)]],
  );
  const b = await newNode(t, { NODE_NAME: "kitchen", BASE_PATH: "/chat", ...peer(a) });
  await ana.until(() => nodesOf(ana).find(({ name }) => name === "kitchen")?.urls[0] === `${at(b)}/chat`);
  assert.equal(nodesOf(ana)[0]?.name, "attic", "its own first");
  const raj = await connect(t, b, { name: "Raj" }, { url: at(b), path: "/chat/socket.io/" });
  await raj.until(() => nodesOf(raj).some(({ urls }) => urls[0] === at(a)));
  await b.stop();
  await ana.until(() => nodesOf(ana).length === 1);
});

test("behind a proxy a node says its public address alone, and to strangers nothing of what is inside", async t => {
  const a = await newNode(t, { TRUST_PROXY: "loopback" });
  const b = await newNode(t, { NODE_NAME: "kitchen", PUBLIC_URL: "https://b.example/chat/", ...peer(a) });
  await newNode(t, { NODE_NAME: "cellar", ...peer(a, b) });
  await b.ready;
  const stranger = await connect(
    t,
    a,
    { name: "Ana" },
    { headers: { "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "a.example" }, origin: "https://a.example" },
  );
  const urls = (client: Client, node: string) => nodesOf(client).find(({ name }) => name === node)?.urls;
  await stranger.until(() => urls(stranger, "kitchen")?.length);
  await stranger.until(() => urls(stranger, "cellar"));
  assert.deepEqual(
    [urls(stranger, "kitchen"), urls(stranger, "cellar"), urls(stranger, "node")],
    [["https://b.example/chat"], [], []],
  );
});

test("a page of another node of the cluster is let in, also when that one is away, and nobody else's", async t => {
  const a = await newNode(t);
  const b = await newNode(t, peer(a));
  await b.ready;
  const alone = await newNode(t);
  const ana = await connect(t, b, { name: "Ana" });
  await ana.until(() => nodesOf(ana).find(({ id, urls }) => id === a.id && urls.length > 0));
  const { token } = ana.welcome;
  await connect(t, b, { token }, { origin: at(a) });
  await a.stop();
  await ana.until(() => nodesOf(ana).length === 1);
  await connect(t, b, { token }, { origin: at(a) });
  await b.stop();
  const again = await newNode(t, { DATA_DIR: b.dataDir });
  await connect(t, again, { token }, { origin: at(a) });
  for (const origin of [at(alone), "http://localhost", "https://evil.example", `${at(a)}.evil.example`, "null"])
    await assert.rejects(connect(t, again, { token }, { origin }), /websocket error/, origin);
});

test("a client resumes on another node with its cursor, and gets what it lacks exactly once", async t => {
  const a = await newNode(t);
  const b = await newNode(t, peer(a));
  await b.ready;
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const raj = await connect(t, b, { name: "Raj" });
  await raj.join("lobby");
  for (const text of ["one", "two"]) await ana.say(text);
  await raj.say("three");
  await converged(a, b);
  const { cursor, last, messages } = await ana.join("lobby", {});
  assert.deepEqual(messages.map(textOf).sort(), ["one", "three", "two"]);
  assert.deepEqual(Object.keys(last).sort(), Object.keys(cursor).sort());
  await ana.say("four");
  await raj.say("five");
  await converged(a, b);
  const { token } = ana.welcome;
  await a.stop();
  const onB = await connect(t, b, { token });
  const rest = await onB.join("lobby", cursor, last);
  assert.deepEqual(rest.messages.map(textOf).sort(), ["five", "four"]);
  assert.equal(rest.more, false);
  assert.deepEqual((await onB.join("lobby", rest.cursor, rest.last)).messages, []);
});

/** A node whose clock is ahead. */
const ahead = (ms: number) => [
  process.execPath,
  "--import",
  `data:text/javascript,const now = Date.now; Date.now = () => now() + ${ms};`,
  joinPath(import.meta.dirname, "../../core/main.ts"),
];

test("an author who hops between nodes whose clocks differ by half a minute stays in order on both", async t => {
  const a = await spawnNode(t, {}, [], [], ahead(30_000));
  const b = await spawnNode(t, peer(a));
  await b.ready();
  const first = await connect(t, a, { name: "Ana" });
  const { token } = first.welcome;
  let after = "";
  const said: string[] = [];
  for (const [index, node] of [a, b, a, b, b, a].entries()) {
    const ana = await connect(t, node, { token, ...(after && { after }) });
    await ana.join("lobby");
    const text = `${index} at ${node === a ? "a" : "b"}`;
    const { key, at } = await ana.say(text);
    if (index === 0) assert.ok(at > Date.now() + 20_000, "its clock is ahead");
    assert.ok(key > after);
    after = key;
    said.push(text);
    ana.socket.disconnect();
  }
  for (const node of [a, b]) {
    const reader = await connect(t, node, { name: `Reader of ${node.port}` });
    await reader.join("lobby");
    for (;;) {
      const texts = (await reader.join("lobby")).messages.map(textOf);
      if (texts.length < said.length) continue;
      assert.deepEqual(texts, said);
      break;
    }
  }
});

/** A client, and the node that it was on, whose database is put back to what it held when `before` had been written. */
async function restored(t: TestContext, { before, lost, written }: Record<"before" | "lost" | "written", string[]>) {
  const dataDir = temporaryDirectory(t);
  const backup = joinPath(temporaryDirectory(t), "backup");
  const node = await newNode(t, { DATA_DIR: dataDir });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  for (const text of before) await ana.say(text);
  await node.stop();
  cpSync(dataDir, backup, { recursive: true });
  const second = await newNode(t, { DATA_DIR: dataDir });
  const { token } = ana.welcome;
  const seen = await connect(t, second, { token });
  await seen.join("lobby");
  for (const text of lost) await seen.say(text);
  const { cursor, last } = await seen.join("lobby");
  await second.stop();
  rmSync(dataDir, { recursive: true });
  cpSync(backup, dataDir, { recursive: true });
  const third = await newNode(t, { DATA_DIR: dataDir });
  const again = await connect(t, third, { token });
  await again.join("lobby");
  for (const text of written) await again.say(text);
  return { client: again, cursor, last };
}

test("whose cursor is beyond what a restored node holds is told to begin anew, with proof or without", async t => {
  const { client, cursor, last } = await restored(t, { before: ["one"], lost: ["two", "three"], written: ["other"] });
  assert.equal((await client.join("lobby", cursor)).code, "reset");
  assert.equal((await client.join("lobby", cursor, last)).code, "reset");
  const anew = await client.join("lobby");
  assert.deepEqual(anew.messages.map(textOf), ["one", "other"]);
  assert.equal((await client.join("lobby", anew.cursor, anew.last)).ok, true);
});

test("where a restored node has written on, what stands at the cursor proves that the client saw something else", async t => {
  const { client, cursor, last } = await restored(t, { before: ["one"], lost: ["two"], written: ["other", "more"] });
  assert.equal((await client.join("lobby", cursor, last)).code, "reset");
  const texts = (await client.join("lobby", cursor)).messages.map(textOf);
  assert.deepEqual(texts, ["more"], "which no cursor alone would tell");
});

test("a node that has not caught up takes nobody for a stranger", async t => {
  const a = await newNode(t);
  const ana = await connect(t, a, { name: "Ana" });
  // Nobody answers there, and nobody refuses: it waits.
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  cleanUp(t, () => silent.close());
  await once(silent, "listening");
  const b = await newNode(t, peer({ zmqPort: (silent.address() as { port: number }).port }));
  await assert.rejects(connect(t, b, { token: ana.welcome.token }), { code: "not-ready", retryAfterMs: 500 });
  await b.ready;
  await assert.rejects(connect(t, b, { token: ana.welcome.token }), { code: "session-unknown" });
});
