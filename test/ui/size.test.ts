/** What a first visit downloads. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const PAGE = join(import.meta.dirname, "../../dist/ui");
const BUDGET_BYTES = 60 * 1024;

/** Everything that the page loads at once: what it names, and what those scripts import. */
function firstLoad(): string[] {
  const found = new Set(
    [...readFileSync(join(PAGE, "index.html"), "utf8").matchAll(/(?:src|href)="(assets\/[^"]+\.(?:js|css))"/g)].map(
      ([, path]) => path as string,
    ),
  );
  for (const path of found)
    if (path.endsWith(".js"))
      for (const [, name] of readFileSync(join(PAGE, path), "utf8").matchAll(/(?:from|import)"\.\/([^"]+)"/g))
        found.add(`assets/${name}`);
  return [...found];
}

test("scripts and style sheets of the first page have at most 60 KB gzipped", t => {
  const paths = firstLoad();
  assert.ok(paths.some(path => path.endsWith(".js")) && paths.some(path => path.endsWith(".css")), String(paths));
  const bytes = paths.reduce((sum, path) => sum + gzipSync(readFileSync(join(PAGE, path)), { level: 9 }).length, 0);
  t.diagnostic(`${(bytes / 1024).toFixed(1)} KB in ${paths.length} files`);
  assert.ok(bytes <= BUDGET_BYTES, `${bytes} bytes`);
});

test("every script that the first page needs is announced in it, so that none waits for another", () => {
  const page = readFileSync(join(PAGE, "index.html"), "utf8");
  for (const path of firstLoad()) assert.ok(page.includes(path), `${path} is found only by reading another script`);
});
