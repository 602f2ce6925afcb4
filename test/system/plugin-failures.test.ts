/**
 * A node with a folder full of broken plugins, one for each way to be broken: it starts and goes on, and its log and its
 * System panel say which plugin, and where in its sources. What is missing here a plugin does not survive either: junk of
 * every form is in plugin-junk.test.ts, other ways to hang in watchdog.test.ts.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join as pathOf } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";
import type { NodeFigures } from "../../core/plugin.ts";
import { GIVE_UP_MS, SLOW_MS } from "../../core/plugins/calls/calls.ts";
import { join, row, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { type NodeProcess, openFiles, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, type Files, MESSAGE, NOTE, SERVER, writePlugin } from "../helpers/plugins.ts";
import { freePort } from "../helpers/port.ts";

type Row = readonly [what: string, folder: string, where: string | undefined, why: RegExp, files: Files];

const withServer = (server: string): Files => ({ ...NOTE, "server.ts": server });
const withMessage = (before: string, after: string): Files => ({
  ...NOTE,
  "message.ts": MESSAGE.replace(before, after),
});
const withClient = (client: string): Files => ({ ...NOTE, "client.tsx": client });
/** A server half whose hook stands in its fourth line. */
const withHook = (hook: string): Files => withServer(SERVER.replace("{ receive: body => body }", `{\n  ${hook}\n}`));

/** Off from the start. */
// biome-ignore format: a table
const OFF: readonly Row[] = [
  ["a server half that does not compile", "syntax", "server.ts:2", /does not compile: Unexpected ";"/, withServer("const a = 1;\nconst b = (;\n")],
  ["a client half that does not compile", "markup", "client.tsx:3", /does not compile: /, withClient(CLIENT.replace("<p>", "<p"))],
  ["a sheet that is not there", "sheet", "client.tsx:1", /Could not resolve "\.\/none\.css"/, withClient(`import "./none.css";\n${CLIENT}`)],
  ["a package that is not there", "package", "server.ts:1", /Could not resolve "nowhere"/, withServer(`import "nowhere";\n${SERVER}`)],
  ["an import that the contract does not have", "import", "message.ts:1", /No matching export .* for import "defineMassage"/, { ...NOTE, "message.ts": MESSAGE.replaceAll("defineMessage", "defineMassage") }],
  ["a client half that imports the settings", "secret", "client.tsx:1", /settings\.json stays on the server/, { ...withClient(`import secret from "./settings.json";\n${CLIENT}console.log(secret);\n`), "settings.json": "{}" }],
  ["a client half that imports the server half", "halves", "client.tsx:1", /server\.ts stays on the server/, withClient(`import "./server.ts";\n${CLIENT}`)],
  ["no server half", "half", undefined, /there is no server\.ts/, { "message.ts": MESSAGE, "client.tsx": CLIENT }],
  ["a server half that throws when it is loaded", "throws", "server.ts:4", /threw when it was loaded: no luck/, withServer(`${SERVER}throw new Error("no luck");\n`)],
  ["one that throws what is no error", "text-thrown", "server.ts", /threw when it was loaded: no luck/, withServer(`${SERVER}throw "no luck";\n`)],
  ["one that rejects when it is loaded", "rejects", "server.ts:4", /threw when it was loaded: no luck/, withServer(`${SERVER}await Promise.reject(new Error("no luck"));\n`)],
  ["a server half that exports no plugin", "number", "server.ts:2", /exports no plugin/, withServer("\nexport default 1;\n")],
  ["a client half that exports nothing", "undrawable", "client.tsx:1", /its client half exports no plugin by default: export default defineClient/, withClient(CLIENT.replace("export default ", ""))],
  ["two types of one name", "twins", "server.ts:3", /two types are called “twins”, also in message\.ts:3: call one of them something else/, withServer(SERVER.replace("export default ", 'const twin = { ...note, type: "twins" };\nexport default [defineServer(twin, {}), ').replace("});", "})];"))],
  ["a server half that exports nothing", "nothing", "server.ts:1", /exports no plugin/, withServer("console.log;\n")],
  ["an empty list", "empty", "server.ts:1", /exports no plugin/, withServer("export default [];\n")],
  ["a name that is not the folder's", "other", "message.ts:3", /“memo” is not named after its folder/, withMessage('"note"', '"memo"')],
  ["a name that is taken", "text", "message.ts:3", /“text” is built in: the folder needs another name$/, NOTE],
  ["a reserved name", "history", "message.ts:3", /has a reserved name/, NOTE],
  ["a folder that no type can be named after", "Big_Note", undefined, /needs a name of small letters, digits and dashes/, NOTE],
  ["another contract", "contract", "message.ts:3", /was written for version 2 of the contract, and this node speaks version 1/, withMessage("version: 1", "contract: 2, version: 1")],
  ["a type without a kind", "kindless", "message.ts:3", /needs a kind: log, state or signal/, withMessage('"log"', "null")],
  ["a parse that is no function", "parse", "message.ts:3", /needs parse\(\)/, withMessage("input => input", "1")],
  ["a hook that is no function", "hook", "message.ts:3", /has a tick that is no function/, withServer(SERVER.replace("receive: body => body", "tick: 1"))],
  ["hooks that cannot be made", "hooks", "server.ts:4", /could not make its hooks: no word is set/, withServer(SERVER.replace("{ receive: body => body }", '() => {\n  throw new Error("no word is set");\n}'))],
  ["settings that are no JSON", "settings", "settings.json:2", /settings\.json is no JSON: there, names and texts stand in double quotes, and no comma before a closing bracket$/, { ...NOTE, "settings.json": '{\n  "word": swordfish\n}' }],
];

