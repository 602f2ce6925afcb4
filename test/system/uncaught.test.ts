/** What a dropped-in plugin leaves uncaught outside of its hooks: a fault of that plugin, and the node goes on. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { NodeFigures } from "../../core/plugin.ts";
import { folderToBlame } from "../../core/plugins/calls/uncaught.ts";
import { connect } from "../helpers/client.ts";
import { type NodeProcess, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { MESSAGE, writePlugin } from "../helpers/plugins.ts";

/** A plugin that does that when it is sent `{ go: true }`. */
const doing = (what: string) => `import { defineServer } from "web-chat/plugin";
import { connect } from "node:net";
import { EventEmitter } from "node:events";
import note from "./message.ts";
function go(context) {
  ${what}
}
export default defineServer(note, {
  receive(body, context) {
    if (body.go) go(context);
    return body;
  },
});
`;
/** Of the statement above. */
const LINE = "server.ts:6";

async function nodeWith(t: TestContext, what: string) {
  const directory = temporaryDirectory(t);
  writePlugin(directory, "note", { "message.ts": MESSAGE, "server.ts": doing(what) });
  const node = await spawnNode(t, { PLUGINS: directory });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const go = () => ana.ask("note", { room: "lobby", body: { go: true } });
  return { node, ana, go };
}

type Told = { plugin?: string; where?: string; level: number; msg: string };
const told = ({ lines }: NodeProcess): Told[] =>
  lines.map(line => JSON.parse(line) as Told).filter(({ msg }) => msg.includes("outside of its hooks"));

// biome-ignore format: a table
const LEFT: readonly [what: string, statement: string, why: RegExp, where: string | undefined][] = [
  ["throws in a timer", "setTimeout(() => { throw new TypeError('oh'); }, 1);", /oh/, LINE],
  ["leaves a rejection without a catch", "(async () => { await null; throw new Error('oh'); })();", /oh/, LINE],
  ["rejects with what is no error", "Promise.reject('oh');", /oh/, undefined],
  ["throws what is no error in a timer", "setTimeout(() => { throw 'oh'; }, 1);", /oh/, undefined],
  ["emits an error that nobody listens to", "setImmediate(() => new EventEmitter().emit('error', new Error('oh')));", /oh/, LINE],
  ["has a socket fail that nobody listens to", "connect(1, '127.0.0.1');", /ECONNREFUSED/, undefined],
  ["does not wait for what it asked the node for, which throws", "const later = async () => { await null; context.nothing(); }; later();", /nothing/, LINE],
];

for (const [what, statement, why, where] of LEFT)
  test(`a plugin that ${what} costs a fault, which names it, and the node goes on`, async t => {
    const { node, ana, go } = await nodeWith(t, statement);
    assert.equal((await go()).ok, true);
    await node.logged("outside of its hooks");
    const [line] = told(node);
    assert.equal(line?.plugin, "note");
    assert.match(line?.msg ?? "", why);
    assert.equal(line?.where, where);
    const status = await ana.until(() =>
      [...ana.state.values()].find(
        ({ type, body }) => type === "status" && (body as unknown as NodeFigures).faults.length > 0,
      ),
    );
    const [fault] = (status.body as unknown as NodeFigures).faults;
    assert.equal(fault?.plugin, "note");
    assert.equal(fault?.where, where);
    assert.ok(await ana.say("still here"));
    assert.equal(await node.kill("SIGTERM"), 0);
  });

test("a plugin that fails hundreds of times fills no log", async t => {
  const { node, ana, go } = await nodeWith(
    t,
    "for (let n = 0; n < 500; n++) setTimeout(() => { throw new Error('oh ' + n); }, 1); setTimeout(() => process.emitWarning('through'), 20);",
  );
  await go();
  await node.logged("through");
  assert.ok(await ana.say("still here"));
  const said = node.lines.filter(line => line.includes("outside of its hooks"));
  assert.equal(said.length, 1, said.join("\n"));
});

test("what the node itself leaves uncaught ends it as without plugins", async t => {
  const crash = `process.on("SIGUSR2", () => { throw new RangeError("of the core") })`;
  const script = temporaryDirectory(t);
  writePlugin(script, "crash", { "crash.mjs": crash });
  const program = [
    process.execPath,
    "--import",
    `${script}/crash/crash.mjs`,
    `${import.meta.dirname}/../../core/main.ts`,
  ];
  for (const plugins of [true, false]) {
    const directory = temporaryDirectory(t);
    if (plugins) writePlugin(directory, "note", { "message.ts": MESSAGE, "server.ts": doing("") });
    const node = runNode(
      { PORT: "0", HOST: "127.0.0.1", DATA_DIR: temporaryDirectory(t), PLUGINS: directory },
      [],
      [],
      program,
    );
    await node.logged("ready");
    node.process.kill("SIGUSR2");
    assert.equal(await node.ended, 1);
    const said = node.lines.join("\n");
    assert.match(said, /RangeError: of the core\n.*crash\.mjs:1:/);
    assert.match(said, /Node\.js v/);
  }
});

const frames = (...places: string[]) => Object.assign(new Error("oh"), { stack: `Error: oh\n${places.join("\n")}` });
const OWN = "    at go (file:///data/cache/plugins/note-1A2B.mjs:3:4)";
const CORE = "    at run (file:///app/core/router.ts:3:4)";
const NODE = "    at listOnTimeout (node:internal/timers:685:17)";

test("an error is laid to the plugin that it has a frame of, or that began what Node itself reports", () => {
  const blame = (error: unknown, running?: string) => folderToBlame(error, ["note"], running);
  assert.equal(blame(frames(OWN, NODE)), "note");
  assert.equal(blame(frames(NODE, CORE, OWN)), "note");
  assert.equal(blame(frames(NODE), "note"), "note");
  assert.equal(blame("oh", "note"), "note");
  assert.equal(blame(frames(NODE)), undefined);
  assert.equal(blame("oh"), undefined);
  assert.equal(blame(frames(CORE, NODE)), undefined);
  assert.equal(blame(frames(CORE, NODE), "note"), undefined, "what the core fails at in a plugin's wake is its own");
  assert.equal(blame(frames(OWN.replace("note", "gone"))), undefined, "no folder of this node");
  assert.equal(blame("oh", "gone"), undefined);
});
