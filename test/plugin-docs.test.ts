/** What the documents for plugin authors say is so. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { MAX_BODY_BYTES } from "../core/envelope.ts";
import * as contract from "../core/plugin.ts";
import { GIVE_UP_MS, SLOW_MS } from "../core/plugins/calls/calls.ts";
import { MEDIA } from "../core/plugins/compile/media.ts";
import { ANSWER_WITHIN_MS, MAX_BODY_BYTES as MAX_REQUEST_BYTES } from "../core/webhooks.ts";
import { membersOf } from "./helpers/members.ts";
import { temporaryDirectory } from "./helpers/node.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const MAIN = join(ROOT, "core/main.ts");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const EXAMPLE = "plugins/examples/poll";
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

function run(cwd: string, ...args: string[]): Promise<{ code: number; out: string }> {
  const env = { ...process.env, PATH: "" };
  return new Promise(done =>
    execFile(process.execPath, args, { cwd, env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, out: stdout + stderr }),
    ),
  );
}

test("the guide's code is that of the example", async () => {
  assert.deepEqual(await run(ROOT, join(ROOT, "tools/docs.ts"), "--check"), { code: 0, out: "" });
});

/** The blocks of one step, in their order: code with its file in the plugin, commands without. */
function blocksOf(step: number): { file?: string; text: string }[] {
  const [, section = ""] = new RegExp(`^## ${step}\\. [^]*?\\n([^]*?)^## `, "m").exec(read("plugins/README.md")) ?? [];
  const found = section.matchAll(/(?:<!-- code examples\/poll\/(\S+) .*\n)?^```\w+\n([\s\S]*?)^```$/gm);
  return [...found].map(([, file, text = ""]) => ({ ...(file && { file }), text }));
}

/** Puts the blocks of a file one below the other, as somebody does who follows the guide. */
function write(folder: string, step: number, into: (before: string, block: string) => string = joined): void {
  const files = new Map<string, string>();
  for (const { file, text } of blocksOf(step)) if (file) files.set(file, joined(files.get(file) ?? "", text));
  assert.ok(files.size > 0);
  for (const [file, text] of files) {
    const path = join(folder, "poll", file);
    writeFileSync(path, step === 5 && file === "client.tsx" ? into(readFileSync(path, "utf8"), text) : text);
  }
}

const joined = (before: string, block: string) => (before === "" ? block : `${before}\n${block}`);

/** The form above what is exported, and the tool below the command. */
function inserted(client: string, blocks: string): string {
  const [, form = "", tool = ""] = /^([\s\S]*\n)\n( {4}tool:.+\n)$/.exec(blocks) ?? [];
  return client
    .replace("export default", () => `${form}\nexport default`)
    .replace(/^ {4}command:.+\n/m, line => line + tool);
}

