/** Who belongs to a cluster, and how it is found again: real processes on one machine. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import {
  command,
  converged,
  type Environment,
  type NodeProcess,
  newNode,
  peer,
  runNode,
  spawnNode,
  temporaryDirectory,
} from "../helpers/node.ts";

type Health = { ready: boolean; peers: { id: string; name: string; up: boolean; clockMs: number | null }[] };

async function health(node: { url: string }): Promise<Health> {
  return (await fetch(`${node.url}/healthz`)).json() as never;
}

/** A copy of a data directory whose node has ended. */
function copyOf(t: TestContext, dataDir: string): string {
  const copy = join(temporaryDirectory(t), "copy");
  cpSync(dataDir, copy, { recursive: true });
  return copy;
}

test("a node that starts again finds its peers without being told any, those too that it only heard of", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const c = await newNode(t, { NODE_NAME: "c", ...peer(a) });
  const cy = await connect(t, c, { name: "Cy" });
  await cy.until(() =>
    [...cy.state.values()].some(
      ({ body }) => body?.name === "c" && (body.peers as { up: boolean }[]).filter(({ up }) => up).length === 2,
    ),
  );
  await c.stop();
  await a.stop();
  const again = await newNode(t, { NODE_NAME: "c", DATA_DIR: c.dataDir });
  await again.ready;
  assert.deepEqual(
    again.nodes().map(({ name }) => name),
    ["c", "b"],
  );
  const { peers } = await health(again);
  assert.deepEqual(peers.map(({ name, up }) => `${name} ${up ? "up" : "down"}`).sort(), ["a down", "b up"]);
});

test("a restored node hears how far its stream went before it writes on, whoever waits for the ack", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const bo = await connect(t, b, { name: "Bo" });
  await bo.join("lobby");
  await bo.say("before the backup");
  await b.stop();
  const backup = copyOf(t, b.dataDir);
  const later = await newNode(t, { NODE_NAME: "b", DATA_DIR: b.dataDir });
  await later.ready;
  const back = await connect(t, later, { token: bo.welcome.token });
  await back.join("lobby");
  const texts = Array.from({ length: 1_500 }, (_, index) => `after the backup ${index}`);
  for (let from = 0; from < texts.length; from += 250)
    await Promise.all(texts.slice(from, from + 250).map(text => back.say(text)));
  await converged(a, later);
  await later.stop();

  const restored = await newNode(t, { NODE_NAME: "b", DATA_DIR: backup });
  const again = await connect(t, restored, { token: bo.welcome.token });
  await again.join("lobby");
  const { id } = await again.say("after the restoring");
  await converged(a, restored);
  const written = await a.log.find(id);
  const last = await a.log.find((await again.join("lobby")).messages.at(-2)?.id as string);
  assert.equal(last?.alt, texts.at(-1), "it follows what the backup did not have");
  assert.notEqual(written?.origin, last?.origin, "in a stream of its own: nobody can tell where the other one ends");
  assert.equal(written?.seq, 1);
});

test("who is silent holds up what is written, for seconds, and nothing that is read", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const bo = await connect(t, b, { name: "Bo" });
  await bo.join("lobby");
  await bo.say("one");
  await b.stop();
  process.kill(a.process.pid as number, "SIGSTOP");
  const order: string[] = [];
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void order.push(message) };
  const again = await newNode(t, { NODE_NAME: "b", DATA_DIR: b.dataDir }, undefined, logger);
  const back = await connect(t, again, { token: bo.welcome.token });
  const said = back.join("lobby").then(({ messages }) => {
    order.push(`read ${messages.map(({ alt }) => alt)}`);
    return back.say("two").then(() => order.push("wrote"));
  });
  await said;
  await again.ready;
  assert.deepEqual(order, [
    "read one",
    "a cannot be reached; going on without what is there: `web-chat forget` removes a node for good",
    "wrote",
  ]);
  process.kill(a.process.pid as number, "SIGCONT");
});