/** On, and each message of theirs is refused. */
// biome-ignore format: a table
const REFUSED: readonly Row[] = [
  ["throws in a hook", "fails", "server.ts:4", /receive of “fails”: no luck/, withHook('receive() { throw new Error("no luck"); },')],
  ["throws where a message is read", "misreads", "message.ts:6", /parse of “misreads”: .*undefined/, withMessage("input => input", "input => input.no.body")],
  ["rejects", "breaks-a-promise", "server.ts:4", /receive of “breaks-a-promise”: no luck/, withHook('async receive() { throw new Error("no luck"); },')],
  ["never settles", "waits", undefined, new RegExp(`receive of “waits”: it did not settle within ${GIVE_UP_MS} ms`), withHook("receive: () => new Promise(() => {}),")],
  ["returns nothing", "gives-nothing", undefined, /receive of “gives-nothing”: it returned nothing/, withHook("receive() {},")],
  ["returns what browsers cannot be told", "gives-junk", undefined, /parse of “gives-junk”: a body has a BigInt in it/, withMessage("input => input", "input => input, pack: () => new Uint8Array([1]), unpack: () => 1n")],
  ["returns a wrong type", "gives-a-number", undefined, /summary of “gives-a-number”: /, withMessage('"a note"', "5")],
];

const SLOW: Row = [
  "takes longer than 50 ms in a hook",
  "slow",
  undefined,
  /^receive of “slow” kept the node waiting, for \d+ ms at most$/,
  withHook("receive(body) { for (const end = Date.now() + 80; Date.now() < end; ); return body; },"),
];

const UNDRAWN: Row = [
  "throws while it is drawn",
  "undrawn",
  "client.tsx:3",
  /^in a browser: cannot draw$/,
  withClient(CLIENT.replace("<p>{message.alt}</p>", '{ throw new Error("cannot draw"); }')),
];

const STUCK: Row = [
  "never returns",
  "stuck",
  "server.ts:5",
  /^“stuck” never returned from tick \(server\.ts:5\): it is switched off, and this node restarts$/,
  withServer(
    `import { existsSync } from "node:fs";\n${SERVER.replace("{ receive: body => body }", `{\n  tick() { while (existsSync(process.env.DATA_DIR + "/hang")); return []; },\n}`)}`,
  ),
];

/** On, and told of once in a minute. */
// biome-ignore format: a table
const TOLD: readonly Row[] = [
  ["throws where nobody has sent anything", "ticks", "server.ts:4", /^tick of “ticks”: no luck$/, withHook('tick() { throw new Error("no luck"); },')],
  ["throws in a timer of its own", "times", "server.ts:4", /^outside of its hooks: no luck$/, withHook('tick() { setTimeout(() => { throw new Error("no luck"); }); return []; },')],
  ["forgets a promise that rejects", "forgets", "server.ts:4", /^outside of its hooks: no luck$/, withHook('tick() { void Promise.resolve().then(() => { throw new Error("no luck"); }); return []; },')],
];

const SOUND: Row = ["works", "note", undefined, /^$/, NOTE];

