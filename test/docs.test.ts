/** What the READMEs say is so. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { SETTINGS } from "../core/settings.ts";
import { join, row } from "./helpers/chat.ts";
import { connect } from "./helpers/client.ts";
import { newNode, temporaryDirectory } from "./helpers/node.ts";
import { writePlugin } from "./helpers/plugins.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (name: string) => readFileSync(ROOT + name, "utf8");
const READMES = ["README.md", "README.zh-CN.md"];
/** What a workload of the benchmark came to: by contender, one a round. */
type Measured = { figures: Record<string, Record<string, number>[]> };

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

  test(`${name} quotes the benchmark as it was measured`, () => {
    const { a1, a2 } = JSON.parse(read("tools/bench/results/results.json")) as Record<string, Measured>;
    const median = (measured: Measured | undefined, contender: string, key: string) => {
      const values = measured?.figures[contender]?.map(figures => figures[key] ?? 0).sort((one, other) => one - other);
      return values && ((values[(values.length - 1) >> 1] ?? 0) + (values[values.length >> 1] ?? 0)) / 2;
    };
    const rows = [...read(name).matchAll(/^\| ([\w.+-]+) \| ([\d,]+) \| ([\d.]+) \| ([\d.–]+) \| ([\d.–]+) \|$/gm)];
    assert.ok(rows.length >= 5);
    for (const [, contender = "", ...quoted] of rows) {
      const perSecond = median(a1, contender, "perSecond");
      assert.ok(perSecond !== undefined, contender);
      assert.deepEqual(quoted, [
        Number(perSecond.toPrecision(3)).toLocaleString("en-GB"),
        median(a1, contender, "cpuUs")?.toFixed(2),
        median(a2, contender, "p50")?.toFixed(1) ?? "–",
        median(a2, contender, "p99")?.toFixed(1) ?? "–",
      ]);
    }
  });

  test(`${name} shows a picture that is there, and small`, () => {
    const [, picture] = /!\[[^\]]+\]\(([^)]+)\)/.exec(read(name)) as unknown as [string, string];
    assert.ok(statSync(ROOT + picture).size < 200_000);
  });
}

test("both READMEs have the same code", () => {
  const [english, chinese] = READMES.map(name =>
    [...read(name).matchAll(/^```tsx?\n([\s\S]*?)^```$/gm)].map(([, code]) => code),
  );
  assert.equal(english?.length, 3);
  assert.deepEqual(chinese, english);
});

test("the message type that the README builds works as it stands there, dropped in", async t => {
  const directory = temporaryDirectory(t);
  const files = [...read("README.md").matchAll(/^```tsx?\n\/\/ dice\/(\S+)\n([\s\S]*?)^```$/gm)];
  writePlugin(directory, "dice", Object.fromEntries(files.map(([, path, code]) => [path as string, code as string])));
  const node = await newNode(t, { PLUGINS: directory });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  assert.equal((await ana.ask("dice", { room: "lobby", body: { rolled: 6_000 } })).ok, true);
  const { body, alt } = await ana.until(() => ana.messages()[0]);
  const { rolled } = body as { rolled: number };
  assert.ok(rolled >= 1 && rolled <= 6);
  assert.equal(alt, `rolled a ${rolled}`);
  const page = await join(t, node.url, "Bo");
  await page.getByRole("button", { name: "🎲" }).click();
  await row(page, "Bo")
    .getByText(/^🎲 [1-6]$/)
    .waitFor();
});
