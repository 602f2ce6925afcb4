/** core/QUEUES.md names files, bounds and figures that are there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newNode } from "./helpers/node.ts";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** The cells of each row, without those that only name the columns. */
const rows = read("core/QUEUES.md")
  .split("\n")
  .filter(line => line.startsWith("| ") && !line.startsWith("| What waits "))
  .map(line => line.split("|").slice(1, -1));

const named = (cell: string | undefined, pattern: RegExp) =>
  [...(cell ?? "").matchAll(pattern)].map(([, name]) => name as string);

test("each queue names the files that hold it and the tests that hold it to its bound", () => {
  assert.ok(rows.length >= 20, `${rows.length} rows`);
  for (const cells of rows) {
    assert.equal(cells.length, 6, cells[0]);
    const [what, where, , , , tests] = cells;
    for (const [cell, pattern] of [
      [where, /`((?:core|ui|plugins)\/\S+\.tsx?)`/g],
      [tests, /`(test\/\S+\.test\.ts)`/g],
    ] as const) {
      const paths = named(cell, pattern);
      assert.ok(paths.length > 0, `${what}: no file`);
      for (const path of paths) assert.ok(existsSync(join(ROOT, path)), `${what}: there is no ${path}`);
    }
  }
});

test("each bound that has a name has that value in the code", () => {
  let bounds = 0;
  for (const [what, where, bound] of rows) {
    const sources = named(where, /`(\S+\.tsx?)`/g)
      .map(read)
      .join("\n");
    for (const [, name, value] of (bound ?? "").matchAll(/`(MAX_\w+|MIN_\w+|\w+_MS)` = ([\d_]+)( MB)?/g)) {
      bounds++;
      const isSo = new RegExp(`\\b${name} = ${value}(?:;| \\* 1024 \\* 1024;)`).test(sources);
      assert.ok(isSo, `${what}: ${name} is not ${value}`);
    }
  }
  assert.ok(bounds >= 15, `${bounds} bounds`);
});

test("each figure is on /metrics", async t => {
  const node = await newNode(t);
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  for (const [what, ...cells] of rows)
    for (const figure of named(cells.join(), /`(chat_\w+)`/g))
      assert.match(metrics, new RegExp(`^# TYPE ${figure} `, "m"), what);
});