test("a peer that has ended holds up nothing", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  await b.stop();
  await a.stop();
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) };
  const again = await newNode(t, { NODE_NAME: "b", DATA_DIR: b.dataDir }, undefined, logger);
  await again.ready;
  assert.deepEqual(warnings, [], "it refused, and was not waited for");
  assert.deepEqual(
    (await health(again)).peers.map(({ name, up }) => [name, up]),
    [["a", false]],
  );
});

/** A node that has run once and ended, for copies of what it left. */
async function leftBehind(t: TestContext, settings: Environment = {}): Promise<string> {
  const node = await newNode(t, { NODE_NAME: "a", ...settings });
  await node.ready;
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("before the copy");
  await node.stop();
  return node.dataDir;
}

/** Starts a node that may end by itself. */
function start(t: TestContext, settings: Environment) {
  const node = runNode({ PORT: "0", HOST: "127.0.0.1", RATE_LIMIT: "0", CLAIM_LIMIT: "0", ...settings });
  cleanUp(t, () => node.kill("SIGKILL"));
  return node;
}

/** The node has ended with 1 and one line for people that says what to do. */
async function gaveWay(node: Pick<ReturnType<typeof runNode>, "ended" | "lines">): Promise<void> {
  assert.equal(await node.ended, 1, node.lines.join("\n"));
  const said = node.lines.filter(line => line.startsWith("web-chat: "));
  assert.equal(said.length, 1, node.lines.join("\n"));
  assert.match(
    said[0] as string,
    /the node “a.*” at 127\.0\.0\.1:\d+ runs on a copy .* start this one with an empty DATA_DIR; .* \[node-duplicate\]$/,
  );
}

/** It is up, takes messages, and has heard of its twin once. */
async function goesOn(t: TestContext, node: NodeProcess): Promise<void> {
  await node.logged("a second node runs on a copy of this data directory");
  const eve = await connect(t, node, { name: `Eve ${node.port}` });
  await eve.join("lobby");
  await eve.say("still here");
  assert.equal(node.lines.filter(line => line.includes("node-duplicate")).length, 1, node.lines.join("\n"));
}

test("a second node on a copy of a data directory refuses to start, and the first goes on", async t => {
  const dataDir = await leftBehind(t);
  const copy = copyOf(t, dataDir);
  const first = await spawnNode(t, { DATA_DIR: dataDir, NODE_NAME: "a" });
  const second = start(t, { DATA_DIR: copy, NODE_NAME: "a copy", ...peer(first) });
  await gaveWay(second);
  assert.ok(!second.lines.some(line => line.includes('"ready"')), "it never was");
  await goesOn(t, first);
});

test("a second node that knows only a third refuses as well, and the third stays with the first", async t => {
  const dataDir = await leftBehind(t);
  const copy = copyOf(t, dataDir);
  const third = await newNode(t, { NODE_NAME: "c" });
  const first = await spawnNode(t, { DATA_DIR: dataDir, NODE_NAME: "a", ...peer(third) });
  await first.ready();
  await gaveWay(start(t, { DATA_DIR: copy, NODE_NAME: "a copy", ...peer(third) }));
  const cy = await connect(t, third, { name: "Cy" });
  await cy.join("lobby");
  await goesOn(t, first);
  await cy.until(() => cy.messages().find(({ alt }) => alt === "still here"));
  assert.deepEqual(
    third.nodes().map(({ name }) => name),
    ["c", "a"],
  );
});

