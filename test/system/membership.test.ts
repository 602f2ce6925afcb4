/** Who belongs to a cluster, and how it is found again: real processes on one machine. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";

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
  assert.deepEqual([last?.alt, written?.origin], [texts.at(-1), last?.origin]);
  assert.equal(written?.seq, (last?.seq ?? 0) + 1, "it follows what the backup did not have");
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
