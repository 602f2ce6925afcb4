/** A message type of one's own, with nothing but the executable: no Node, no npm, no compiler. */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, linkSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join as joinPaths } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { type Environment, type NodeProcess, peer, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { type Files, NOTE, packagesInto, writePlugin } from "../helpers/plugins.ts";

const skip =
  noExecutable() ?? (process.platform === "win32" ? "the folder is entered by a shell of other systems" : false);

/** Neither Node nor npm is found there, nor anything else. */
const NOTHING = { PATH: "" };

/** An empty folder with the executable in it, which runs there. */
function download(t: TestContext) {
  const folder = temporaryDirectory(t);
  const program = joinPaths(folder, "web-chat");
  try {
    linkSync(executable, program);
  } catch {
    copyFileSync(executable, program);
  }
  const inside = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder];
  return {
    folder,
    async run(...words: string[]): Promise<string> {
      const { ended, lines } = runNode(NOTHING, inside, words, ["./web-chat"]);
      assert.equal(await ended, 0, lines.join("\n"));
      return lines.join("\n");
    },
    /** A node whose data are in that folder of it. */
    start(dataDir: string, flags: string[], settings: Environment = {}): Promise<NodeProcess> {
      const given = { ...settings, ...NOTHING, DATA_DIR: dataDir, NODE_NAME: dataDir };
      return spawnNode(t, given, inside, flags, ["./web-chat"]);
    },
  };
}

const WITH_PLUGINS = ["--plugins", "."];
/** While a node restarts, a page asks for it in vain. */
const RESTARTING = { ignore: [/WebSocket/, /net::ERR_/] };

const answer = (page: Page, name: string) => row(page, "Lunch?").getByRole("button", { name, exact: true });

async function counted(pages: readonly Page[], ...names: string[]): Promise<void> {
  for (const page of pages) for (const name of names) await answer(page, name).waitFor();
}

/** As after an update: on the same ports and data. */
async function restart(
  start: (settings: Environment) => Promise<NodeProcess>,
  node: NodeProcess,
  settings: Environment = {},
): Promise<NodeProcess> {
  assert.equal(await node.kill("SIGTERM"), 0);
  return start({ ...settings, PORT: String(node.port), ZMQ_PORT: String(node.zmqPort) });
}

/** Tells in the report how long each step took, and all of them. */
function stopwatch(t: TestContext) {
  const began = performance.now();
  let last = began;
  return (step: string) => {
    const now = performance.now();
    t.diagnostic(`${step}: ${Math.round(now - last)} ms, ${Math.round(now - began)} ms in all`);
    last = now;
  };
}

