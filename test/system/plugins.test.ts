/** Plugins that are dropped into a folder: they work as the built-in ones do, and what is wrong with one stays with it. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Logger } from "../../core/node.ts";
import { switchOff } from "../../core/plugins/off.ts";
import builtIn from "../../plugins/server.ts";
import { connect } from "../helpers/client.ts";
import { newNode, runNode, temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, type Files, moveOut, NOTE, SERVER, writePlugin } from "../helpers/plugins.ts";

type Line = { plugin?: string; where?: string; text: string };

/** A node with a folder of plugins, and what it logged as errors. */
async function nodeWith(t: TestContext, directory: string, dataDir = temporaryDirectory(t), types = builtIn) {
  const lines: Line[] = [];
  const logger: Logger = {
    info() {},
    warn() {},
    error: (details, text) => void lines.push({ ...details, text }),
  };
  const node = await newNode(t, { PLUGINS: directory, DATA_DIR: dataDir }, types, logger);
  return { node, lines, dataDir };
}

let people = 0;
/** Somebody new. */
const connectTo = (t: TestContext, node: { port: number }) => connect(t, node, { name: `Person ${++people}` });

test("a built-in type that is moved out into a folder works as it did", async t => {
  const directory = temporaryDirectory(t);
  moveOut(directory, "typing", ["valibot"]);
  const without = builtIn.filter(({ message }) => message.type !== "typing");
  const { node, lines } = await nodeWith(t, directory, undefined, without);
  assert.deepEqual(lines, []);
  const [ana, raj] = [await connectTo(t, node), await connectTo(t, node)];
  assert.equal(ana.welcome.types.typing, 1);
  await ana.join("lobby");
  await raj.join("lobby");
  assert.deepEqual(await ana.ask("typing", { room: "lobby", body: { typing: true } }), { ok: true });
  const [, signal] = await raj.until(() => raj.events.find(([event]) => event === "typing"));
  assert.deepEqual((signal as { body: unknown }).body, { typing: true });
  const refused = await ana.ask("typing", { room: "lobby", body: { typing: "yes" } });
  assert.equal(refused.code, "invalid", "its refusals are the node's own");
});

test("the page loads the client half, and has another fingerprint then", async t => {
  const directory = temporaryDirectory(t);
  const dataDir = temporaryDirectory(t);
  const page = async (node: { port: number; url: string }) => {
    const response = await fetch(`${node.url}/`);
    const { page } = (await connectTo(t, node)).welcome;
    return { html: await response.text(), etag: response.headers.get("etag"), fingerprint: page };
  };
  const { node: plain } = await nodeWith(t, directory);
  const before = await page(plain);
  writePlugin(directory, "note", {
    ...NOTE,
    "client.tsx": `import "./note.css";\nimport bell from "./bell.wav";\n${CLIENT}console.log(bell);\n`,
    "note.css": ".note { background: url(./dot.png) }",
    "dot.png": "a picture",
    "bell.wav": "a sound",
  });
  const { node, lines } = await nodeWith(t, directory, dataDir);
  assert.deepEqual(lines, []);
  const after = await page(node);
  assert.ok(before.html.includes(`<meta name="page" content="${before.fingerprint}">`), before.html);
  assert.ok(after.html.includes(`<meta name="page" content="${after.fingerprint}">`), after.html);
  assert.notEqual(after.fingerprint, before.fingerprint);
  assert.notEqual(after.etag, before.etag);
  assert.ok(!/<!--|name="plugins"/.test(before.html), before.html);
  const [, module = ""] = /<meta name="plugins" content="([^"]+)">/.exec(after.html) ?? [];
  const script = await fetch(`${node.url}/${module}`);
  assert.equal(script.status, 200);
  assert.match(String(script.headers.get("content-type")), /^text\/javascript/);
  assert.match(String(script.headers.get("cache-control")), /immutable/);
  const code = await script.text();
  for (const [pattern, type] of [
    [/"(\.\/note-bell-\w{8}\.wav)"/, "audio/wav"],
    [/(assets\/plugins\/note-dot-\w{8}\.png)/, "image/png"],
  ] as const) {
    const [, path = ""] = pattern.exec(code) ?? [];
    const asset = await fetch(new URL(path, path.startsWith(".") ? script.url : `${node.url}/`));
    assert.equal(asset.status, 200, path);
    assert.equal(asset.headers.get("content-type"), type);
  }
  for (const [, path = ""] of code.matchAll(/from\s*"(\.[^"]+)"/g)) {
    const own = await fetch(new URL(path, script.url));
    assert.equal(own.status, 200, `the page's own ${path}`);
  }
});

