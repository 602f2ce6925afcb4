/** What a plugin's author has: `web-chat new`, `web-chat check`, and the types, from source and from the executable. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";
import { executable, noExecutable } from "../helpers/executable.ts";

const root = join(import.meta.dirname, "../..");
const tsc = join(root, "node_modules/typescript/bin/tsc");
const source = [process.execPath, join(root, "core/main.ts")];
const impatient = [process.execPath, join(root, "test/helpers/checked.ts")];

type Ended = { code: number; out: string };

/** Runs a command in a folder, with no TypeScript on its path unless one lies there. */
function call(cwd: string, [command = "", ...first]: readonly string[], ...rest: string[]): Promise<Ended> {
  const env = { ...process.env, PATH: "" };
  return new Promise(done =>
    execFile(command, [...first, ...rest], { cwd, env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? -1) : 0, out: stdout + stderr }),
    ),
  );
}

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "web-chat-kit-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What `new` writes, once for all tests. */
let poll = "";
test.before(async () => {
  poll = await mkdtemp(join(tmpdir(), "web-chat-kit-"));
  assert.equal((await call(poll, source, "new", "poll")).code, 0);
});
test.after(() => rm(poll, { recursive: true, force: true }));

async function newPoll(t: TestContext): Promise<string> {
  const folder = await emptyFolder(t);
  await cp(poll, folder, { recursive: true });
  return folder;
}

for (const [from, command, missing] of [
  ["source", source, undefined],
  ["the executable", [executable], noExecutable()],
] as const)
  test(`from ${from}, new writes a plugin into an empty folder, and check finds nothing in it`, async t => {
    if (missing) return t.skip(missing);
    const folder = await emptyFolder(t);
    const type = "show-of-hands";
    const made = await call(folder, command, "new", type);
    assert.equal(made.code, 0, made.out);
    assert.equal(made.out.trim().split("\n").length, 3);
    assert.match(made.out, /^To try it: web-chat dev show-of-hands, /m);
    assert.deepEqual(
      await readdir(join(folder, type)),
      `client.tsx message.ts samples.ts server.ts ${type}.test.ts style.css tsconfig.json web-chat.d.ts`
        .split(" ")
        .sort(),
    );
    assert.deepEqual(await call(folder, command, "check", type), {
      code: 0,
      out: `${type} is sound (contract, tests, types not: there is no TypeScript)\n`,
    });
  });

test("new refuses names that no type can have, and a folder that is in use", async t => {
  const folder = await newPoll(t);
  const refused = async (name: string) => /\[([\w-]+)\]\n$/.exec((await call(folder, source, "new", name)).out)?.[1];
  assert.equal(await refused("poll"), "file-exists");
  const names = ["text", "Poll", "poll.vote", "../poll", "join", "constructor", "", "x".repeat(99)];
  assert.deepEqual(
    await Promise.all(names.map(refused)),
    names.map(() => "plugin-invalid"),
  );
  await mkdir(join(folder, "empty"));
  assert.equal(await refused("empty"), undefined);
  assert.deepEqual((await readdir(folder)).sort(), ["empty", "poll"]);
});

test("check refuses what is no folder", async t => {
  const { code, out } = await call(await emptyFolder(t), source, "check", "poll");
  assert.equal(code, 1);
  assert.match(out, /^web-chat: .+ is no folder \[file-unusable\]\n$/);
});

test("TypeScript knows all that a new plugin imports, where nothing is installed", async t => {
  const folder = await newPoll(t);
  const types = await call(folder, [process.execPath, tsc], "-p", "poll", "--skipLibCheck", "false");
  assert.deepEqual(types, { code: 0, out: "" });
  await assert.rejects(access(join(folder, "poll/node_modules")));
});