test("in an empty folder: new, check, two nodes, two browsers vote, and the votes are there after a restart", {
  skip,
}, async t => {
  const { run, start } = download(t);
  const did = stopwatch(t);
  assert.match(await run("new", "poll"), /^poll\/ is a plugin that works\./);
  did("new");
  assert.match(await run("check", "poll"), /^poll is sound \(/);
  did("check");
  const first = (settings: Environment) => start("one", WITH_PLUGINS, settings);
  let one = await first({});
  did("the first node, which compiles");
  const second = (settings: Environment) => start("two", WITH_PLUGINS, { ...settings, ...peer(one) });
  let two = await second({});
  await Promise.all([one.ready(), two.ready()]);
  did("the second node");
  await underPolicy(one);
  const ana = await join(t, one.url, "Ana", RESTARTING);
  const ben = await join(t, two.url, "Ben", RESTARTING);
  did("two browsers");
  await say(ana, "/poll Lunch?");
  await counted([ana, ben], "Yes 0", "No 0");
  await answer(ana, "Yes 0").click();
  await answer(ben, "No 0").click();
  await counted([ana, ben], "Yes 1", "No 1");
  did("a question and two votes");
  one = await restart(first, one);
  two = await restart(second, two);
  await Promise.all([one.ready(), two.ready()]);
  did("both nodes again");
  for (const page of [ana, ben]) await page.reload();
  await counted([ana, ben], "Yes 1", "No 1");
  assert.equal(await answer(ana, "Yes 1").getAttribute("aria-pressed"), "true");
  await answer(ben, "Yes 1").click();
  await counted([ana, ben], "Yes 2", "No 0");
  did("both browsers again, and a vote that is changed");
});

/** Scripts of the node's own origin only, none in the page, no `eval`; the page's helper tells of whatever is refused. */
async function underPolicy({ url }: NodeProcess): Promise<void> {
  const policy = (await fetch(url)).headers.get("content-security-policy") ?? "";
  const directives = new Map(policy.split(";").map(text => [text.trim().split(" ", 1)[0], text.trim()]));
  assert.equal(directives.get("default-src"), "default-src 'self'");
  assert.ok(![...directives.keys()].some(name => name?.startsWith("script-src")), "scripts have no rule of their own");
}

test("a node without the folder serves the line that stands for a poll; with it, all votes are counted", {
  skip,
}, async t => {
  const { folder, run, start } = download(t);
  await run("new", "poll");
  const one = await start("one", WITH_PLUGINS);
  await one.ready();
  const [ana, ben] = [await connect(t, one, { name: "Ana" }), await connect(t, one, { name: "Ben" })];
  for (const person of [ana, ben]) await person.join("lobby");
  const { id: ref } = await ana.ask("poll", { room: "lobby", body: { text: "Lunch?" } });
  const vote = async (by: typeof ana, yes: boolean) => {
    const { ok, message } = await by.ask("poll.answer", { room: "lobby", ref, body: { yes } });
    assert.ok(ok, message);
  };
  await vote(ana, true);
  const third = (settings: Environment) => start("three", [], { ...settings, ...peer(one) });
  const three = await third({});
  await three.ready();
  const page = await join(t, three.url, "Cleo", RESTARTING);
  await row(page, "Lunch?").getByText("This server has no plugin for ‘poll’").waitFor();
  assert.equal(await row(page, "Lunch?").getByRole("button").count(), 0);
  await vote(ben, false);
  cpSync(joinPaths(folder, "poll"), joinPaths(folder, "three/plugins/poll"), { recursive: true });
  const again = await restart(third, three);
  await again.ready();
  // It went on at the other node meanwhile.
  await page.reload();
  await counted([page], "Yes 1", "No 1");
  await answer(page, "Yes 1").click();
  await counted([page], "Yes 2", "No 1");
  assert.equal(await page.getByText("has no plugin").count(), 0);
});

test("dev serves what is saved, and names what cannot be loaded with its place until that is mended", {
  skip,
}, async t => {
  const { folder, run, start } = download(t);
  await run("new", "poll");
  const node = await start("data", ["dev", "poll"]);
  await node.ready();
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const ask = async () => (await ana.ask("poll", { room: "lobby", body: { text: "Lunch?" } })).message;
  const path = joinPaths(folder, "poll/server.ts");
  const before = readFileSync(path, "utf8");
  assert.equal(await ask(), undefined);
  writeFileSync(path, `${before}\nconst = 5;\n`);
  await node.logged(`“poll” server.ts:${before.split("\n").length + 1}: `);
  assert.equal(await ask(), undefined, "the version before goes on");
  const refuse = 'receive: () => { throw new Reject("invalid", "not hungry"); }';
  writeFileSync(path, before.replace("receive: body => body", refuse));
  await node.logged("“poll” is loaded anew, in");
  assert.equal(await ask(), "not hungry");
});

/** Needs a package that needs others, as npm lays them side by side, and one that has its own within it. */
const LOUD: Files = {
  ...NOTE,
  "server.ts": `import postcss from "postcss";
import { defineServer } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, { receive: body => postcss.parse(String(body)).first.selector });
`,
  "client.tsx": `import { shout } from "loud";
import { defineClient } from "web-chat/plugin";
import note from "./message.ts";
import "./note.css";
export default defineClient(note, { Row: ({ message }) => <b class="note">{shout(message.body)}</b> });
`,
  "note.css": ".note { text-decoration: underline }",
  "node_modules/loud/package.json": '{ "name": "loud", "version": "1.0.0", "main": "main.js" }',
  // In the older form.
  "node_modules/loud/main.js": 'const end = require("ending"); exports.shout = text => text.toUpperCase() + end;',
  "node_modules/loud/node_modules/ending/package.json": '{ "name": "ending", "version": "2.0.0" }',
  "node_modules/loud/node_modules/ending/index.js": 'module.exports = "!";',
};

test("packages beside a plugin work, and the compiler is unpacked only where there is something to compile", {
  skip,
}, async t => {
  const { folder, start } = download(t);
  const compilers = () =>
    readdirSync(joinPaths(folder, "data/native")).filter(name => name.startsWith("esbuild-")).length;
  const plain = await start("data", []);
  assert.equal(compilers(), 0);
  await plain.kill("SIGTERM");
  const plugin = writePlugin(joinPaths(folder, "data/plugins"), "note", LOUD);
  packagesInto(plugin, "postcss", "nanoid", "picocolors", "source-map-js");
  let posted = 0;
  for (const text of ["compiled", "cached"]) {
    const node = await start("data", []);
    await node.ready();
    const raj = await connect(t, node, { name: `Raj ${++posted}` });
    await raj.join("lobby");
    assert.ok((await raj.ask("note", { room: "lobby", body: `${text} { color: red }` })).ok);
    const page = await join(t, node.url, `Ana ${posted}`);
    const drawn = page.getByText(`${text.toUpperCase()}!`);
    assert.match(await drawn.evaluate(element => getComputedStyle(element).textDecoration), /underline/);
    assert.equal(compilers(), 1);
    await page.context().close();
    assert.equal(await node.kill("SIGTERM"), 0);
  }
});
