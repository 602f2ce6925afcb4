/** What plugin folders are compiled to. */
import assert from "node:assert/strict";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Compiled, compileClient, compileServer, stopCompiling } from "../../core/plugins/compile/compile.ts";
import { Faults } from "../../core/plugins/faults.ts";
import { recompile } from "../../core/plugins/load.ts";
import { Registry } from "../../core/registry.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, type Files, MESSAGE, NOTE, SERVER, writePlugin } from "../helpers/plugins.ts";

const MODULES = {
  preact: { file: "assets/preact-A.js", exports: ["Component", "h", "options"] },
  "preact/hooks": { file: "assets/hooks-B.js", exports: ["useEffect", "useState"] },
  "preact/jsx-runtime": { file: "assets/jsx-C.js", exports: ["Fragment", "jsx", "jsxs"] },
  "@preact/signals": { file: "assets/signals-D.js", exports: ["computed", "signal"] },
  "web-chat/plugin": { file: "assets/plugin-E.js", exports: ["Reject", "defineClient", "defineMessage"] },
};

after(() => stopCompiling());

function folder(t: Parameters<typeof temporaryDirectory>[0], files: Files) {
  return { name: "note", path: writePlugin(temporaryDirectory(t), "note", files) };
}

function first({ outputs, problems }: Compiled): string {
  assert.deepEqual(problems, []);
  return Buffer.from(outputs.values().next().value as Uint8Array).toString();
}

test("a client half imports from the page what the page has, packages of its own included", async t => {
  const note = folder(t, {
    ...NOTE,
    "client.tsx": `import { useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { h } from "preact";
import { widget } from "widgets";
${CLIENT}console.log(useState, signal, h, widget);
`,
    "node_modules/widgets/index.js": 'import { options } from "preact"; export const widget = options;',
    "node_modules/preact/package.json": '{ "name": "preact", "version": "1.0.0" }',
    "node_modules/preact/index.js": 'export const h = "another instance"; export const options = h;',
  });
  const code = first(await compileClient(note, MODULES));
  const imported = [...code.matchAll(/from\s*"([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual([...new Set(imported)].sort(), [
    "../hooks-B.js",
    "../jsx-C.js",
    "../plugin-E.js",
    "../preact-A.js",
    "../signals-D.js",
  ]);
  assert.ok(!code.includes("another instance"));
});

test("a client half imports of the page's modules what it uses, and nothing that they do not export", async t => {
  const half = (name: string) => folder(t, { ...NOTE, "client.tsx": `${name}\n${CLIENT}console.log(useState);\n` });
  const code = first(await compileClient(half('import { useState } from "preact/hooks";'), MODULES));
  assert.match(code, /import\s*\{useState as \w+\}from"\.\.\/hooks-B\.js"/);
  assert.doesNotMatch(code, /useEffect|preact-A/);
  const { problems } = await compileClient(half('import { useSate as useState } from "preact/hooks";'), MODULES);
  assert.deepEqual(problems, [
    {
      text: 'No matching export in "preact/hooks" for import "useSate"',
      mend: "did you mean “useState”?",
      file: "client.tsx",
      line: 1,
      column: 9,
    },
  ]);
  const all = await compileClient(half('import * as own from "preact/hooks"; const useState = own.useSate;'), MODULES);
  assert.match(all.slips[0]?.text ?? "", /^Import "useSate" will always be undefined/);
});

