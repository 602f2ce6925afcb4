/** A node whose dropped-in plugin never returns: the same process is the node again, without that plugin. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { type NodeProcess, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { writePlugin } from "../helpers/plugins.ts";

const MESSAGE = `import { defineMessage } from "web-chat/plugin";
export default defineMessage({ type: "knot", version: 1, kind: "signal", parse: input => input, summary: () => "" });
`;
const server = (first: string, hooks: string) => `import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import { defineServer } from "web-chat/plugin";
import knot from "./message.ts";
const asked = (): boolean => existsSync(process.env.DATA_DIR + "/hang");
const forever = (): never => {
  for (;;);
};
${first}
export default defineServer(knot, {
  ${hooks}
});
`;

/** By what hangs: the code, what the log says of it, and where. */
const STUCK: readonly [what: string, first: string, hooks: string, said: RegExp, where: string | undefined][] = [
  [
    "tick()",
    "",
    "tick: () => (asked() ? forever() : []),",
    /^“knot” never returned from tick \(server\.ts:7\): it is switched off, and this node restarts$/,
    "server.ts:7",
  ],
  [
    "a promise that goes on",
    "function later() { if (asked()) void Promise.resolve().then(forever); }",
    "tick() { later(); return []; },",
    /^“knot” never came to an end \(server\.ts:7\): it is switched off, and this node restarts$/,
    "server.ts:7",
  ],
  [
    "a regular expression",
    'const slow = () => /^(a+)+$/.test("a".repeat(64) + "b");',
    "tick: () => (asked() && slow() ? [] : []),",
    /^“knot” never returned from tick \(server\.ts:9\): it is switched off/,
    "server.ts:9",
  ],
];

const NODES: readonly [name: string, program: string[] | undefined][] = [
  ["the node", undefined],
  ["the executable", [executable]],
];

for (const [node, program] of NODES)
  for (const [what, first, hooks, said, where] of STUCK)
    test(`${node} names ${what} that never ends, and is itself again without that plugin`, async t => {
      const without = program && noExecutable();
      if (without) return t.skip(without);
      const chat = await newKnotted(t, server(first, hooks), program);
      const client = await connect(t, chat, { name: "Ada" });
      await client.join("lobby");
      await client.say("before");
      assert.equal(client.welcome.types.knot, 1);
      await chat.ready();
      const open = openFiles(chat);
      hang(chat);
      await restarted(chat);
      const line = chat.lines.map(parsed).find(({ level, folder }) => level === 50 && folder === "knot");
      assert.match(String(line?.msg), said);
      assert.equal(line?.where, where);
      await chat.ready();
      const other = await connect(t, chat, { name: "Grace" });
      assert.equal(other.welcome.types.knot, undefined);
      const { messages } = await other.join("lobby");
      assert.ok(messages.some(({ alt, body }) => (alt ?? JSON.stringify(body)).includes("before")));
      await other.say("after");
      assert.ok(openFiles(chat) <= open, `${openFiles(chat)} files are open, ${open} were before`);
      assert.equal(await chat.kill("SIGTERM"), 0);
    });

test("a plugin that hangs while it loads costs its own node no start", async t => {
  const { lines, ready } = await newKnotted(t, server("forever();", ""), undefined);
  await ready();
  const line = lines.map(parsed).find(({ level, folder }) => level === 50 && folder === "knot");
  assert.match(String(line?.msg), /^“knot” never came to an end \(server\.ts:7\)/);
  assert.ok(lines.some(text => text.includes("the plugin “knot” is off: switched off")));
});

test("a plugin that waits for another program for good costs the node this process, and a new one takes over", async t => {
  const chat = await newKnotted(t, server("", 'tick() { if (asked()) execSync("sleep 30"); return []; },'), undefined);
  hang(chat);
  await restarted(chat);
  const last = chat.lines.map(parsed).findLast(({ url }) => url) as { pid: number; url: string };
  cleanUp(t, () => process.kill(last.pid, "SIGKILL"));
  assert.equal(last.url, chat.url);
  assert.notEqual(last.pid, chat.process.pid);
  await chat.ready();
});

/** A node on ports of its own, with a plugin of that server half. */
async function newKnotted(t: TestContext, source: string, program: string[] | undefined): Promise<NodeProcess> {
  const dataDir = temporaryDirectory(t);
  writePlugin(join(dataDir, "plugins"), "knot", { "message.ts": MESSAGE, "server.ts": source });
  const [port, zmqPort] = await Promise.all([freePort(), freePort()]);
  return spawnNode(t, { DATA_DIR: dataDir, PORT: port, ZMQ_PORT: zmqPort }, [], [], program);
}

function hang({ dataDir }: NodeProcess): void {
  writeFileSync(join(dataDir, "hang"), "");
}

/** Resolves when the node has begun twice. */
async function restarted(node: NodeProcess): Promise<void> {
  await node.logged("the plugin “knot” is off: switched off");
  const begun = () => node.lines.filter(line => line.includes('"msg":"ready"')).length;
  while (begun() < 2) await new Promise(resolve => setTimeout(resolve, 20));
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** How many the process has; none where the system does not say. */
function openFiles({ process: { pid } }: NodeProcess): number {
  return process.platform === "linux" ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

async function freePort(): Promise<string> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  await new Promise(resolve => probe.close(resolve));
  return String(port);
}