test("of two that start at the same time and name each other exactly one goes on", async t => {
  const dataDir = await leftBehind(t);
  const copy = copyOf(t, dataDir);
  const nodes = [
    start(t, { DATA_DIR: dataDir, NODE_NAME: "a1", PORT: "5041", ZMQ_HOST: "127.0.0.1:6042" }),
    start(t, { DATA_DIR: copy, NODE_NAME: "a2", PORT: "5042", ZMQ_HOST: "127.0.0.1:6041" }),
  ];
  const ended = await Promise.race(nodes.map(node => node.ended.then(() => node)));
  await gaveWay(ended);
  const [left] = nodes.filter(node => node !== ended);
  await left?.logged("a second node runs on a copy of this data directory");
  await left?.logged('"ready"');
  assert.equal(left?.process.exitCode, null);
});

test("twins that meet when both have long been up: the later one takes nothing more, and ends", async t => {
  const third = await newNode(t, { NODE_NAME: "c" });
  const dataDir = await leftBehind(t, peer(third));
  const copy = copyOf(t, dataDir);
  await third.stop();
  const first = await spawnNode(t, { DATA_DIR: dataDir, NODE_NAME: "a" });
  await first.ready();
  const second = await spawnNode(t, { DATA_DIR: copy, NODE_NAME: "a copy" });
  await second.ready();
  const eve = await connect(t, second, { name: "Eve" });
  await eve.join("lobby");
  await eve.say("nobody knows yet");
  const again = await newNode(t, { NODE_NAME: "c", DATA_DIR: third.dataDir, ...peer(second, first) });
  await eve.until(() => eve.events.some(([event]) => event === "disconnect"));
  if (second.process.exitCode === null) await once(second.process, "close");
  assert.equal(second.process.exitCode, 1);
  const errors = second.lines.filter(line => line.includes('"level":50'));
  assert.equal(errors.length, 1, errors.join("\n"));
  assert.match(errors[0] as string, /node-duplicate.*runs on a copy of this data directory/);
  await goesOn(t, first);
  const cy = await connect(t, again, { name: "Cy" });
  await cy.until(() => again.nodes().some(({ name }) => name === "a") || undefined);
});

const names = async (node: { url: string }) => (await health(node)).peers.map(({ name }) => name).sort();

/** Resolves when the node lists exactly these peers. */
async function lists(node: { url: string }, peers: string[]): Promise<void> {
  while ((await names(node)).join() !== peers.toSorted().join()) await new Promise(resolve => setTimeout(resolve, 20));
}

/** Resolves when so many peers are up for a node. One that it has only heard of is down, and comes up when it answers. */
async function up(node: { url: string }, count: number): Promise<void> {
  while ((await health(node)).peers.filter(peer => peer.up).length !== count)
    await new Promise(resolve => setTimeout(resolve, 20));
}

test("a node that is forgotten is gone from all, also from one that was away; what was written there stays", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const c = await newNode(t, { NODE_NAME: "c", ...peer(a) });
  await c.ready;
  const d = await newNode(t, { NODE_NAME: "d", ...peer(a) });
  await Promise.all([lists(a, ["b", "c", "d"]), lists(c, ["a", "b", "d"]), lists(d, ["a", "b", "c"])]);
  const bo = await connect(t, b, { name: "Bo" });
  await bo.join("lobby");
  const { id } = await bo.say("from b");
  await converged(a, b, c, d);
  await up(a, 3);
  await d.stop();
  await b.stop();
  await up(a, 1);
  const { code, out, error } = await command(a.dataDir, "forget", "b");
  assert.deepEqual([code, out, error], [0, `b (${b.id}) is removed; what was written there stays\n`, ""]);
  await Promise.all([lists(a, ["c", "d"]), lists(c, ["a", "d"])]);
  const away = await newNode(t, { NODE_NAME: "d", DATA_DIR: d.dataDir });
  await away.ready;
  await lists(away, ["a", "c"]);
  const back = await connect(t, away, { token: bo.welcome.token });
  assert.equal(back.welcome.you.name, "Bo");
  assert.ok((await back.join("lobby")).messages.some(message => message.id === id));
  await away.stop();
  const again = await newNode(t, { NODE_NAME: "d", DATA_DIR: d.dataDir });
  await lists(again, ["a", "c"]);
});

