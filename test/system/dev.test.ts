/** `web-chat dev`: a plugin that is saved is loaded at once; what cannot be loaded is named, and the version before goes on. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Client, connect } from "../helpers/client.ts";
import { command, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, type Files, MESSAGE, NOTE, writePlugin } from "../helpers/plugins.ts";
import { freePort } from "../helpers/port.ts";

/** A server half that says of each message which version of it took it in, and how many it had before. */
const server = (version: string, more = "") => `import { defineServer } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, () => {
  let count = 0;
  ${more}
  return { receive: body => ({ ...body, by: ${JSON.stringify(version)}, count: ++count }) };
});
`;

type Development = { page: string; broken: boolean; problems: { why: string; where?: string }[] };

async function developing(t: TestContext, files: Files = { ...NOTE, "server.ts": server("one") }, settings = {}) {
  const parent = temporaryDirectory(t);
  const folder = writePlugin(parent, "note", files);
  const node = await spawnNode(t, settings, [], ["dev", folder]);
  await node.ready();
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const save = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const told = () => ana.events.filter(([event]) => event === "chat:dev").map(([, said]) => said as Development);
  return { parent, folder, node, ana, save, told };
}

/** What became of a message: the body that was kept. */
async function sent(ana: Client, body: object = {}): Promise<Record<string, unknown>> {
  const { id, ok } = await ana.ask("note", { room: "lobby", body });
  assert.equal(ok, true);
  const message = await ana.until(() => ana.messages().find(message => message.id === id));
  return message.body as Record<string, unknown>;
}

/** Resolves when that version takes messages in. */
async function takes(ana: Client, version: string): Promise<void> {
  const until = performance.now() + 15_000;
  while ((await sent(ana)).by !== version)
    if (performance.now() > until) throw new Error(`version ${version} is not loaded`);
}

/** Resolves when the node has told what passes the test. */
const until = (ana: Client, told: () => Development[], passes: (said: Development) => boolean) =>
  ana.until(() => {
    const last = told().at(-1);
    return last && passes(last) ? last : undefined;
  });

test("a server half that is saved takes the place of the one before, and begins anew", async t => {
  const { node, ana, save, told } = await developing(t);
  assert.deepEqual(await sent(ana), { by: "one", count: 1 });
  assert.deepEqual(await sent(ana), { by: "one", count: 2 });
  const [{ page }] = told() as [Development];
  const began = performance.now();
  save("server.ts", server("two"));
  const next = await until(ana, told, said => said.page !== page);
  t.diagnostic(`${Math.round(performance.now() - began)} ms from the save until browsers are told`);
  assert.deepEqual(next.problems, []);
  assert.deepEqual(await sent(ana), { by: "two", count: 1 });
  assert.ok(node.lines.some(line => line.includes("“note” is loaded anew, in")));
  assert.equal(await node.kill("SIGTERM"), 0);
});

test("a client half that is saved is served, the page has another fingerprint, and what is undone is as if it had not been saved", async t => {
  const { node, ana, save, told } = await developing(t);
  const [{ page }] = told() as [Development];
  const before = await (await fetch(node.url)).text();
  assert.ok(before.includes(`<meta name="page" content="${page}">`) && before.includes('<meta name="dev">'), before);
  save("client.tsx", CLIENT.replace("<p>", '<p class="another">'));
  const next = await until(ana, told, said => said.page !== page);
  const after = await (await fetch(node.url)).text();
  assert.ok(after.includes(`<meta name="page" content="${next.page}">`), after);
  const [script] = /assets\/plugins\/note-\w+\.js/.exec(after) ?? [];
  assert.ok(script && !before.includes(script));
  assert.match(await (await fetch(`${node.url}/${script}`)).text(), /another/);
  await sent(ana);
  save("server.ts", "const\n");
  const broken = await until(ana, told, ({ broken }) => broken);
  save("server.ts", server("one"));
  const mended = await until(ana, told, ({ broken }) => !broken);
  assert.equal(mended.page, broken.page, "no page has a reason to load again");
  assert.deepEqual(await sent(ana), { by: "one", count: 2 });
});