/** TypeScript, as if it were installed there. */
async function addCompiler(folder: string): Promise<void> {
  const bin = join(folder, "node_modules/.bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "tsc"), `#!/bin/sh\nexec "${process.execPath}" "${tsc}" "$@"\n`, { mode: 0o755 });
}

async function edit(folder: string, file: string, before: string, after: string): Promise<void> {
  const path = join(folder, "poll", file);
  const text = await readFile(path, "utf8");
  assert.ok(text.includes(before), `${file} has no ${before}`);
  await writeFile(
    path,
    text.replace(before, () => after),
  );
}

type Broken = readonly [what: string, file: string, before: string, after: string, said: RegExp];

/** What is broken, by an edit; what is said of it, and what helps. Each group is broken in one folder, and found at once. */
// biome-ignore format: a table
const BROKEN: readonly (readonly Broken[])[] = [
  [
    ["a brace is missing", "server.ts", "receive: body => body }", "receive: body => body ", /^server\.ts:6:\d+ {2}Expected "\}" .+\n {4}mend what stands there/m],
    ["a package is not there", "message.ts", "import {", 'import "left-pad"; import {', /^message\.ts:2:8 {2}Could not resolve "left-pad"\n {4}npm install left-pad, in the plugin's folder/m],
    ["a file is not there", "client.tsx", '"./style.css"', '"./styl.css"', /^client\.tsx:5:8 {2}Could not resolve "\.\/styl\.css"\n {4}look at the path/m],
  ],
  [
    ["something is not exported", "message.ts", "export const answer =", "export const anwser =", /^server\.ts:3:\d+ {2}No matching export in "message\.ts" for import "answer"\n {4}did you mean “anwser”\?/m],
    ["the client half imports the server half", "client.tsx", '"./style.css"', '"./server.ts"', /^client\.tsx:5:8 {2}.*stays on the server.*\n {4}move what both halves need into message\.ts/m],
    ["the client half imports a module of Node", "client.tsx", "import { useState", 'import "node:fs"; import { useState', /^client\.tsx:2:8 {2}Could not resolve "node:fs"\n {4}what is Node's own is there for server\.ts only/m],
  ],
  [
    ["it is used", "client.tsx", 'useState("")', 'useSate("")', /^/],
    ["the page has no such thing", "client.tsx", "import { useState", "import { useSate", /^client\.tsx:2:\d+ {2}No matching export in "preact\/hooks" for import "useSate"\n {4}did you mean “useState”\?\npoll: 1 to mend$/m],
  ],
  [["two types have one name", "message.ts", '"poll.answer"', '"poll"', /^message\.ts:26 {2}two types are called “poll”, also in message\.ts:10\n {4}call one of them something else\npoll: 1 to mend$/m]],
  [["the server half throws when it is loaded", "server.ts", "export default [", 'throw new Error("no luck");\nexport default [', /^server\.ts:5 {2}threw when it was loaded: no luck\n/m]],
  [["a name is nowhere", "server.ts", "{ answer, question }", "{ question }", /^server\.ts:7 {2}threw when it was loaded: answer is not defined\n {4}import it, or look how it is written/m]],
  [["nothing is exported by default", "server.ts", "export default [", "export const plugins = [", /^server\.ts:1 {2}its server half exports no plugin by default\n {4}export default defineServer/m]],
  [
    ["the contract is a later one", "message.ts", "  version: 1,", "  contract: 9,\n  version: 1,", /^message\.ts:11:3 {2}it is written for version 9 of the contract, and this is 1\n {4}take a newer web-chat/m],
    ["a field of the message is misspelt", "message.ts", "summary: ({ text }) => text,", "summary: ({ text }) => text,\n  bolbs: () => [],", /^message\.ts:\d+:3 {2}nothing is called “bolbs” in the message of a plugin\n {4}did you mean “blobs”\?/m],
    ["a type has another folder's name", "message.ts", '"poll.answer"', '"vote.answer"', /^message\.ts:28 {2}the type “vote\.answer” is not named after its folder\n {4}call it “poll”, or “poll\.” and more/m],
    ["a hook of the client half is misspelt", "client.tsx", "    Row,\n", "    Rwo: Row,\n", /^client\.tsx:\d+:5 {2}nothing is called “Rwo” in the client half of a plugin\n {4}did you mean “Row”\?/m],
    ["a text is missing in one language", "client.tsx", 'zh: { ask: "提问", ', "zh: { ", /^client\.tsx:\d+:7 {2}the text “ask” is missing in “zh”\n {4}add ask to strings\.zh/m],
    ["a text is in no language", "client.tsx", 'takes: "text"', 'takes: "txt"', /^client\.tsx:\d+:14 {2}command names the text “txt”, which strings does not have\n {4}did you mean “text”\?/m],
  ],
  [
    ["the kind is unknown", "message.ts", 'kind: "log"', 'kind: "logg" as "log"', /^message\.ts:10:9 {2}the message type “poll” needs a kind: log, state or signal\n/m],
    ["a property of a sheet is misspelt", "style.css", "  display: grid;", "  dispaly: grid;", /^style\.css:\d+:3 {2}"dispaly" is not a known CSS property\n {4}did you mean “display”\?/m],
    ["a block of a sheet has no end", "style.css", "font-weight: 600;\n}", "font-weight: 600;\n", /^style\.css:\d+:\d+ {2}Expected "\}" to go with "\{"\n {4}mend what stands there/m],
    ["a hook of the server half is misspelt", "server.ts", "async receive(body", "async recieve(body", /^server\.ts:8:11 {2}nothing is called “recieve” in the server half of a plugin\n {4}did you mean “receive”\?/m],
  ],
  [
    ["the hooks cannot be made", "server.ts", "answer, {", "answer, () => { throw new Reject('invalid', 'settings.json needs a word'); return {", /^server\.ts:6 {2}the message type “poll\.answer” could not make its hooks: settings\.json needs a word\n {4}do what it says/m],
    ["the end of them", "server.ts", "    },\n  }),\n];", "    },\n  }; }),\n];", /^/],
    ["a client half has no server half", "server.ts", "  defineServer(question, { receive: body => body }),\n", "", /^client\.tsx:\d+:\d+ {2}“poll” has a client half, and no server half\n {4}list it in server\.ts/m],
  ],
  [
    ["parse trusts what it is sent", "message.ts", "const { yes } = fieldsOf(input);", "const { yes } = input as { yes: unknown };", /^message\.ts:31 {2}poll\.answer breaks a promise: whatever a client sends is refused.+undefined: .+\n {4}parse has to throw a Reject/m],
    ["a summary is empty", "message.ts", "summary: ({ text }) => text", 'summary: () => ""', /^message\.ts:10:9 {2}poll breaks a promise: a summary is one line that is not empty\. It had .+the summary is empty\n {4}summary has to return some words/m],
    ["a test fails", "poll.test.ts", '{ text: "Lunch?" }', '{ text: "Dinner?" }', /^poll\.test\.ts:7 {2}the test “a question is kept without the spaces around it” fails: .+\n {4}mend the code, or the test/m],
  ],
  [
    ["parse lets everything through", "message.ts", "return { yes };", "return input as Answer;", /^message\.ts:26:9 {2}poll\.answer breaks a promise: fields that it does not know are left out/m],
    ["samples are missing", "samples.ts", "  poll: [", "  polls: [", /^samples\.ts:2:1 {2}there are no samples of “poll”\n {4}export default/m],
  ],
  [["parse takes all memory", "message.ts", "const { yes } = fieldsOf(input);", "const { yes } = fieldsOf(input); for (const all: unknown[] = []; ; ) all.push(new Uint8Array(2 ** 24).fill(1));", /^message\.ts:31 {2}parse of “poll\.answer” took more than 1024 MB of memory\n {4}what it collects/m]],
  [["parse ends the process", "message.ts", "const { yes } = fieldsOf(input);", "process.exit(0);", /^message\.ts:31 {2}parse of “poll\.answer” ended the whole process \(exit code 0\)\n {4}throw a Reject, or return/m]],
  [["it is killed by its own hand", "server.ts", "export default [", 'process.kill(process.pid, "SIGKILL");\nexport default [', /^server\.ts {2}loading server\.ts ended the whole process \((SIGKILL|exit code \d+)\)\n {4}it has to leave the process alone/m]],
  [["it fails when nobody waits", "server.ts", "export default [", 'setTimeout(() => { throw new Error("late"); });\nawait new Promise(done => setTimeout(done, 1_000));\nexport default [', /^server\.ts:5 {2}threw where nobody catches it: late\n {4}catch it there/m]],
  [["a promise never comes while it is loaded", "server.ts", "export default [", "await new Promise(() => {});\nexport default [", /^server\.ts {2}has not finished loading within 10 s\n {4}something is awaited/m]],
  [["a lock never opens", "server.ts", "export default [", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);\nexport default [", /^server\.ts:5 {2}loading server\.ts never returned\n {4}look at the loop/m]],
];

/** What would keep a processor for as long as `check` has patience: it is given less. */
// biome-ignore format: a table
const ENDLESS: readonly Broken[] = [
  ["it never ends to be loaded", "server.ts", "export default [", "for (;;);\nexport default [", /^server\.ts:5 {2}loading server\.ts never returned\n {4}look at the loop/m],
  ["parse never returns", "message.ts", "const { yes } = fieldsOf(input);", "for (;;) fieldsOf(input);", /^message\.ts:\d+ {2}parse of “poll\.answer” never returned\n {4}look at the loop/m],
  ["a regular expression never ends", "message.ts", "const { yes } = fieldsOf(input);", 'const { yes } = fieldsOf(input); /^(a+)+$/.test("a".repeat(60) + "b");', /^message\.ts:31 {2}parse of “poll\.answer” never returned/m],
  ["a test never ends", "poll.test.ts", "assert.deepEqual(", "for (;;);\n  assert.deepEqual(", /^poll\.test\.ts:7 {2}a test never returned/m],
];

const whatOf = (group: readonly Broken[]) => group.map(([what]) => what).join("; ");

test.describe("check says where and how to mend it", { concurrency: 3 }, () => {
  for (const group of BROKEN) test(whatOf(group), t => isSaid(t, group, source, "check", "poll"));
  for (const one of ENDLESS) test(one[0], t => isSaid(t, [one], impatient, "poll", "1000"));
});

async function isSaid(t: TestContext, group: readonly Broken[], command: readonly string[], ...words: string[]) {
  const folder = await newPoll(t);
  for (const [, file, before, after] of group) await edit(folder, file, before, after);
  const { code, out } = await call(folder, command, ...words);
  for (const [, , , , said] of group) assert.match(out, said);
  assert.match(out, /^poll: \d+ to mend\n$/m);
  assert.equal(code, 1);
}

test("check gives the server half its settings, as a node does, and says where they are no JSON", async t => {
  const folder = await newPoll(t);
  const needs = `settings => {
    if (Object(settings).word !== "swordfish") throw new Reject("invalid", "settings.json needs the word");
    return { receive: body => body };
  }`;
  await edit(folder, "server.ts", "{ receive: body => body }", needs);
  const check = () => call(folder, source, "check", "poll");
  assert.match((await check()).out, /^server\.ts:7 {2}.+ settings\.json needs the word$/m);
  await writeFile(join(folder, "poll/settings.json"), '{ "word": "swordfish" }');
  assert.equal((await check()).out, "poll is sound (contract, tests, types not: there is no TypeScript)\n");
  await writeFile(join(folder, "poll/settings.json"), '{\n  "word": swordfish\n}');
  const { out } = await check();
  assert.match(
    out,
    /^settings\.json:2 {2}its settings\.json is no JSON\n {4}there, names and texts stand in double quotes/m,
  );
  assert.doesNotMatch(out, /swordfish/);
});

test("check ends though a plugin keeps something open, and what the plugin prints is not among what was found", async t => {
  const folder = await newPoll(t);
  await edit(
    folder,
    "server.ts",
    "export default [",
    'setInterval(() => {}, 1_000);\nconsole.log("loaded");\nexport default [',
  );
  const { code, out } = await call(folder, source, "check", "poll");
  assert.deepEqual(
    { code, out },
    { code: 0, out: "poll is sound (contract, tests, types not: there is no TypeScript)\nloaded\n" },
  );
});

test("check says what TypeScript says where there is one; that the types of Node are not installed is no fault", async t => {
  if (process.platform === "win32") return t.skip("the compiler is started by a shell script");
  const folder = await newPoll(t);
  await addCompiler(folder);
  await rename(join(folder, "poll/tsconfig.json"), join(folder, "tsconfig.json"));
  await edit(folder, "client.tsx", "type RowProps", 'matchMedia("(prefers-color-scheme: dark)");\n\ntype RowProps');
  assert.deepEqual(await call(folder, source, "check", "poll"), {
    code: 0,
    out: `client.tsx:18  its client half is not looked into further: it needs a browser, for matchMedia
    that is no fault: web-chat dev shows it in one
poll is sound (contract, tests, types not: there is no tsconfig.json: web-chat new writes one)
`,
  });
  await rename(join(folder, "tsconfig.json"), join(folder, "poll/tsconfig.json"));
  await edit(folder, "client.tsx", 'matchMedia("(prefers-color-scheme: dark)");\n\n', "");
  const uses = `import { createHash } from "node:crypto";
import { createServer } from "node:http";
console.error(createHash("sha1").update(Buffer.from("")).digest("hex").length, createServer((_, to) => to.end()).listening);
`;
  await edit(folder, "server.ts", "export default [", `${uses}export default [`);
  const untyped = await call(folder, source, "check", "poll");
  assert.match(
    untyped.out,
    /^server\.ts:5:\d+ {2}the types of Node are not installed: .+\n {4}to check it, too: npm install @types\/node/m,
  );
  assert.match(untyped.out, /^poll is sound \(contract, tests, types but for those of Node\)$/m);
  assert.equal(untyped.code, 0);
  for (const name of ["@types/node", "undici-types"])
    await cp(join(root, "node_modules", name), join(folder, "poll/node_modules", name), {
      recursive: true,
      dereference: true,
    });
  await edit(folder, "tsconfig.json", '"types": []', '"types": ["node"]');
  assert.match((await call(folder, source, "check", "poll")).out, /^poll is sound \(contract, tests, types\)$/m);
  await edit(folder, "server.ts", '.digest("hex")', ".digest(7)");
  await edit(folder, "server.ts", "async receive(body, { ref, find })", "async receive(body, { ref, fnd })");
  await edit(folder, "server.ts", 'Reject("invalid"', 'Reject("invallid"');
  await edit(folder, "client.tsx", "    Row,\n", "    Rwo: Row,\n");
  const { code, out } = await call(folder, source, "check", "poll");
  assert.match(out, /^server\.ts:7:\d+ {2}.+\n {4}mend the type/m);
  assert.match(out, /^server\.ts:11:32 {2}Property 'fnd' does not exist on type 'Receiving'\.\n {4}mend the type/m);
  assert.match(out, /^server\.ts:12:\d+ {2}Argument of type '"invallid"'/m);
  assert.match(out, /^client\.tsx:\d+:5 {2}.+ 'Rwo' does not exist in type 'ClientHooks</m);
  assert.equal(code, 1);
  await edit(folder, "client.tsx", "{message.body.text}</p>", "{message.body.text}");
  const torn = await call(folder, source, "check", "poll");
  assert.match(
    torn.out,
    /^client\.tsx:\d+:\d+ {2}.+\n {4}mend what stands there, .+: the opening "p" tag is in line \d+\npoll: 1 to mend\n$/,
  );
});

test("check says that a folder has a built-in type's name, or one that no type can have, or no message.ts", async t => {
  const folder = await newPoll(t);
  await cp(join(folder, "poll"), join(folder, "typing"), { recursive: true });
  assert.match(
    (await call(folder, source, "check", "typing")).out,
    /^typing {2}“typing” is built in\n {4}rename the folder/m,
  );
  await cp(join(folder, "poll"), join(folder, "Poll"), { recursive: true });
  assert.match(
    (await call(folder, source, "check", "Poll")).out,
    /^Poll {2}“Poll” is no name for a type: .+\n {4}rename the folder to poll\nPoll: 1 to mend\n$/,
  );
  await rm(join(folder, "Poll"), { recursive: true });
  await rename(join(folder, "poll/message.ts"), join(folder, "poll/Message.ts"));
  assert.match(
    (await call(folder, source, "check", "poll")).out,
    /^poll {2}there is no message\.ts\n {4}there is a Message\.ts: is that meant\?/m,
  );
  await rm(join(folder, "poll/Message.ts"));
  assert.match(
    (await call(folder, source, "check", "poll")).out,
    /^poll {2}there is no message\.ts\n {4}web-chat new/m,
  );
});
