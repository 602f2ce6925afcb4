/** Several nodes as one chat: real processes, real sockets, real kills. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { defineMessage, defineServer } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { type Client, connect } from "../helpers/client.ts";
import { converged, newNode, peer, spawnNode, type TestNode } from "../helpers/node.ts";

async function health(node: { url: string }): Promise<{ peers: { name: string; up: boolean }[]; ready: boolean }> {
  return (await fetch(`${node.url}/healthz`)).json() as never;
}

/** Two nodes in this process that have found each other. */
async function pair(t: TestContext): Promise<[TestNode, TestNode]> {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  return [a, b];
}

/** Resolves when `node` sees exactly these peers up. */
async function sees(client: Client, node: string, names: string[]): Promise<void> {
  await client.until(() => {
    const status = [...client.state.values()].find(({ type, body }) => type === "status" && body?.name === node);
    const up = (status?.body?.peers as { name: string; up: boolean }[] | undefined)?.filter(({ up }) => up);
    return (
      up
        ?.map(({ name }) => name)
        .sort()
        .join() === names.toSorted().join()
    );
  }, `${node} sees ${names}`);
}

test("two nodes are one chat: messages, people, rooms and names", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  const daming = await connect(t, b, { name: "大明" });
  await ana.join("lobby");
  await daming.join("lobby");
  const sent = await ana.say("Shall we ship it?");
  const got = await daming.until(() => daming.messages().find(({ id }) => id === sent.id));
  assert.equal(got.key, sent.key);
  await ana.until(() =>
    ana.events.some(
      ([event, list]) =>
        event === "stored" &&
        (list as { id: string; copies: number }[]).some(({ id, copies }) => id === sent.id && copies === 2),
    ),
  );
  const answer = await daming.say("可以。");
  await ana.until(() => ana.messages().find(({ id }) => id === answer.id));
  await ana.until(() => ana.state.get(`presence ${daming.welcome.you.id}`)?.nodes.join() === "b");
  await daming.until(() => daming.state.get(`presence ${ana.welcome.you.id}`)?.nodes.join() === "a");
  await daming.ask("chat:room", { name: "ops" });
  await ana.until(() => ana.events.some(([event]) => event === "chat:rooms"));
  assert.equal((await ana.join("ops")).ok, true);
  await assert.rejects(connect(t, b, { name: "ANA" }), { code: "name-taken" });
  const onB = await connect(t, b, { token: ana.welcome.token });
  assert.deepEqual(onB.welcome.you, ana.welcome.you);
  await daming.until(() => daming.state.get(`presence ${ana.welcome.you.id}`)?.nodes.toSorted().join() === "a,b");
  await daming.ask("typing", { room: "lobby", body: { typing: true } });
  await ana.until(() => ana.events.some(([event]) => event === "typing"));
  await converged(a, b);
});

test("whoever the door admits is in the log and the presence of every node, the longest name too", async t => {
  const [a, b] = await pair(t);
  const watcher = await connect(t, b, { name: "Watcher" });
  // 32 characters, once composed, of two UTF-16 units each: all that a name may have.
  for (const name of ["🙂".repeat(32), "ｶﾞ".repeat(32), "ß".repeat(32)]) {
    const { welcome } = await connect(t, a, { name });
    await watcher.until(() => watcher.state.get(`presence ${welcome.you.id}`)?.body?.name === welcome.you.name, name);
  }
  for (const name of ["𝐀\u0301".repeat(32), "\u{1d6c2}\u0313\u0300\u0345".repeat(32)])
    await assert.rejects(connect(t, a, { name }), { code: "too-large" });
  await converged(a, b);
});

test("a plugin with the longest name that writes of its own accord is replicated as everybody is", async t => {
  let said = false;
  const type = "n".repeat(57);
  const message = defineMessage({ type, version: 1, kind: "log", parse: Number, summary: () => "a tick" });
  const talker = defineServer(message, {
    tick() {
      const first = !said;
      said = true;
      return first ? [{ body: 1, to: { room: "lobby" } }] : [];
    },
  });
  const a = await newNode(t, {}, [...plugins, talker]);
  const b = await newNode(t, peer(a));
  await b.ready;
  const bo = await connect(t, b, { name: "Bo" });
  // A node that does not know the type shows its summary.
  await bo.join("lobby");
  const page = async () => (await bo.join("lobby")).messages.find(message => message.type === type);
  while (!(await page())) await new Promise(resolve => setTimeout(resolve, 20));
  assert.equal((await page())?.alt, "a tick");
  await converged(a, b);
});

/** A state whose key and size its clients choose. */
const board = defineServer(
  defineMessage({
    type: "board",
    version: 1,
    kind: "state",
    parse: input => input as { key: string; data?: string },
    summary: () => "a board",
    key: ({ key }) => key,
  }),
  { receive: body => body },
);