// biome-ignore format: a table
const BROKEN: readonly [what: string, file: string, text: string, where: string, why: RegExp][] = [
  ["does not compile", "server.ts", `${server("two")}\nexport const = 5;\n`, "server.ts:9", /does not compile/],
  ["has a client half that does not compile", "client.tsx", `${CLIENT}\nconst <p>\n`, "client.tsx:5", /does not compile/],
  ["throws when it is loaded", "server.ts", `${server("two")}\nthrow new Error("oh no");\n`, "server.ts:9", /oh no/],
  ["throws when it makes its hooks", "server.ts", server("two", 'throw new Error("oh no");'), "server.ts:5", /oh no/],
  ["imports what the page does not have", "client.tsx", `import { useSate } from "preact/hooks";\n${CLIENT}console.log(useSate);\n`, "client.tsx:1", /No matching export .+ "useSate": did you mean “useState”\?/],
  ["has a package that is not installed", "client.tsx", `import ms from "ms";\n${CLIENT}console.log(ms);\n`, "client.tsx:1", /Could not resolve "ms": npm install ms, in the plugin's folder/],
  ["has a client half that exports nothing", "client.tsx", CLIENT.replace("export default ", ""), "client.tsx:1", /its client half exports no plugin by default/],
  ["exports nothing", "server.ts", server("two").replace("export default ", ""), "server.ts:1", /exports no plugin/],
  ["breaks the contract", "message.ts", MESSAGE.replace('"log"', '"book"'), "message.ts:3", /kind/],
];

test("a version that cannot be loaded is named with its place, the one before goes on, and mended it is loaded", async t => {
  const { node, ana, save, told } = await developing(t);
  let version = "one";
  await sent(ana);
  for (const [what, file, text, where, why] of BROKEN)
    await t.test(`it ${what}`, async () => {
      const named = `“note” ${where}:`;
      const times = node.lines.filter(line => line.includes(named)).length;
      save(file, text);
      const { problems } = await until(ana, told, ({ broken }) => broken);
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.where, where);
      assert.match(problems[0]?.why ?? "", why);
      await node.logged(named, times + 1);
      assert.deepEqual(await sent(ana), { by: version, count: 2 }, "its memory is whole");
      version = `after it ${what}`;
      save(file, NOTE[file] as string);
      save("server.ts", server(version));
      await takes(ana, version);
      const { broken, problems: left } = told().at(-1) as Development;
      assert.deepEqual([broken, left], [false, []]);
    });
});

test("what could not be loaded at the start is told to the page, and loaded when it is mended", async t => {
  const { node, ana, save, told } = await developing(t, { "message.ts": MESSAGE, "server.ts": "const\n" });
  const first = await until(ana, told, ({ broken }) => broken);
  assert.equal(first.problems[0]?.where, "server.ts:2");
  assert.equal(node.lines.filter(line => line.includes("does not compile")).length, 1, "it is logged once");
  save("server.ts", server("one"));
  await until(ana, told, ({ broken }) => !broken);
  assert.deepEqual(await sent(ana), { by: "one", count: 1 });
});

test("a save by renaming another file, a file that comes, one that goes, and a folder that is replaced are seen", async t => {
  const { parent, folder, ana, save, told } = await developing(t);
  const follow = async (change: () => void, by: string) => {
    const { page } = told().at(-1) as Development;
    change();
    await until(ana, told, said => said.page !== page && !said.broken);
    assert.equal((await sent(ana)).by, by);
  };
  await follow(() => {
    save(".server.ts.swp", server("renamed"));
    renameSync(join(folder, ".server.ts.swp"), join(folder, "server.ts"));
  }, "renamed");
  await follow(() => {
    mkdirSync(join(folder, "parts/deep"), { recursive: true });
    save("parts/deep/version.ts", 'export const version = "deep";\n');
    save(
      "server.ts",
      server("x")
        .replace('"x"', "version")
        .replace("import note", 'import { version } from "./parts/deep/version.ts";\nimport note'),
    );
  }, "deep");
  await follow(() => save("parts/deep/version.ts", 'export const version = "deeper";\n'), "deeper");
  rmSync(join(folder, "parts"), { recursive: true });
  await until(ana, told, ({ broken }) => broken);
  assert.equal((await sent(ana)).by, "deeper");
  await follow(() => save("server.ts", server("mended")), "mended");
  rmSync(folder, { recursive: true });
  await until(ana, told, ({ broken }) => broken);
  await follow(() => void writePlugin(parent, "note", { ...NOTE, "server.ts": server("back") }), "back");
  await follow(() => save("server.ts", server("again")), "again");
});