/** A plugin that needs a package, which needs one of its own. */
const LOUD: Files = {
  ...NOTE,
  "server.ts": `import { shout } from "loud";
import { defineServer, Reject } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, { receive(body) { throw new Reject("not-allowed", shout(String(body))); } });
`,
  "node_modules/loud/package.json": '{ "name": "loud", "version": "1.0.0", "main": "main.js" }',
  // In the older form, and asking for a module of Node's own.
  "node_modules/loud/main.js":
    'const { basename } = require("path"); const end = require("ending"); exports.shout = text => basename(text).toUpperCase() + end;',
  "node_modules/loud/node_modules/ending/package.json": '{ "name": "ending", "version": "2.0.0" }',
  "node_modules/loud/node_modules/ending/index.js": 'module.exports = "!";',
};

test("a package beside a plugin is bundled, with a dependency of its own", async t => {
  const directory = temporaryDirectory(t);
  writePlugin(directory, "note", LOUD);
  const { node, lines } = await nodeWith(t, directory);
  assert.deepEqual(lines, []);
  const ana = await connectTo(t, node);
  await ana.join("lobby");
  const { code, message } = await ana.ask("note", { room: "lobby", body: "a/hey" });
  assert.deepEqual({ code, message }, { code: "not-allowed", message: "HEY!" });
});

test("the hooks get what stands in settings.json", async t => {
  const directory = temporaryDirectory(t);
  writePlugin(directory, "note", {
    ...NOTE,
    "server.ts": `import { defineServer, Reject } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, settings => ({ receive() { throw new Reject("not-allowed", settings.word); } }));
`,
    "settings.json": '{ "word": "swordfish" }',
  });
  const { node } = await nodeWith(t, directory);
  const ana = await connectTo(t, node);
  await ana.join("lobby");
  assert.equal((await ana.ask("note", { room: "lobby", body: 1 })).message, "swordfish");
});

test("types that belong together come in together, or not at all", async t => {
  const directory = temporaryDirectory(t);
  const both = (second: string) => ({
    ...NOTE,
    "server.ts": `import { defineMessage, defineServer } from "web-chat/plugin";
import note from "./message.ts";
const mark = defineMessage({ ...note, type: "note.mark", role: ${second} });
export default [defineServer(note, {}), defineServer(mark, {})];
`,
  });
  const dataDir = temporaryDirectory(t);
  writePlugin(directory, "note", both('"column"'));
  const { node: first, lines } = await nodeWith(t, directory, dataDir);
  assert.match(lines[0]?.text ?? "", /“note.mark” has an unknown role/);
  assert.equal((await connectTo(t, first)).welcome.types.note, undefined);
  await first.stop();
  writePlugin(directory, "note", both('"mark"'));
  const { node: second, lines: none } = await nodeWith(t, directory, dataDir);
  assert.deepEqual(none, []);
  const { types } = (await connectTo(t, second)).welcome;
  assert.deepEqual([types.note, types["note.mark"]], [1, 1]);
});

test("folders that are no plugins, hidden ones and files are passed over", async t => {
  const directory = temporaryDirectory(t);
  writePlugin(directory, ".note", NOTE);
  writePlugin(directory, "other", { "README.md": "nothing", "server.ts": SERVER });
  writeFileSync(join(directory, "client.tsx"), CLIENT);
  const { lines } = await nodeWith(t, directory);
  assert.deepEqual(lines, []);
});

test("what was compiled is kept: an unchanged folder starts no compiler, a changed one is compiled anew", async t => {
  const directory = temporaryDirectory(t);
  const dataDir = temporaryDirectory(t);
  const wording = (word: string) => ({ ...NOTE, "server.ts": SERVER.replace("body => body", `() => "${word}"`) });
  const start = async () => {
    const { node, lines } = await nodeWith(t, directory, dataDir);
    assert.deepEqual(lines, []);
    const ana = await connectTo(t, node);
    await ana.join("lobby");
    await ana.ask("note", { room: "lobby", body: 1 });
    const note = await ana.until(() =>
      ana
        .messages("lobby")
        .filter(({ type }) => type === "note")
        .at(-1),
    );
    await node.stop();
    return note.body;
  };
  writePlugin(directory, "note", wording("one"));
  assert.equal(await start(), "one");
  const files = () => readdirSync(join(dataDir, "cache/plugins")).sort();
  const first = files();
  writePlugin(directory, "note", wording("two"));
  assert.equal(await start(), "two");
  assert.equal(files().length, first.length, "the old ones are gone");
  assert.notDeepEqual(files(), first);
});