test("a state whose key is too long is refused, and keeps no other from the peers", async t => {
  const types = [...plugins, board];
  const a = await newNode(t, { NODE_NAME: "a" }, types);
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) }, types);
  await b.ready;
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  assert.equal((await ana.ask("board", { body: { key: "k".repeat(257) } })).code, "invalid");
  assert.equal((await ana.ask("board", { body: { key: "k".repeat(256) } })).ok, true);
  await bo.until(() => bo.state.get(`board ${"k".repeat(256)}`));
  const cy = await connect(t, a, { name: "Cy" });
  await bo.until(() => bo.state.get(`presence ${cy.welcome.you.id}`));
});

test("a node whose state has outgrown a frame says so, and stays in the cluster", async t => {
  const types = [...plugins, board];
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) };
  const a = await newNode(t, { NODE_NAME: "a" }, types, logger);
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) }, types);
  await b.ready;
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  await ana.join("lobby");
  await bo.join("lobby");
  for (let count = 0; count < 17; count++)
    assert.equal((await ana.ask("board", { body: { key: String(count), data: "x".repeat(250_000) } })).ok, true);
  const c = await newNode(t, { NODE_NAME: "c", ...peer(a) }, types);
  await c.ready;
  await sees(ana, "a", ["b", "c"]);
  assert.equal(warnings.filter(warning => warning.includes("state of this node is too large")).length, 1);
  // What was small enough by itself has arrived, and so does everything else.
  await bo.until(() => bo.state.get("board 16"));
  const { id } = await ana.say("still here");
  await bo.until(() => bo.messages().find(message => message.id === id));
  await converged(a, b, c);
});

test("two nodes on one machine find each other by the loopback name alone", async t => {
  const a = await spawnNode(t, { PORT: "5031", ZMQ_HOST: "localhost", NODE_NAME: "a" });
  const b = await spawnNode(t, { PORT: "5032", ZMQ_HOST: "localhost", NODE_NAME: "b" });
  await Promise.all([a.logged('"peer":"b"'), b.logged('"peer":"a"')]);
  await Promise.all([a.ready(), b.ready()]);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.until(() => ana.state.size >= 3);
  assert.deepEqual(
    (await health(a)).peers.map(({ name, up }) => [name, up]),
    [["b", true]],
  );
  for (const line of [...a.lines, ...b.lines]) assert.ok(!line.includes("not every peer has answered"), line);
});

test("a third node that names one of them knows both, and holds everything when it is ready", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  await ana.join("lobby");
  await bo.join("lobby");
  for (let index = 0; index < 3_000; index += 100)
    await Promise.all(Array.from({ length: 100 }, (_, step) => (step % 2 ? ana : bo).say(String(index + step))));
  const c = await newNode(t, { NODE_NAME: "c", ...peer(b) });
  await c.ready;
  assert.equal(await c.log.digest(), await a.log.digest());
  const cy = await connect(t, c, { name: "Cy" });
  await sees(cy, "c", ["a", "b"]);
  await cy.join("lobby");
  const sent = await ana.say("straight from a");
  await cy.until(() => cy.messages().find(({ id }) => id === sent.id));
});

test("a killed node's people vanish, the others write on, and it catches up when it comes back", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  let b = await spawnNode(t, { NODE_NAME: "b", ...peer(a) });
  const { dataDir } = b;
  await b.ready();
  const ana = await connect(t, a, { name: "Ana" });
  const daming = await connect(t, b, { name: "大明" });
  await ana.join("lobby");
  await daming.join("lobby");
  await daming.say("from b");
  await ana.until(() => ana.messages().length === 1);
  const present = () => ana.state.get(`presence ${daming.welcome.you.id}`);
  await ana.until(present);
  await b.kill("SIGKILL");
  const killedAt = performance.now();
  await ana.until(() => !present());
  t.diagnostic(`gone after ${Math.round(performance.now() - killedAt)} ms`);
  await ana.until(() => {
    const status = [...ana.state.values()].find(({ type }) => type === "status");
    return (status?.body?.peers as { up: boolean }[])?.some(({ up }) => !up);
  });
  const texts = Array.from({ length: 300 }, (_, index) => `while b was away ${index}`);
  await Promise.all(texts.map(text => ana.say(text)));
  b = await spawnNode(t, { NODE_NAME: "b", DATA_DIR: dataDir, ...peer(a) });
  await b.ready();
  const back = await connect(t, b, { token: daming.welcome.token });
  const joined = await back.join("lobby");
  assert.deepEqual(
    joined.messages.map(({ alt }) => alt),
    texts.slice(-50),
  );
  const resumed = await back.join("lobby", {});
  assert.deepEqual(
    resumed.messages.map(({ alt }) => alt),
    ["from b", ...texts],
  );
  await ana.until(present);
  await sees(ana, "a", ["b"]);
});