test("a file elsewhere that the plugin imports is watched, too", async t => {
  const parent = temporaryDirectory(t);
  writeFileSync(join(parent, "shared.ts"), 'export const version = "one";\n');
  const text = server("x")
    .replace('"x"', "version")
    .replace("import note", 'import { version } from "../shared.ts";\nimport note');
  const folder = writePlugin(parent, "note", { ...NOTE, "server.ts": text });
  const node = await spawnNode(t, {}, [], ["dev", folder]);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  assert.equal((await sent(ana)).by, "one");
  writeFileSync(join(parent, "shared.ts"), 'export const version = "two";\n');
  await node.logged("is loaded anew, in");
  assert.equal((await sent(ana)).by, "two");
});

test("a burst of saves ends in the last version, and a file that is of no half brings none about", async t => {
  const { node, ana, save, told } = await developing(t);
  for (let n = 1; n <= 40; n++) {
    save("server.ts", n % 7 === 0 ? "const\n" : server(`version ${n}`));
    if (n % 5 === 0) await new Promise(resolve => setTimeout(resolve, 15));
  }
  await takes(ana, "version 40");
  await until(ana, told, ({ broken }) => !broken);
  const before = told().length;
  save("notes.txt", "to do");
  save("server.ts", server("last"));
  await takes(ana, "last");
  assert.equal(told().length, before + 1);
  assert.ok(node.process.exitCode === null);
});

test("a message that is on its way when another version is saved is kept, and what a version packed stays readable", async t => {
  const wait = server("one").replace(
    "receive: body => ({",
    "receive: async body => (await new Promise(done => setTimeout(done, body.wait ?? 0))) ?? ({",
  );
  const packed = MESSAGE.replace(
    "summary:",
    "pack: body => new TextEncoder().encode('1' + JSON.stringify(body)),\n  unpack: (bytes, version) => ({ ...JSON.parse(new TextDecoder().decode(bytes).slice(1)), version }),\n  summary:",
  );
  const { ana, save, told } = await developing(t, { ...NOTE, "message.ts": packed, "server.ts": wait });
  await sent(ana);
  const { page } = told().at(-1) as Development;
  const slow = sent(ana, { wait: 1_500 });
  save("message.ts", packed.replace("version: 1", "version: 2"));
  save("server.ts", server("two"));
  await until(ana, told, said => said.page !== page);
  assert.equal((await sent(ana)).by, "two");
  assert.equal((await slow).by, "one");
  const { messages } = (await ana.ask("history", { room: "lobby" })) as unknown as { messages: { body: object }[] };
  const versions = messages
    .map(({ body }) => body as { by: string; version: number })
    .map(({ by, version }) => `${by} ${version}`);
  assert.deepEqual(versions.sort(), ["one 1", "one 1", "two 2"]);
});

test("timers of a version that was replaced, or could not be loaded, end; what fails in a hook is told with its place until the next save", async t => {
  const ticking = (name: string) => server(name, `setInterval(() => console.log("tick of ${name}"), 5);`);
  const { node, ana, save, told } = await developing(t, { ...NOTE, "server.ts": ticking("one") });
  await node.logged("tick of one");
  save("server.ts", ticking("two"));
  await node.logged("tick of two");
  const seen = node.lines.length;
  for (let n = 0; n < 5; n++) await sent(ana);
  assert.ok(!node.lines.slice(seen).some(line => line.includes("tick of one")));
  save("server.ts", server("none", 'setInterval(() => console.log("tick of none"), 5); throw new Error("oh no");'));
  await until(ana, told, ({ broken }) => broken);
  const ticks = node.lines.filter(line => line.includes("tick of none")).length;
  for (let n = 0; n < 5; n++) await sent(ana);
  assert.equal(node.lines.filter(line => line.includes("tick of none")).length, ticks);
  save("server.ts", server("three", "").replace("({ ...body", "(body.fail ? nothing() : { ...body"));
  await takes(ana, "three");
  assert.equal((await ana.ask("note", { room: "lobby", body: { fail: true } })).code, "plugin-failed");
  const { broken, problems } = await until(ana, told, ({ problems }) => problems.length > 0);
  assert.equal(broken, false);
  assert.equal(problems[0]?.where, "server.ts:6");
  save("server.ts", server("four"));
  await until(ana, told, ({ problems }) => problems.length === 0);
});

