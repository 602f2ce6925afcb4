/** Two executables are one chat, and end as a node from source does. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { endsInOrder } from "../helpers/load.ts";
import { type Environment, type NodeProcess, peer, spawnNode } from "../helpers/node.ts";

const skip = noExecutable() ?? false;

function start(t: TestContext, settings: Environment = {}): Promise<NodeProcess> {
  return spawnNode(t, settings, [], [], [executable]);
}

test("a message crosses from one executable's page to the other's, both ways", { skip }, async t => {
  const here = await start(t, { NODE_NAME: "here" });
  const there = await start(t, { NODE_NAME: "there", ...peer(here) });
  await Promise.all([here.ready(), there.ready()]);
  const ana = await join(t, here.url, "Ana");
  const ben = await join(t, there.url, "Ben");
  await say(ana, "from here");
  await row(ben, "from here").waitFor();
  await say(ben, "from there");
  await row(ana, "from there").waitFor();
});

test("SIGTERM under load: it ends in order within 5 s, and what was acked is there after a restart", {
  skip,
}, async t => {
  await endsInOrder(t, settings => start(t, settings));
});

test("a second SIGTERM ends it at once", { skip }, async t => {
  const node = await start(t);
  const ana = await connect(t, node, { name: "Ana" });
  // It does not hear that the node takes its leave, and the node waits for its answer.
  const { transport } = ana.socket.io.engine as unknown as { transport: { ws: { pause(): void } } };
  transport.ws.pause();
  node.process.kill("SIGTERM");
  await node.logged('"stopping"');
  assert.equal(await node.kill("SIGTERM"), 1);
  assert.ok(!node.lines.some(line => line.includes('"stopped"')));
});