/** What is likely a mistake, and keeps no half from being compiled; and what helps where one cannot be. */
// biome-ignore format: a table
const SLIPS: readonly [file: string, text: string, where: string, said: RegExp, mend: RegExp][] = [
  ["style.css", ".a { dispaly: flex }", "style.css:1", /"dispaly" is not a known CSS property/, /did you mean “display”\?/],
  ["style.css", ".a {\n  color: red;\n", "style.css:3", /Expected "\}" to go with "\{"/, /mend what stands there/],
  ["more.ts", "export const never = +window === NaN;", "more.ts:1", /NaN/, /mend what stands there/],
];
test("a slip is told with its place, and what helps, and keeps nothing from being compiled", async t => {
  for (const [file, text, where, said, mend] of SLIPS) {
    const compiled = await compileClient(
      folder(t, { ...NOTE, "client.tsx": `import "./${file}";\n${CLIENT}`, [file]: text }),
      MODULES,
    );
    const [slip] = compiled.slips;
    assert.ok(first(compiled));
    assert.equal(`${slip?.file}:${slip?.line}`, where);
    assert.match(slip?.text ?? "", said);
    assert.match(slip?.mend ?? "", mend);
  }
  const bought = folder(t, {
    ...NOTE,
    "client.tsx": `import "bought/style.css";\n${CLIENT}`,
    "node_modules/bought/style.css": ".a { dispaly: flex }",
  });
  assert.deepEqual((await compileClient(bought, MODULES)).slips, [], "what others wrote is for them to mend");
});

