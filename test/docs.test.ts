/** What the READMEs say is so. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import type { AnyServerPlugin } from "../core/plugin.ts";
import { SETTINGS } from "../core/settings.ts";
import plugins from "../plugins/server.ts";
import { connect } from "./helpers/client.ts";
import { newNode, temporaryDirectory } from "./helpers/node.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");
const READMES = ["README.md", "README.zh-CN.md"];

for (const name of READMES) {
  test(`${name} lists every setting, with its flag and what it is unless set`, () => {
    const rows = read(name)
      .split("\n")
      .filter(line => /^\| `[A-Z_]+` \|/.test(line))
      .map(line => line.split("|").map(cell => cell.trim()));
    assert.deepEqual(
      rows.map(([, env, flag]) => [env, flag]),
      SETTINGS.map(({ env, flag }) => [`\`${env}\``, `\`--${flag}\``]),
    );
    for (const [index, { help, fallback }] of SETTINGS.entries()) {
      const [, , , meaning, unless] = rows[index] as string[];
      if (name === "README.md") assert.deepEqual([meaning?.replaceAll("`", ""), unless], [help, fallback]);
      else assert.ok(meaning && unless);
    }
  });

  test(`${name} quotes the executable's size, start and memory as they were measured`, () => {
    const { sizeMb, readySeconds, idleRssMb } = JSON.parse(read("tools/bench/start.json")) as {
      sizeMb: number;
      readySeconds: { median: number };
      idleRssMb: number;
    };
    const [, ...quoted] = /(\d+) MB.*?([\d.]+) s\b.*?(\d+) MB/s.exec(read(name)) ?? [];
    assert.deepEqual(quoted, [sizeMb.toFixed(0), readySeconds.median.toFixed(1), idleRssMb.toFixed(0)]);
  });

  test(`${name} shows a picture that is there, and small`, () => {
    const [, picture] = /!\[[^\]]+\]\(([^)]+)\)/.exec(read(name)) as unknown as [string, string];
    assert.ok(statSync(join(ROOT, picture)).size < 200_000);
  });
}

test("both READMEs have the same code", () => {
  const [english, chinese] = READMES.map(name =>
    [...read(name).matchAll(/^```tsx?\n([\s\S]*?)^```$/gm)].map(([, code]) => code),
  );
  assert.equal(english?.length, 3);
  assert.deepEqual(chinese, english);
});

test("the message type that the README builds works as it stands there", async t => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "plugins/dice"), { recursive: true });
  for (const name of ["core", "node_modules"]) symlinkSync(join(ROOT, name), join(directory, name));
  for (const [, code = ""] of read("README.md").matchAll(/^```tsx?\n([\s\S]*?)^```$/gm)) {
    const path = /^\/\/ (plugins\/dice\/\S+)/.exec(code)?.[1] as string;
    writeFileSync(join(directory, path), code);
  }
  const { default: dice } = (await import(join(directory, "plugins/dice/server.ts"))) as { default: AnyServerPlugin };
  const node = await newNode(t, {}, [...plugins, dice]);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  assert.equal((await ana.ask("dice", { room: "lobby", body: { sides: 7 } })).code, "invalid");
  assert.equal((await ana.ask("dice", { room: "lobby", body: { sides: 6, rolled: 6_000 } })).ok, true);
  const { body, alt } = await ana.until(() => ana.messages()[0]);
  const { rolled } = body as { rolled: number };
  assert.ok(rolled >= 1 && rolled <= 6);
  assert.equal(alt, `rolled ${rolled} of 6`);
  const client = await build({
    entryPoints: [join(directory, "plugins/dice/client.tsx")],
    bundle: true,
    format: "esm",
    write: false,
    jsx: "automatic",
    jsxImportSource: "preact",
    preserveSymlinks: true,
  });
  const code = `data:text/javascript,${encodeURIComponent(client.outputFiles[0]?.text as string)}`;
  const { default: half } = (await import(code)) as {
    default: { message: { type: string }; hooks: { Row(props: object): { type: string } } };
  };
  assert.equal(half.message.type, "dice");
  assert.equal(half.hooks.Row({ message: { body } }).type, "p");
});
