/** The bus with a cluster secret: who has it is in, whoever else is not. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Dealer, Subscriber } from "zeromq";
import { keysOf } from "../../core/cluster/keys.ts";
import type { Logger } from "../../core/node.ts";
import type { Given } from "../../core/settings.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, type TestNode } from "../helpers/node.ts";
import { at } from "../suites/samples.ts";

const SECRET = "the one secret of this cluster";
const OTHER = "the secret of another cluster";

/** Tells of the first warning with a code. */
function listener(): { logger: Logger; warned: (code: string) => Promise<void> } {
  const heard = new Set<unknown>();
  let wake = () => {};
  const logger: Logger = {
    info() {},
    error() {},
    warn(details) {
      heard.add((details as { code?: unknown }).code);
      wake();
    },
  };
  const warned = (code: string) =>
    new Promise<void>(resolve => {
      wake = () => {
        if (heard.has(code)) resolve();
      };
      wake();
    });
  return { logger, warned };
}

let people = 0;

/** What is written on one node is read on the other. */
async function hears(t: TestContext, from: TestNode, by: TestNode): Promise<void> {
  const name = () => `person ${people++}`;
  const [writer, reader] = [await connect(t, from, { name: name() }), await connect(t, by, { name: name() })];
  await Promise.all([writer.join("lobby"), reader.join("lobby")]);
  const { id } = await writer.say("who has the secret reads this");
  await reader.until(() => reader.messages().find(message => message.id === id));
}

test("two nodes with the same secret are one chat", async t => {
  const a = await newNode(t, { CLUSTER_SECRET: SECRET });
  const b = await newNode(t, { CLUSTER_SECRET: SECRET, ...peer(a) });
  await Promise.all([a.ready, b.ready]);
  await hears(t, a, b);
  await converged(a, b);
});

for (const [what, secret] of [
  ["another secret", OTHER],
  ["no secret", undefined],
] as const)
  test(`a node with ${what} is no part of the cluster, says so, and serves all the same`, async t => {
    const { logger, warned } = listener();
    const a = await newNode(t, { CLUSTER_SECRET: SECRET });
    const b = await newNode(t, { ...peer(a), ...(secret && { CLUSTER_SECRET: secret }) }, undefined, logger);
    await warned("secret-differs");
    await b.ready;
    assert.deepEqual([a.nodes().length, b.nodes().length], [1, 1]);
  });

test("a node without a secret that a cluster dials stays outside", async t => {
  const { logger, warned } = listener();
  const b = await newNode(t);
  const a = await newNode(t, { CLUSTER_SECRET: SECRET, ...peer(b) }, undefined, logger);
  await warned("secret-differs");
  assert.deepEqual([a.nodes().length, b.nodes().length], [1, 1]);
});

test("a node that comes back with the right secret is let in", async t => {
  const b = await newNode(t, { CLUSTER_SECRET: OTHER });
  const { logger, warned } = listener();
  const a = await newNode(t, { CLUSTER_SECRET: SECRET, ...peer(b) }, undefined, logger);
  await warned("secret-differs");
  await b.stop();
  const again = await newNode(t, { CLUSTER_SECRET: SECRET, DATA_DIR: b.dataDir, ZMQ_PORT: String(b.zmqPort) });
  await hears(t, again, a);
});

test("while a secret is changed node by node, all stay one chat, and nothing of it is lost", async t => {
  const settings: Given[] = ["a", "b", "c"].map(name => ({ NODE_NAME: name, CLUSTER_SECRET: OTHER }));
  const nodes: TestNode[] = [];
  for (const own of settings) {
    const node = await newNode(t, { ...own, ...peer(...nodes) });
    Object.assign(own, { DATA_DIR: node.dataDir, ZMQ_PORT: String(node.zmqPort) });
    nodes.push(node);
  }
  const sent: string[] = [];
  for (const secrets of [`${OTHER},${SECRET}`, `${SECRET},${OTHER}`, SECRET])
    for (const [index, own] of settings.entries()) {
      await at(nodes, index).stop();
      const others = nodes.filter((_, other) => other !== index);
      const [writer, reader] = await Promise.all(others.map(node => connect(t, node, { name: `person ${people++}` })));
      assert.ok(writer && reader);
      await Promise.all([writer.join("lobby"), reader.join("lobby")]);
      // The two that run are one chat while the third restarts.
      const { id } = await writer.say(`while ${own.NODE_NAME} takes ${secrets}`);
      sent.push(id);
      await reader.until(() => reader.messages().find(message => message.id === id));
      nodes[index] = await newNode(t, { ...own, CLUSTER_SECRET: secrets, ...peer(...others) });
      await at(nodes, index).ready;
      await converged(...nodes);
      for (const node of others) await hears(t, at(nodes, index), node);
      await hears(t, at(others, 0), at(others, 1));
      writer.socket.disconnect();
      reader.socket.disconnect();
    }
  await converged(...nodes);
  for (const node of nodes) {
    const { join } = await connect(t, node, { name: `person ${people++}` });
    const seen = (await join("lobby")).messages.map(({ id }) => id);
    assert.deepEqual(
      sent.filter(id => !seen.includes(id)),
      [],
    );
    assert.equal(new Set(seen).size, seen.length);
  }
  // Who still has the old one alone is out, and is told by name.
  const { logger, warned } = listener();
  await at(nodes, 0).stop();
  nodes[0] = await newNode(t, { ...at(settings, 0), CLUSTER_SECRET: SECRET }, undefined, logger);
  const revoked = await newNode(t, { CLUSTER_SECRET: OTHER, ...peer(at(nodes, 0)) });
  await warned("stranger");
  await revoked.ready;
  assert.deepEqual(revoked.nodes().length, 1);
});

