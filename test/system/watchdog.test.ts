/**
 * Nodes whose dropped-in plugins never return: each is a node again, without that plugin. A loop within a hook is among the
 * ways to fail of plugin-failures.test.ts, and what can be told of the others in test/core/watchdog.test.ts.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { STUCK_MS } from "../../core/plugins/watchdog/watchdog.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { type NodeProcess, openFiles, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { MESSAGE, writePlugin } from "../helpers/plugins.ts";
import { freePort } from "../helpers/port.ts";

/** By what such a plugin does: server halves. */
const server = (hooks: string, first = "") => `import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import { defineServer } from "web-chat/plugin";
import knot from "./message.ts";
const asked = (): boolean => existsSync(process.env.DATA_DIR + "/hang");
const forever = (): never => {
  for (;;);
};
const locked = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
${first}
export default defineServer(knot, { ${hooks} });
`;

test("the executable names a promise that goes on for ever, and is itself again without that plugin", {
  skip: noExecutable() ?? false,
}, async t => {
  const knot = server("tick() { if (asked()) void Promise.resolve().then(forever); return []; }");
  const node = await nodeWith(t, { knot }, [executable]);
  const client = await connect(t, node, { name: "Ada" });
  await client.join("lobby");
  await client.say("before");
  assert.equal(client.welcome.types.knot, 1);
  await node.ready();
  const open = openFiles(node);
  hang(node);
  await node.logged('"msg":"ready"', 2);
  const line = lineOf(node, "knot");
  assert.match(
    String(line?.msg),
    /^“knot” never came to an end \(server\.ts:7\): it is switched off, and this node restarts$/,
  );
  assert.deepEqual([line?.where, line?.pid], ["server.ts:7", node.process.pid]);
  await node.ready();
  const other = await connect(t, node, { name: "Grace" });
  assert.equal(other.welcome.types.knot, undefined);
  const { messages } = await other.join("lobby");
  assert.ok(messages.some(({ alt, body }) => (alt ?? JSON.stringify(body)).includes("before")));
  await other.say("after");
  assert.ok(openFiles(node) <= open, `${openFiles(node)} files are open, ${open} were before`);
  assert.equal(await node.kill("SIGTERM"), 0);
});

test("one that hangs while it loads costs no start, a node that was stopped for a while goes on with all others, and one that waits for another program for good only the process", async t => {
  const node = await nodeWith(t, {
    knot: server("", "locked();"),
    wait: server('tick() { if (asked()) execSync("sleep 30"); return []; }'),
  });
  await node.ready();
  assert.match(String(lineOf(node, "knot")?.msg), /^“knot” never came to an end \(server\.ts:9\)/);
  const isOff = (folder: string) =>
    node.lines.some(line => line.includes(`the plugin “${folder}” is off: switched off`));
  assert.deepEqual([isOff("knot"), isOff("wait")], [true, false]);
  if (process.platform !== "win32") await stopped(node);
  hang(node);
  await node.logged("the plugin “wait” is off: switched off");
  await node.logged('"msg":"ready"', 2);
  const [first, last] = parsed(node).filter(({ url }) => url) as { pid: number; url: string }[];
  cleanUp(t, () => process.kill(last?.pid as number, "SIGKILL"));
  assert.deepEqual([first?.pid, last?.url], [node.process.pid, node.url]);
  assert.notEqual(last?.pid, node.process.pid);
  await node.ready();
});

/** A node on ports of its own, with plugins of those server halves. */
async function nodeWith(t: TestContext, plugins: Record<string, string>, program?: string[]): Promise<NodeProcess> {
  const dataDir = temporaryDirectory(t);
  for (const [name, source] of Object.entries(plugins))
    writePlugin(join(dataDir, "plugins"), name, {
      "message.ts": MESSAGE.replace('"note"', `"${name}"`),
      "server.ts": source,
    });
  const [PORT, ZMQ_PORT] = [String(await freePort()), String(await freePort())];
  return spawnNode(t, { DATA_DIR: dataDir, PORT, ZMQ_PORT }, [], [], program);
}

function hang({ dataDir }: NodeProcess): void {
  writeFileSync(join(dataDir, "hang"), "");
}

/** For longer than any call may take. */
async function stopped(node: NodeProcess): Promise<void> {
  node.process.kill("SIGSTOP");
  // As long as it takes: nothing can be waited for in a process that is stopped.
  await sleep(8_000);
  node.process.kill("SIGCONT");
  await node.ready();
  await sleep(STUCK_MS);
  assert.equal(node.lines.filter(line => line.includes("and this node restarts")).length, 1, "nothing else is off");
  await node.ready();
}

function parsed({ lines }: NodeProcess): Record<string, unknown>[] {
  return lines.filter(line => line.startsWith("{")).map(line => JSON.parse(line));
}

/** What the watchdog says of that plugin. */
const lineOf = (node: NodeProcess, folder: string) =>
  parsed(node).find(line => line.level === 50 && line.folder === folder);