test("a second start spawns no compiler", async t => {
  const directory = temporaryDirectory(t);
  const dataDir = temporaryDirectory(t);
  writePlugin(directory, "note", NOTE);
  // Whatever it runs in place of the compiler, that leaves a trace.
  const trace = join(temporaryDirectory(t), "trace");
  const compiler = join(temporaryDirectory(t), "compiler");
  const real = join(
    import.meta.dirname,
    "../../node_modules/@esbuild",
    `${process.platform}-${process.arch}`,
    "bin/esbuild",
  );
  if (process.platform === "win32" || !existsSync(real))
    return t.skip("there is no compiler that a script could stand for");
  writeFileSync(compiler, `#!/bin/sh\necho run >> ${trace}\nexec ${real} "$@"\n`, { mode: 0o755 });
  const start = async () => {
    const settings = {
      PORT: "0",
      HOST: "127.0.0.1",
      DATA_DIR: dataDir,
      PLUGINS: directory,
      ESBUILD_BINARY_PATH: compiler,
    };
    const node = runNode(settings);
    t.after(() => node.kill("SIGKILL"));
    await node.logged('"ready"');
    assert.ok(!node.lines.some(line => line.includes("is off")), node.lines.join("\n"));
    await node.kill("SIGTERM");
  };
  await start();
  assert.equal(readFileSync(trace, "utf8"), "run\n");
  await start();
  assert.equal(readFileSync(trace, "utf8"), "run\n");
  const [module] = readdirSync(join(dataDir, "cache/plugins")).filter(name => name.endsWith(".mjs"));
  writeFileSync(join(dataDir, "cache/plugins", module as string), "");
  await start();
  assert.equal(readFileSync(trace, "utf8"), "run\nrun\n", "what is damaged is compiled anew");
});

test("a plugin that was switched off stays off until it changes or the marker is removed", async t => {
  const directory = temporaryDirectory(t);
  const dataDir = temporaryDirectory(t);
  const marker = join(dataDir, "plugins-off/note.json");
  writePlugin(directory, "note", NOTE);
  const start = async () => {
    const { node, lines } = await nodeWith(t, directory, dataDir);
    const { types } = (await connectTo(t, node)).welcome;
    await node.stop();
    return { lines, isOn: types.note === 1 };
  };
  assert.ok((await start()).isOn);
  switchOff(dataDir, "note", { why: "“note” never returned from tick", where: "server.ts:3" });
  for (const _ of ["once", "again"]) {
    const { lines, isOn } = await start();
    assert.equal(isOn, false);
    assert.equal(lines[0]?.where, "server.ts:3");
    assert.match(lines[0]?.text ?? "", /never returned from tick/);
    assert.ok(lines[0]?.text.includes("plugins-off/note.json"), "it says which file to remove");
  }
  rmSync(marker);
  assert.ok((await start()).isOn, "without the marker");
  switchOff(dataDir, "note", { why: "it hangs" });
  assert.equal((await start()).isOn, false);
  writePlugin(directory, "note", { "server.ts": `${SERVER}// mended\n` });
  assert.ok((await start()).isOn, "when it has changed");
  assert.ok(!existsSync(marker));
  writeFileSync(marker, "junk");
  assert.equal((await start()).isOn, false, "whatever stands in it");
});

test("without a setting, plugins lie in the data directory; a folder that is named has to be there, and to hold them", async t => {
  const dataDir = temporaryDirectory(t);
  mkdirSync(join(dataDir, "plugins"));
  writePlugin(join(dataDir, "plugins"), "note", NOTE);
  const node = await newNode(t, { DATA_DIR: dataDir });
  assert.equal((await connectTo(t, node)).welcome.types.note, 1);
  await assert.rejects(newNode(t, { PLUGINS: join(dataDir, "none") }), {
    code: "config-invalid",
    message: /^PLUGINS is “.*none”, and there is no such folder$/,
  });
  await assert.rejects(newNode(t, { PLUGINS: join(dataDir, "plugins/note") }), {
    code: "config-invalid",
    message: /^PLUGINS is “.*note”, which is a plugin itself: name the folder it lies in$/,
  });
});
