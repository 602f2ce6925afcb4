/** What an ack says of other nodes: real processes, one of which stands still, goes and comes back. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { type Client, connect } from "../helpers/client.ts";
import { type NodeProcess, newNode, peer, spawnNode } from "../helpers/node.ts";

const PEER = { ACK: "peer" };

/** Two processes that have found each other; what acks wait for is asked of the first. */
async function pair(t: TestContext): Promise<[NodeProcess, NodeProcess]> {
  const a = await spawnNode(t, { ...PEER, NODE_NAME: "a" });
  const b = await spawnNode(t, { ...PEER, NODE_NAME: "b", ...peer(a) });
  await Promise.all([b.ready(), a.logged("a peer is up")]);
  return [a, b];
}

/** Resolves when the sender was told that so many nodes have the message. */
function stored(client: Client, id: string, copies = 2): Promise<unknown> {
  const told = ([event, list]: [string, unknown]) =>
    event === "stored" &&
    (list as { id: string; copies: number }[]).some(entry => entry.id === id && entry.copies >= copies);
  return client.until(() => client.events.some(told), `${id} is stored`);
}

/** Sends until it is confirmed; returns that ack. */
async function insist(client: Client, message: object) {
  for (;;) {
    const answer = await client.ask("text", message);
    if (answer.ok) return answer;
    assert.equal(answer.code, "unconfirmed");
    await new Promise(resolve => setTimeout(resolve, answer.retryAfterMs));
  }
}

const times = async (client: Client, text: string) =>
  (await client.join("lobby")).messages.filter(({ body }) => (body as { text: string }).text === text).length;

test("under ACK=peer an ok means that another node has committed the message", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  assert.equal(ana.welcome.ack, "peer");
  await ana.join("lobby");
  const acks = await Promise.all(Array.from({ length: 50 }, (_, index) => ana.say(`message ${index}`)));
  assert.ok(acks.every(({ copies }) => copies >= 2));
  // Not a word of it is lost with the machine of the first.
  await a.kill("SIGKILL");
  const bo = await connect(t, b, { name: "Bo" });
  const { messages } = await bo.join("lobby");
  assert.deepEqual(messages.map(({ id }) => id).sort(), acks.map(({ id }) => id).sort());
});

for (const [what, away, back] of [
  ["stands still", "SIGSTOP", "SIGCONT"],
  ["is gone", "SIGKILL", undefined],
] as const)
  test(`when the peer ${what}, a message is kept, told to be unconfirmed, and replicated once when it is back`, async t => {
    const [a, b] = await pair(t);
    const ana = await connect(t, a, { name: "Ana" });
    await ana.join("lobby");
    await ana.say("before");
    if (away === "SIGSTOP") process.kill(b.process.pid as number, away);
    else await b.kill(away);
    const message = { id: randomUUID(), room: "lobby", body: { text: "alone" } };
    const sentAt = performance.now();
    const refusal = await ana.ask("text", message);
    const tookMs = performance.now() - sentAt;
    assert.deepEqual([refusal.ok, refusal.code], [false, "unconfirmed"]);
    assert.ok((refusal.retryAfterMs ?? 0) > 0);
    assert.ok(tookMs > 1_500, `${tookMs} ms are no wait`);
    t.diagnostic(`unconfirmed after ${tookMs.toFixed(0)} ms`);
    // Whoever is in the room has it: it is kept.
    await ana.until(() => ana.messages().find(({ id }) => id === message.id));
    assert.equal((await ana.ask("text", message)).code, "unconfirmed");
    if (back) process.kill(b.process.pid as number, back);
    const again = back ? b : await spawnNode(t, { ...PEER, ...peer(a), DATA_DIR: b.dataDir });
    await stored(ana, message.id);
    assert.ok(Number((await insist(ana, message)).copies) >= 2);
    await again.ready();
    for (const node of [a, again]) {
      const reader = await connect(t, node, { name: `Reader of ${node.port}` });
      assert.equal(await times(reader, "alone"), 1);
    }
  });

test("what one node took is confirmed at once by another that has it, and stands there once", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const { id } = await ana.say("hello");
  await a.kill("SIGKILL");
  const onB = await connect(t, b, { token: ana.welcome.token });
  await onB.join("lobby");
  const answer = await onB.ask("text", { id, room: "lobby", body: { text: "hello" } });
  assert.equal(answer.copies, 2);
  assert.equal(await times(onB, "hello"), 1);
});

test("where this node's stream ends, what waits is unconfirmed, and counted by who holds that stream from then on", async t => {
  const node = await newNode(t, PEER);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const first = { id: randomUUID(), room: "lobby", body: { text: "first" } };
  const answer = ana.ask("text", first);
  await ana.until(() => ana.messages().length === 1);
  const { origin } = node.log;
  const { seq } = (await node.log.heads())[origin as string] as { seq: number };
  assert.equal(await node.log.abandon(origin as string, seq), true);
  const second = ana.ask("text", { id: randomUUID(), room: "lobby", body: { text: "second" } });
  assert.deepEqual([(await answer).code, (await second).code], ["unconfirmed", "unconfirmed"]);
  assert.notEqual(node.log.origin, origin);
  assert.equal((await ana.ask("text", first)).code, "unconfirmed", "nobody else has it");
  await newNode(t, peer(node));
  assert.equal((await insist(ana, first)).copies, 2);
});

test("names, rooms, states and signals wait for no peer", async t => {
  const node = await newNode(t, PEER);
  const ana = await connect(t, node, { name: "Ana" });
  assert.equal((await ana.ask("chat:room", { name: "ops" })).ok, true);
  await ana.join("lobby");
  assert.equal((await ana.ask("typing", { room: "lobby", body: { typing: true } })).ok, true);
  assert.equal((await ana.ask("chat:logout")).ok, true);
});

test("a node that ends tells what it kept and could not confirm", async t => {
  const node = await newNode(t, PEER);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const answer = ana.ask("text", { room: "lobby", body: { text: "last words" } });
  await ana.until(() => ana.messages().length === 1);
  await node.stop();
  assert.equal((await answer).code, "unconfirmed");
});

test("every session of the author hears of more copies, also where the one that sent is gone", async t => {
  const a = await newNode(t);
  const ana = await connect(t, a, { name: "Ana" });
  const { token } = ana.welcome;
  await ana.join("lobby");
  const { id, copies } = await ana.say("hello");
  assert.equal(copies, 1);
  const tab = await connect(t, a, { token });
  const raj = await connect(t, a, { name: "Raj" });
  ana.socket.disconnect();
  const later = await connect(t, a, { token });
  await newNode(t, peer(a));
  await Promise.all([stored(tab, id), stored(later, id)]);
  await raj.join("lobby");
  assert.equal(
    raj.events.some(([event]) => event === "stored"),
    false,
    "nobody else is told",
  );
});