// biome-ignore format: a table
const HELPED: readonly [file: string, text: string, mend: RegExp][] = [
  ["client.tsx", 'import "./a.tiff";', /^beside code, CSS and JSON, these can be imported: \.png, .+\.woff2$/],
  ["client.tsx", 'import "ms";', /^npm install ms, in the plugin's folder$/],
  ["client.tsx", 'import "node:fs";', /^what is Node's own is there for server\.ts only/],
  ["client.ts", 'export const drawn = <b class="a">b</b>;', /^call it client\.tsx: tags/],
  ["client.js", 'export const drawn = <b class="a">b</b>;', /^call it client\.jsx: tags/],
];
test("what keeps a client half from being compiled comes with what helps", async t => {
  for (const [file, text, mend] of HELPED) {
    const files = { "message.ts": MESSAGE, "server.ts": SERVER, "a.tiff": "", [file]: text };
    const { problems } = await compileClient(folder(t, files), MODULES);
    assert.match(problems[0]?.mend ?? "", mend);
  }
});

test("where a half is missing, a file is named that may be meant", async t => {
  const server = await compileServer(folder(t, { "message.ts": MESSAGE, "sever.ts": SERVER }));
  assert.equal(server.problems[0]?.mend, "there is a sever.ts: is that meant?");
  const files = { "message.ts": MESSAGE, "server.ts": SERVER };
  const client = await compileClient(folder(t, { ...files, "clients.tsx": CLIENT }), MODULES);
  assert.equal(client.slips[0]?.mend, "there is a clients.tsx: is that meant?");
  const other = await compileClient(folder(t, { ...files, "clients.ts": "export const clients = [];" }), MODULES);
  assert.deepEqual(other.slips, []);
});

test("a client half that loads more later does so from beside itself", async t => {
  const note = folder(t, {
    ...NOTE,
    "client.tsx": `${CLIENT}export const later = () => import("./later.ts");\n`,
    "later.ts": 'export default "said later";',
  });
  const compiled = await compileClient(note, MODULES);
  const [, path = ""] = /import\("\.\/([^"]+)"\)/.exec(first(compiled)) ?? [];
  assert.match(path, /^note-later-\w{8}\.js$/);
  assert.match(Buffer.from(compiled.outputs.get(path) ?? []).toString(), /said later/);
});

test("a tsconfig.json in the folder changes nothing", async t => {
  const note = folder(t, {
    ...NOTE,
    "tsconfig.json": '{ "extends": "./nowhere", "compilerOptions": { "jsx": "preserve" } }',
  });
  assert.match(first(await compileClient(note, MODULES)), /jsx-C\.js/);
});

test("a name that the core uses is free for a server half", async t => {
  const note = folder(t, {
    ...NOTE,
    "server.ts": `import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
console.log(require("node:path"));
${SERVER}`,
  });
  const code = first(await compileServer(note));
  const { default: plugin } = (await import(
    `data:text/javascript,${encodeURIComponent(
      `globalThis[Symbol.for("web-chat/plugin")] = { defineMessage: m => m, defineServer: (message, hooks) => ({ message, hooks }) };\n${code.replaceAll("import.meta.url", JSON.stringify(import.meta.url))}`,
    )}`
  )) as { default: { message: { type: string } } };
  assert.equal(plugin.message.type, "note");
});

test("every problem is told, with its place", async t => {
  const note = folder(t, { ...NOTE, "message.ts": `import "./none.ts";\nimport "nowhere";\n${MESSAGE}` });
  const { problems, outputs } = await compileServer(note);
  assert.equal(outputs.size, 0);
  assert.deepEqual(
    problems.map(({ file, line, column }) => ({ file, line, column })),
    [
      { file: "message.ts", line: 1, column: 7 },
      { file: "message.ts", line: 2, column: 7 },
    ],
  );
  assert.match(problems[0]?.text ?? "", /Could not resolve "\.\/none\.ts"/);
});

test("what is wrong in a sheet that a sheet imports is told with its place", async t => {
  const note = folder(t, {
    ...NOTE,
    "client.tsx": `import "./a.css";\n${CLIENT}`,
    "a.css": '@import "./b.css";',
    "b.css": ".a {}\n.b { background: url(./none.png) }",
  });
  const { problems } = await compileClient(note, MODULES);
  assert.deepEqual([problems[0]?.file, problems[0]?.line], ["b.css", 2]);
});

test("files from outside the folder are told, those of the folder are not", async t => {
  const directory = temporaryDirectory(t);
  writePlugin(directory, "shared", { "words.ts": 'export const word = "a";', "words.css": ".a { color: red }" });
  const path = writePlugin(directory, "note", {
    ...NOTE,
    "server.ts": `import { word } from "../shared/words.ts";\n${SERVER}console.log(word);\n`,
    "client.tsx": `import "../shared/words.css";\n${CLIENT}`,
  });
  const note = { name: "note", path };
  assert.deepEqual((await compileServer(note)).inputs, [join(directory, "shared/words.ts")]);
  assert.deepEqual((await compileClient(note, MODULES)).inputs, [join(directory, "shared/words.css")]);
});

test("a client half gets at no settings, however it imports them", async t => {
  const directory = temporaryDirectory(t);
  const written = writePlugin(directory, "written", {
    ...NOTE,
    "settings.json": '{"secret": "of the server"}',
    "package.json": '{"name": "own", "imports": {"#settings": "./settings.json"}, "exports": {"./*": "./*"}}',
  });
  symlinkSync("settings.json", join(written, "words.json"));
  symlinkSync(written, join(directory, "note"));
  const paths = [written, join(directory, "note")];
  for (const path of paths)
    for (const name of ["./settings.json", "./settings", "./words.json", "#settings", "own/settings.json"]) {
      writeFileSync(join(written, "client.tsx"), `import * as known from "${name}";\n${CLIENT}console.log(known);`);
      const { problems } = await compileClient({ name: "note", path }, MODULES);
      assert.match(problems[0]?.text ?? "", /^settings\.json stays on the server/, `${name} in ${path}`);
      assert.deepEqual([problems[0]?.file, problems[0]?.line], ["client.tsx", 1]);
    }
});

test("what is saved while a folder is compiled is not kept as what was there before", async t => {
  const directory = temporaryDirectory(t);
  const saying = (word: string) => ({ "message.ts": MESSAGE, "server.ts": `${SERVER}export const said = "${word}";` });
  const note = { name: "note", path: writePlugin(directory, "note", saying("one")) };
  const parts = {
    dataDir: join(directory, "data"),
    ui: directory,
    registry: new Registry([]),
    faults: new Faults(),
    logger: { error: assert.fail },
    watchdog: undefined,
  };
  const compiling = recompile(note, parts);
  writePlugin(directory, "note", saying("two"));
  assert.match(readFileSync((await compiling).server, "utf8"), /"two"/);
  writePlugin(directory, "note", saying("one"));
  assert.match(readFileSync((await recompile(note, parts)).server, "utf8"), /"one"/);
});

test("without a client half there is nothing to load", async t => {
  const note = folder(t, { "message.ts": MESSAGE, "server.ts": SERVER });
  const nothing = { problems: [], slips: [], exports: [], outputs: new Map(), inputs: [] };
  assert.deepEqual(await compileClient(note, MODULES), nothing);
});