test("a node that was in with a secret that is given up is not let in again", async t => {
  const a = await newNode(t, { CLUSTER_SECRET: `${OTHER},${SECRET}` });
  const { logger, warned } = listener();
  const b = await newNode(t, { CLUSTER_SECRET: OTHER, ...peer(a) }, undefined, logger);
  await hears(t, a, b);
  await a.stop();
  const again = await newNode(t, {
    CLUSTER_SECRET: SECRET,
    DATA_DIR: a.dataDir,
    ZMQ_PORT: String(a.zmqPort),
    ...peer(b),
  });
  await warned("secret-differs");
  const [ana, bo] = [await connect(t, again, { name: "Ana" }), await connect(t, b, { name: "Bo" })];
  await Promise.all([ana.join("lobby"), bo.join("lobby")]);
  await bo.say("who hears this?");
  const { id } = await ana.say("nobody of old");
  await ana.until(() => ana.messages().find(message => message.id === id));
  assert.deepEqual([again.nodes().length, b.nodes().length], [1, 1]);
  assert.notEqual(await again.log.digest(), await b.log.digest());
});

test("a node with a secret and one without, whoever dials, both say it, and no frame gets through", async t => {
  for (const [serving, dialing] of [
    [{ CLUSTER_SECRET: SECRET }, {}],
    [{}, { CLUSTER_SECRET: SECRET }],
  ]) {
    const [of, by] = [listener(), listener()];
    const a = await newNode(t, serving, undefined, of.logger);
    const b = await newNode(t, { ...dialing, ...peer(a) }, undefined, by.logger);
    await Promise.all([of.warned("stranger"), by.warned("secret-differs")]);
    assert.deepEqual([a.nodes().length, b.nodes().length], [1, 1]);
  }
});

test("a stranger's sockets get and give nothing: without keys, and with keys of their own", async t => {
  const { logger } = listener();
  const a = await newNode(t, { CLUSTER_SECRET: SECRET }, undefined, logger);
  const b = await newNode(t, { CLUSTER_SECRET: SECRET, ...peer(a) });
  const { publicKey: server } = keysOf(SECRET);
  const own = keysOf(OTHER);
  const keys = { curvePublicKey: own.publicKey, curveSecretKey: own.secretKey };
  // The public key of the cluster is no secret among those who once were in it.
  for (const security of [{}, { ...keys, curveServerKey: own.publicKey }, { ...keys, curveServerKey: server }]) {
    const dealer = new Dealer({ linger: 0, sendTimeout: 0, immediate: true, ...security });
    const subscriber = new Subscriber({ linger: 0, receiveTimeout: 1_500, ...security });
    cleanUp(t, () => dealer.close());
    cleanUp(t, () => subscriber.close());
    const failed = new Promise<void>(resolve => {
      for (const event of ["handshake:error:protocol", "handshake:error:auth", "handshake:error:other"] as const)
        dealer.events.on(event, () => resolve());
    });
    dealer.connect(`tcp://127.0.0.1:${a.zmqPort}`);
    subscriber.connect(`tcp://127.0.0.1:${a.zmqPubPort}`);
    subscriber.subscribe();
    await failed;
    await assert.rejects(dealer.send("hello"));
    // The nodes beat once a second.
    await assert.rejects(subscriber.receive());
  }
  await hears(t, a, b);
});