const ON = [...REFUSED, ...TOLD, SLOW, UNDRAWN, STUCK, SOUND];

test("a node that has every kind of broken plugin at once", async t => {
  const dataDir = temporaryDirectory(t);
  for (const [, folder, , , { "message.ts": message = "", ...files }] of [...OFF, ...ON])
    writePlugin(pathOf(dataDir, "plugins"), folder, {
      ...files,
      "message.ts": String(message).replace('"note"', `"${folder}"`),
    });
  const ports = { PORT: String(await freePort()), ZMQ_PORT: String(await freePort()) };
  const node = await spawnNode(t, { DATA_DIR: dataDir, ...ports });
  await node.ready();
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const answers = new Map(
    [...REFUSED, SLOW, UNDRAWN, SOUND].map(([, folder]) => [folder, ana.ask(folder, { room: "lobby", body: {} })]),
  );
  const page = await join(t, node.url, "Raj", { ignore: [/undrawn: Error: cannot draw/, /WebSocket/, /net::ERR_/] });
  const said: string[] = [];
  page.on("console", message => said.push(message.text()));

  await t.test("the page is there, and loads the client halves of those that are on", async () => {
    const html = await (await fetch(node.url)).text();
    const [, modules = ""] = /<meta name="plugins" content="([^"]+)">/.exec(html) ?? [];
    const loaded = modules.split(" ").map(path => /plugins\/(.+)-\w{8}\.js$/.exec(path)?.[1]);
    assert.deepEqual(loaded.sort(), ON.map(([, folder]) => folder).sort());
    assert.equal((await answers.get(SOUND[1]))?.ok, true);
    await say(page, "as ever");
    await row(page, "as ever").waitFor();
  });

  for (const [what, folder, where, why] of OFF)
    await t.test(`a plugin with ${what} is off`, async () => {
      const [line, ...more] = linesOf(node, folder);
      assert.deepEqual({ where: line?.where, level: line?.level, more }, { where, level: 50, more: [] });
      assert.ok(line?.msg.startsWith(`the plugin “${folder}” is off: `), line?.msg);
      assert.match(line?.msg ?? "", why);
      assert.ok(!/[\n\r]/.test(line?.msg ?? ""), "it is one line");
      assert.equal(ana.welcome.types[folder], folder === "text" ? 1 : undefined);
      await isShown(ana, page, { folder, where, why });
    });

  for (const [what, folder, where, why] of REFUSED)
    await t.test(`a plugin that ${what} costs that message`, async () => {
      const { ok, code, message } = (await answers.get(folder)) ?? {};
      assert.deepEqual({ ok, code }, { ok: false, code: "plugin-failed" }, message);
      const [line, ...more] = linesOf(node, folder);
      assert.deepEqual({ where: line?.where, more }, { where, more: [] });
      assert.ok(line?.msg.startsWith(`“${folder}” failed in ${/^\w+/.exec(why.source)}`), line?.msg);
      if (where !== undefined) assert.ok(line?.msg.includes(`(${where}): `), line?.msg);
      await isShown(ana, page, { folder, where, why });
      await ana.say(`still here after ${folder}`);
    });

  for (const [what, folder, where, why] of TOLD)
    await t.test(`a plugin that ${what} is told of once`, async () => {
      await isShown(ana, page, { folder, where, why });
      const [line, ...more] = linesOf(node, folder);
      assert.deepEqual({ where: line?.where, more }, { where, more: [] });
      assert.match(line?.msg ?? "", /^“\w+” failed (in tick|outside of its hooks) \(server\.ts:4\): no luck$/);
    });

  await t.test(`a plugin that ${SLOW[0]} is named in log, panel and metrics`, async () => {
    const [, folder, where, why] = SLOW;
    assert.equal((await answers.get(folder))?.ok, true);
    // A machine that stalls makes anything slow, once or twice.
    for (let more = 0; more < 2; more++) assert.ok((await ana.ask(folder, { room: "lobby", body: {} })).ok);
    const [line, ...others] = linesOf(node, folder);
    assert.deepEqual(others, []);
    assert.match(line?.msg ?? "", /^“slow” kept this node waiting for \d+ ms in receive$/);
    assert.ok(Number(line?.tookMs) > SLOW_MS);
    await isShown(ana, page, { folder, where, why });
    const metrics = await (await fetch(`${node.url}/metrics`)).text();
    assert.ok(metrics.includes('\nchat_plugin_slow_seconds_count{type="slow",hook="receive"} 3\n'));
  });

  await t.test(
    `a plugin that ${UNDRAWN[0]} shows the line that stands for it, and console, log and panel name it`,
    async () => {
      const [, folder, where, why] = UNDRAWN;
      assert.equal((await answers.get(folder))?.ok, true);
      // The page tells of a place once, however often that fails.
      assert.equal((await ana.ask(folder, { room: "lobby", body: {} })).ok, true);
      await page.locator("[data-plugin=undrawn]").getByText("a note").nth(1).waitFor();
      assert.ok(
        said.some(line => /^undrawn: Error: cannot draw/.test(line)),
        said.join("\n"),
      );
      await isShown(ana, page, { folder, where, why });
      const [line, ...more] = linesOf(node, folder);
      assert.deepEqual({ where: line?.where, level: line?.level, more }, { where, level: 40, more: [] });
      assert.equal(line?.msg, "“undrawn” failed in a browser (client.tsx:3): cannot draw");
    },
  );

  await t.test(`a plugin that ${STUCK[0]} is switched off, and the same process is the node again`, async () => {
    const [, folder, where, why] = STUCK;
    const open = openFiles(node);
    writeFileSync(pathOf(dataDir, "hang"), "");
    await node.logged(`the plugin “${folder}” is off: switched off`);
    await node.logged('"msg":"ready"', 2);
    const [line] = linesOf(node, folder);
    assert.match(line?.msg ?? "", why);
    assert.deepEqual([line?.where, line?.pid], [where, node.process.pid]);
    await node.ready();
    const ben = await connect(t, node, { name: "Ben" });
    assert.equal(ben.welcome.types[folder], undefined);
    const { messages } = await ben.join("lobby");
    assert.ok(messages.some(({ body }) => JSON.stringify(body)?.includes("as ever")));
    await isShown(ben, page, { folder, where, why: /^switched off, as “stuck” never returned from tick/ });
    for (const [, broken] of [...OFF, STUCK])
      assert.ok(
        faultsOf(ben).some(({ plugin }) => plugin === broken),
        broken,
      );
    assert.ok((await ben.ask("note", { room: "lobby", body: {} })).ok);
    await say(page, "all the same");
    await row(page, "all the same").waitFor();
    // The browser's own connections come and go.
    assert.ok(openFiles(node) <= open + 4, `${openFiles(node)} files are open, ${open} were before`);
    assert.equal(await node.kill("SIGTERM"), 0);
  });
});