test("who is to be forgotten is named without doubt, and down; else the command says who there is", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  const twice = [await newNode(t, { NODE_NAME: "c", ...peer(a) }), await newNode(t, { NODE_NAME: "c", ...peer(a) })];
  await lists(a, ["b", "c", "c"]);
  const refused = async (node: string, says: RegExp) => {
    const { code, out, error } = await command(a.dataDir, "forget", node);
    assert.deepEqual([code, out], [1, ""], node);
    assert.match(error, says);
  };
  await refused(
    "nobody",
    /^web-chat: there is no other node “nobody” in this cluster; there are: .*b \(.* \[not-found\]\n$/,
  );
  await refused("a", /there is no other node “a”/);
  for (const little of ["", b.id.slice(0, 3)]) await refused(little, /there is no other node/);
  await refused("b", /^web-chat: b is up: stop it first \[not-allowed\]\n$/);
  await refused(b.id, /^web-chat: b is up/);
  await refused(
    "c",
    /^web-chat: “c” means several nodes, say the id of one: c \([-0-9a-f]{36}\), c \([-0-9a-f]{36}\) \[invalid\]\n$/,
  );
  await lists(a, ["b", "c", "c"]);
  const [one, other] = twice as [(typeof twice)[0], (typeof twice)[0]];
  await up(a, 3);
  await one.stop();
  await up(a, 2);
  await refused("c", /means several nodes/);
  let length = 4;
  while (other.id.startsWith(one.id.slice(0, length)) || b.id.startsWith(one.id.slice(0, length))) length++;
  assert.equal((await command(a.dataDir, "forget", one.id.slice(0, length))).code, 0);
  await lists(a, ["b", "c"]);
  await refused(one.id, /there is no other node/);
  await a.stop();
  await refused("b", /^web-chat: no node runs here: only one that runs knows which others are up \[unreachable\]\n$/);
});

const REMOVED = /this node was removed from its cluster .* start it with an empty DATA_DIR to join anew/;

test("a forgotten node that starts again ends with one line that says so, and nobody takes anything from it", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await b.ready;
  await a.logged('"a peer is up"');
  await b.stop();
  await up(a, 0);
  assert.equal((await command(a.dataDir, "forget", "b")).code, 0);
  for (let times = 0; times < 2; times++) {
    const again = start(t, { NODE_NAME: "b", DATA_DIR: b.dataDir });
    assert.equal(await again.ended, 1, again.lines.join("\n"));
    const said = again.lines.filter(line => line.startsWith("web-chat: "));
    assert.equal(said.length, 1, again.lines.join("\n"));
    assert.match(said[0] as string, REMOVED);
    assert.ok(said[0]?.endsWith("[node-forgotten]"));
  }
  assert.deepEqual(await names(a), []);
  assert.equal(a.lines.filter(line => line.includes("still runs; nothing is taken from it")).length, 1);
  assert.equal(a.lines.filter(line => line.includes('"a peer is up"')).length, 1, "the first time only");
  const anew = await spawnNode(t, { NODE_NAME: "b", ...peer(a) });
  await anew.ready();
  await lists(a, ["b"]);
});

test("a node that was forgotten while it was cut off ends when it is heard again", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const b = await spawnNode(t, { NODE_NAME: "b", ...peer(a) });
  await up(a, 1);
  process.kill(b.process.pid as number, "SIGSTOP");
  await up(a, 0);
  assert.equal((await command(a.dataDir, "forget", "b")).code, 0);
  process.kill(b.process.pid as number, "SIGCONT");
  if (b.process.exitCode === null) await once(b.process, "close");
  assert.equal(b.process.exitCode, 1);
  const errors = b.lines.filter(line => line.includes('"level":50'));
  assert.equal(errors.length, 1, errors.join("\n"));
  assert.match(errors[0] as string, REMOVED);
});
