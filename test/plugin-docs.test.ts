/** What the documents for plugin authors say is so. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "./helpers/node.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const EXAMPLE = "plugins/examples/poll";
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

function run(cwd: string, ...args: string[]): Promise<{ code: number; out: string }> {
  const env = { ...process.env, PATH: join(ROOT, "node_modules/.bin") };
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
  const found = section.matchAll(/(?:<!-- code examples\/poll\/(\S+) .*\n)?^```\w+\n([^]*?)^```$/gm);
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
  const [, form = "", tool = ""] = /^([^]*\n)\n( {4}tool:.+\n)$/.exec(blocks) ?? [];
  return client.replace("export default", () => `${form}\nexport default`).replace(/^ {4}command:.+\n/m, line => line + tool);
}

async function follow(t: TestContext, upTo: number): Promise<{ folder: string; checked: { code: number; out: string } }> {
  const folder = temporaryDirectory(t);
  const chat = (...args: string[]) => run(folder, join(ROOT, "core/main.ts"), ...args);
  assert.equal(blocksOf(1)[0]?.text, "web-chat new poll\nweb-chat dev poll\n");
  assert.equal((await chat("new", "poll")).code, 0);
  for (const file of "message.ts server.ts samples.ts client.tsx style.css poll.test.ts".split(" "))
    rmSync(join(folder, "poll", file));
  for (let step = 2; step <= upTo; step++) write(folder, step, inserted);
  return { folder, checked: await chat("check", "poll") };
}

for (const [step, parts] of [
  [3, "contract, no tests, types"],
  [4, "contract, no tests, types"],
  [5, "contract, tests, types"],
] as const)
  test(`after step ${step} of the guide the plugin is sound`, async t => {
    const { checked } = await follow(t, step);
    assert.deepEqual(checked, { code: 0, out: `poll is sound (${parts})\n` });
  });

test("before its server half is written, check says so", async t => {
  const { checked } = await follow(t, 2);
  assert.equal(checked.code, 1);
  assert.match(checked.out, /there is no server\.ts/);
});

test("at the end of the guide stands the example itself", async t => {
  const { folder } = await follow(t, 5);
  for (const file of ["message.ts", "server.ts", "samples.ts", "client.tsx", "client.css"])
    assert.equal(readFileSync(join(folder, "poll", file), "utf8"), read(join(EXAMPLE, file)), file);
});