type Line = { level: number; pid: number; msg: string; where?: string; tookMs?: number };

/** What the log says of that plugin; not that it was slow, unless it is the one that is made for that. */
function linesOf({ lines }: NodeProcess, folder: string): Line[] {
  const all: (Line & { plugin?: string; folder?: string })[] = lines
    .filter(text => text.startsWith("{"))
    .map(text => JSON.parse(text));
  const own = all.filter(({ plugin, folder: stuck }) => plugin === folder || stuck === folder);
  return own.filter(({ tookMs }) => tookMs === undefined || folder === SLOW[1]);
}

/** The node's own words for it, which all browsers hear. */
function faultsOf(client: Client): NodeFigures["faults"] {
  const status = [...client.state.values()].find(({ type }) => type === "status");
  return (status?.body as NodeFigures | undefined)?.faults ?? [];
}

type Shown = { folder: string; where: string | undefined; why: RegExp };

/** In the figures of the node and in the System panel there is that fault, with its place, and no other of that plugin. */
async function isShown(client: Client, page: Page, { folder, where, why }: Shown): Promise<void> {
  const own = () =>
    faultsOf(client).filter(({ plugin, slowMs }) => plugin === folder && (slowMs === undefined || folder === SLOW[1]));
  const [fault, ...more] = await client.until(() => own().length > 0 && own(), `the node tells of ${folder}`);
  assert.deepEqual({ where: fault?.where, more }, { where, more: [] });
  assert.match(fault?.why ?? "", why);
  const line = page.locator(".status-faults li").filter({ has: page.getByText(folder, { exact: true }) });
  await line.getByText(where ?? fault?.why ?? "").waitFor();
  assert.equal(await line.innerText(), `${folder}: ${fault?.why} ${where ?? ""}`.trim());
}