/** By the last step that somebody followed: what check says then. */
const SAID = [
  [2, "before its server half is written, check says so", 1, /there is no server\.ts/],
  [3, "after step 3 the plugin is sound", 0, /^poll is sound \(contract, no tests,/],
  [4, "after step 4 the plugin is sound", 0, /^poll is sound \(contract, no tests,/],
  [5, "after step 5 the plugin is sound", 0, /^poll is sound \(contract, tests,/],
] as const;

test("the guide, followed step by step", async t => {
  const parent = temporaryDirectory(t);
  assert.equal(blocksOf(1)[0]?.text, "web-chat new poll\nweb-chat dev poll\n");
  assert.equal((await run(parent, MAIN, "new", "poll")).code, 0);
  for (const file of "message.ts server.ts samples.ts client.tsx style.css poll.test.ts".split(" "))
    rmSync(join(parent, "poll", file));
  for (const [last, what, code, said] of SAID) {
    const folder = join(parent, String(last));
    cpSync(join(parent, "poll"), join(folder, "poll"), { recursive: true });
    for (let step = 2; step <= last; step++) write(folder, step, inserted);
    await t.test(what, async () => {
      const checked = await run(folder, MAIN, "check", "poll");
      assert.match(checked.out, said);
      assert.equal(checked.code, code);
    });
  }

  await t.test("each step is well typed", async () => {
    const tsconfig = {
      extends: "./poll/tsconfig.json",
      include: ["poll/*.d.ts", ...[2, 3, 4, 5].map(step => `${step}/poll/*.ts*`)],
      exclude: ["*/poll/*.d.ts"],
    };
    writeFileSync(join(parent, "tsconfig.json"), JSON.stringify(tsconfig));
    assert.deepEqual(await run(parent, TSC, "-p", "."), { code: 0, out: "" });
  });

  await t.test("at the end stands the example itself", () => {
    for (const file of ["message.ts", "server.ts", "samples.ts", "client.tsx", "client.css", "poll.test.ts"])
      assert.equal(readFileSync(join(parent, "5/poll", file), "utf8"), read(join(EXAMPLE, file)), file);
  });
});

const REFERENCE = read("plugins/CONTRACT.md");

/** The names in the first cells of a section's tables, or in all of it where it has none; without what a call is given. */
function namesIn(heading: string): string[] {
  const [, section = ""] = new RegExp(`^##+ ${heading}\\n([^]*?)(?=^##|$(?![^]))`, "m").exec(REFERENCE) ?? [];
  const cells = [...section.matchAll(/^\| (`.+?) \|/gm)].map(([, cell]) => cell);
  const said = cells.length > 0 ? cells.join() : section;
  return [...said.matchAll(/`([\w.]+)(?:\(.*?\))?`/g)].map(([, name = ""]) => name);
}

test("the reference has every member of every type of the contract, and no other", async () => {
  const types = await membersOf(read("core/plugin.ts"));
  assert.ok(types.size > 20);
  for (const [type, members] of types) {
    if (members.size === 0) continue;
    const said = namesIn(type);
    for (const member of members) assert.ok(said.includes(member), `${type} has ${member}, and the reference does not`);
    for (const name of said) assert.ok(members.has(name), `${type} has no ${name}`);
  }
});

test("the reference has all that web-chat/plugin exports", async () => {
  const said = namesIn("What `web-chat/plugin` exports");
  const exported = [...Object.keys(contract), ...(await membersOf(read("core/plugin.ts"))).keys()];
  assert.deepEqual(new Set(said), new Set(exported));
});

test("the reference has every class and custom property that the page lends, and no other", () => {
  const [, section = ""] = /^## What the page lends\n([\s\S]*?)^## /m.exec(REFERENCE) ?? [];
  const table = [...section.matchAll(/^\| (`.+?) \|/gm)].flatMap(([, cell = ""]) => cell.match(/[\w-]+/g) ?? []);
  const modifiers = [...section.matchAll(/with `(\w+)`/g)].map(([, name = ""]) => name);
  const classes = read("ui/base.css").match(/(?<=\.)[a-z][\w-]*/g) ?? [];
  const properties = [...read("ui/tokens.css").matchAll(/^ +(--[\w-]+):/gm)].map(([, name = ""]) => name);
  assert.deepEqual(new Set([...table, ...modifiers]), new Set([...classes, ...properties]));
});

test("the reference quotes limits as they are", () => {
  for (const said of [
    `more than ${SLOW_MS} ms in one call`,
    `settles nothing within ${GIVE_UP_MS / 1_000} s`,
    `A body ends at ${MAX_REQUEST_BYTES / 1024 ** 2} MB`,
    `with the commit, at ${ANSWER_WITHIN_MS / 1_000} s`,
    `${MAX_BODY_BYTES / 1024} KB at most`,
    `version of this contract: ${contract.CONTRACT}`,
    `(\`${Object.keys(MEDIA).join(" ")}\`)`,
  ])
    assert.ok(REFERENCE.includes(said), said);
});

for (const name of ["README.md", "README.zh-CN.md", "plugins/README.md", "plugins/CONTRACT.md", "core/PROTOCOL.md"])
  test(`what ${name} links to is there`, () => {
    const text = read(name).replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, link = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const [path = "", anchor] = link.split("#");
      if (/^https?:|releases$/.test(path)) continue;
      const file = path === "" ? name : join(dirname(name), path);
      assert.ok(existsSync(join(ROOT, file)), link);
      const headings =
        anchor === undefined ? [] : [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, words]) => slug(words));
      assert.ok(anchor === undefined || headings.includes(anchor), link);
    }
  });

/** As GitHub names the place of a heading. */
const slug = (words = "") =>
  words
    .toLowerCase()
    .replace(/[^\p{L}\d_ -]/gu, "")
    .replaceAll(" ", "-");