test("a node that restarts without being named is found again by the others", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  const b = await spawnNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready();
  const bo = await connect(t, b, { name: "Bo" });
  await bo.join("lobby");
  await a.kill("SIGKILL");
  await bo.say("a is away");
  const again = await spawnNode(t, {
    NODE_NAME: "a",
    PORT: String(a.port),
    ZMQ_PORT: String(a.zmqPort),
    DATA_DIR: a.dataDir,
  });
  await again.logged('"peer":"b"');
  const ana = await connect(t, again, { name: "Ana" });
  await ana.join("lobby", {});
  const sent = await bo.say("a is back");
  await ana.until(() => ana.messages().find(({ id }) => id === sent.id));
});

test("a cursor from one node is good on another: what is missing comes exactly once", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  await ana.join("lobby");
  await bo.join("lobby");
  for (let index = 0; index < 40; index++) await (index % 2 ? ana : bo).say(`${index}`);
  await ana.until(() => ana.messages().length === 40);
  // What she heard may be on its way into her node's log.
  await converged(a, b);
  const { cursor } = await ana.join("lobby");
  ana.socket.disconnect();
  for (let index = 40; index < 60; index++) await bo.say(`${index}`);
  const hopped = await connect(t, b, { token: ana.welcome.token });
  const { messages, more } = await hopped.join("lobby", cursor);
  assert.equal(more, false);
  assert.deepEqual(
    messages.map(({ alt }) => alt),
    Array.from({ length: 20 }, (_, index) => `${index + 40}`),
  );
});

test("authors who come back are told how many nodes hold what they wrote", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const { id } = await ana.say("on both");
  await ana.until(() => ana.events.some(([event]) => event === "stored"));
  for (const node of [a, b]) {
    const [own] = (await (await connect(t, node, { token: ana.welcome.token })).join("lobby")).messages;
    assert.deepEqual([own?.id, own?.copies], [id, 2]);
    const [others] = (await (await connect(t, node, { name: `Reader ${node.port}` })).join("lobby")).messages;
    assert.equal(others?.copies, undefined);
  }
});

test("logging out on one node ends the session on all", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  await bo.until(() => bo.state.has(`presence ${ana.welcome.you.id}`));
  const tab = await connect(t, b, { token: ana.welcome.token });
  assert.equal((await ana.ask("chat:logout")).ok, true);
  await tab.until(() => tab.events.some(([event]) => event === "disconnect"));
  await assert.rejects(connect(t, b, { token: ana.welcome.token }), { code: "session-unknown" });
});

test("an erasure by somebody else, made where the message was not known, empties nothing", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const { id } = await ana.say("not for long");
  const b = await newNode(t, { NODE_NAME: "b" });
  const eve = await connect(t, b, { name: "Eve" });
  await eve.join("lobby");
  assert.equal((await eve.ask("redact", { room: "lobby", ref: id, body: {} })).ok, true);
  await b.stop();
  const together = await newNode(t, { NODE_NAME: "b", DATA_DIR: b.dataDir, ...peer(a) });
  await together.ready;
  assert.equal((await together.log.find(id))?.alt, "not for long");
  await converged(a, together);
});

test("logs name nobody's words", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a", LOG_LEVEL: "debug" });
  const b = await spawnNode(t, { NODE_NAME: "b", LOG_LEVEL: "debug", ...peer(a) });
  await b.ready();
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const sent = await ana.say("between-us-only");
  await ana.ask("text", { room: "lobby", body: { text: "between-us-only \u0000" } });
  await ana.ask("redact", { room: "lobby", ref: sent.id, body: {} });
  await b.kill("SIGTERM");
  await a.kill("SIGTERM");
  assert.ok(a.lines.length > 3);
  for (const line of [...a.lines, ...b.lines]) assert.ok(!line.includes("between-us-only"), line);
});

test("a message removed on one node is emptied on all, also on one that was away", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const secret = "the-secret-of-the-test";
  const { id } = await ana.say(secret);
  const bo = await connect(t, b, { name: "Bo" });
  const joined = await bo.join("lobby");
  if (!joined.messages.some(message => message.id === id))
    await bo.until(() => bo.messages().some(message => message.id === id));
  await b.stop();
  await ana.ask("redact", { room: "lobby", ref: id, body: {} });
  const again = await newNode(t, { NODE_NAME: "b", DATA_DIR: b.dataDir, ...peer(a) });
  await again.ready;
  const stored = await again.log.find(id);
  assert.deepEqual([stored?.body, stored?.alt, stored?.salt], [null, null, null]);
  assert.equal(await again.log.digest(), await a.log.digest());
});

test("a node that leaves in order says goodbye, and its people are gone at once", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  const bo = await connect(t, b, { name: "Bo" });
  await ana.until(() => ana.state.has(`presence ${bo.welcome.you.id}`));
  await b.stop();
  await ana.until(() => !ana.state.has(`presence ${bo.welcome.you.id}`));
});