test("a version that never returns is named, the node begins again without it, and mended it is loaded", async t => {
  const { node, ana, save } = await developing(t, undefined, {
    // The node that begins again has to be found where the one before was.
    PORT: String(await freePort()),
    ZMQ_PORT: String(await freePort()),
  });
  save(
    "server.ts",
    server("two", "")
      .replace(
        "receive: body =>",
        "receive: body => { while (body.hang) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return",
      )
      .replace("({ ...", "{ ...")
      .replace("count })", "count }; }"),
  );
  await takes(ana, "two");
  ana.socket.emit("note", { room: "lobby", body: { hang: true } });
  await node.logged("never returned from receive (server.ts:6)");
  await node.logged("switched off, as");
  await node.ready();
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const [said] = await raj.until(() =>
    raj.events.filter(([event]) => event === "chat:dev").map(([, said]) => said as Development),
  );
  assert.match(said?.problems[0]?.why ?? "", /never returned from receive/);
  assert.equal(said?.problems[0]?.where, "server.ts:6");
  save("server.ts", server("three"));
  await raj.until(() =>
    raj.events.filter(([event]) => event === "chat:dev").find(([, said]) => !(said as Development).broken),
  );
  assert.equal((await sent(raj)).by, "three");
});

test("values that a version set end with their version, and sessions join the next", async t => {
  const state = MESSAGE.replace('"log"', '"state",\n  key: body => body.key');
  const joins = (key: string) => `import { defineServer } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, { joined: () => [{ body: { key: "${key}" } }] });
`;
  const { ana, save } = await developing(t, { "message.ts": state, "server.ts": joins("one") });
  await ana.until(() => ana.state.get("note one"));
  save("server.ts", joins("two"));
  await ana.until(() => ana.state.get("note two"));
  await ana.until(() => (ana.state.get("note one")?.body ?? null) === null);
});

test("what is likely a mistake is named, and the plugin is loaded; so is what returned nothing, and a save that changes nothing", async t => {
  const slips = {
    ...NOTE,
    "server.ts": server("one").replace("receive:", "recieve: () => {}, receive:"),
    "client.tsx": `import "./style.css";\n${CLIENT}`,
    "style.css": ".a { dispaly: flex }",
  };
  const { node, ana, save, told } = await developing(t, slips);
  await node.logged('“note” style.css:1: \\"dispaly\\" is not a known CSS property: did you mean “display”?');
  await node.logged("“note” server.ts:6: nothing is called “recieve”");
  const { problems } = await until(ana, told, ({ problems }) => problems.length > 0);
  assert.deepEqual(problems, [
    {
      plugin: "note",
      why: "nothing is called “recieve” in the server half of a plugin: did you mean “receive”?",
      where: "server.ts:6",
    },
  ]);
  assert.equal((await sent(ana)).by, "one");
  save("style.css", slips["style.css"]);
  await node.logged("“note”: nothing changed");
  save("server.ts", server("two").replace("({ ...body, by", "void ({ ...body, by"));
  await until(ana, told, ({ problems }) => problems.length === 0);
  assert.equal((await ana.ask("note", { room: "lobby", body: {} })).code, "plugin-failed");
  const failed = await until(ana, told, ({ problems }) => problems.length > 0);
  assert.match(failed.problems[0]?.why ?? "", /it returned nothing: return the body$/);
  assert.equal(failed.problems[0]?.where, "server.ts");
  await node.logged("failed in receive (server.ts)");
  const line = node.lines.find(line => line.includes("failed in receive (server.ts)"));
  assert.ok(line && !line.includes("stack"), line);
});

test("what is no folder, or has the name of a built-in type, is refused", async t => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "text"));
  mkdirSync(join(directory, "Note"));
  for (const [folder, code, mend = /./] of [
    ["nothing", "file-unusable"],
    ["text", "plugin-invalid"],
    ["Note", "plugin-invalid", /: rename the folder to note \[/],
  ] as const) {
    const { code: exit, error } = await command(directory, "dev", join(directory, folder));
    assert.equal(exit, 1);
    assert.match(error, new RegExp(`\\[${code}\\]`));
    assert.match(error, mend);
  }
});

test("other folders that were dropped in are served beside it, but for one of its name", async t => {
  const directory = temporaryDirectory(t);
  writePlugin(
    directory,
    "other",
    Object.fromEntries(
      Object.entries(NOTE).map(([name, text]) => [name, String(text).replaceAll('"note"', '"other"')]),
    ),
  );
  writePlugin(directory, "note", { ...NOTE, "server.ts": server("dropped in") });
  const { ana } = await developing(t, undefined, { PLUGINS: directory });
  assert.equal(ana.welcome.types.other, 1);
  assert.equal((await sent(ana)).by, "one");
});
