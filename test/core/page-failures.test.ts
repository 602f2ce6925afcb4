/** What pages say of plugins, taken from anybody: by people who make it up, too. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadAssets } from "../../core/assets.ts";
import { Reject } from "../../core/errors.ts";
import { Calls } from "../../core/plugins/calls/calls.ts";
import { Faults } from "../../core/plugins/faults.ts";
import { type PageFailure, PageFailures } from "../../core/plugins/page-failures.ts";

const UI = join(import.meta.dirname, "../../dist/ui");
const assets = loadAssets(UI);

function made(types: readonly string[], dev?: string) {
  const clock = { ms: 0 };
  const lines: string[] = [];
  const faults = new Faults();
  const time = { elapsed: () => clock.ms, after: () => () => {} };
  const calls = new Calls({ faults, time, warn: (_, line) => void lines.push(line) });
  const failures = new PageFailures({ calls, types: () => types, assets: () => assets, dev, now: () => clock.ms });
  /** Returns the code of the refusal. */
  const take = (failure: Partial<PageFailure>, address = "192.0.2.1") => {
    try {
      failures.take({ plugin: "text", why: "no luck", stack: "", ...failure }, { person: "raj", address });
      return undefined;
    } catch (error) {
      assert.ok(error instanceof Reject, String(error));
      return error.code;
    }
  };
  return { clock, lines, faults, take };
}

/** As a browser would say it, of the first thing in the page's scripts that a built-in plugin's client half came to. */
function stackIn(source: string): { stack: string; where: string } {
  const folder = join(UI, "assets");
  for (const name of readdirSync(folder).filter(name => name.endsWith(".js.map"))) {
    const payload = JSON.parse(readFileSync(join(folder, name), "utf8"));
    if (!payload.sources.some((path: string) => path.endsWith(source))) continue;
    const map = new SourceMap(payload);
    const script = readFileSync(join(folder, name.replace(/\.map$/, "")), "utf8").split("\n");
    for (const [line, text] of script.entries())
      for (let column = 0; column < text.length; column++) {
        const entry = map.findEntry(line, column);
        if (!("originalSource" in entry) || !entry.originalSource.endsWith(source)) continue;
        const asset = name.replace(/\.map$/, "");
        const where = `${source}:${entry.originalLine + 1}`;
        return {
          stack: `Error: no luck\n    at x (http://host/chat/assets/${asset}:${line + 1}:${column + 1})`,
          where,
        };
      }
  }
  throw new Error(`the page has nothing of ${source}`);
}

test("a built-in plugin that fails in a page is told of with its place, and no other plugin with that", () => {
  const { lines, faults, take } = made(["text", "voice"]);
  const { stack, where } = stackIn("plugins/text/client.tsx");
  assert.equal(take({ plugin: "text", stack }), undefined);
  assert.equal(take({ plugin: "voice", stack }), undefined);
  assert.deepEqual(faults.list(), [
    { plugin: "text", why: "in a browser: no luck", where },
    { plugin: "voice", why: "in a browser: no luck" },
  ]);
  assert.deepEqual(lines, [`“text” failed in a browser (${where}): no luck`, "“voice” failed in a browser: no luck"]);
});

test("a type is told of under its plugin, once a minute for each place", () => {
  const { clock, lines, faults, take } = made(["poll", "poll.vote"]);
  take({ plugin: "poll.vote" });
  take({ plugin: "poll", why: "no luck again" });
  assert.deepEqual(faults.list(), [{ plugin: "poll", why: "in a browser: no luck again" }]);
  assert.deepEqual(lines, ["“poll” failed in a browser: no luck"]);
  clock.ms += 60_000;
  take({ plugin: "poll" });
  assert.equal(lines.length, 2);
});

test("a plugin that is not here is refused, whatever it is called", () => {
  const { lines, faults, take } = made(["text"]);
  for (const plugin of ["poll", "", "__proto__", "text\n", "Text", ".text", "chat:erase", "tex"])
    assert.equal(take({ plugin }), "unknown-type", plugin);
  assert.deepEqual([lines, faults.list()], [[], []]);
});

test("what is made up comes to one short line that no terminal obeys, and to no place but the plugin's own", () => {
  const { clock, lines, faults, take } = made(["text"]);
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom("\n", "\r", "\u2028", "\u0085", "\x1b[2J", "\u202e", "\ud800", "\0", '"'),
      fc.string(),
    ),
    maxLength: 300,
  });
  const frame = fc.oneof(
    nasty,
    fc
      .tuple(
        fc.constantFrom("../../package.json.js", "plugins/../main.js", "__proto__.js", "main.js", ...assets.keys()),
        fc.oneof(fc.nat(), fc.constantFrom("0", "-1", "9".repeat(9), "9".repeat(400), "1e9")),
        fc.oneof(fc.nat(), fc.constantFrom("0", "x")),
      )
      .map(([name, line, column]) => `at /assets/${name}:${line}:${column}`),
  );
  const stacks = fc.array(frame, { maxLength: 100 }).map(frames => frames.join("\n"));
  fc.assert(
    fc.property(nasty, stacks, (why, stack) => {
      clock.ms += 60_000;
      lines.length = 0;
      assert.equal(take({ why, stack }), undefined);
      for (const text of [...lines, ...faults.list().map(fault => fault.why)]) {
        assert.doesNotMatch(text, /[\p{C}\u2028\u2029]/u);
        assert.ok(text.length < 400, text);
      }
      for (const { where = "plugins/text/client.tsx:1" } of faults.list())
        assert.match(where, /^plugins\/text\/[\w.-]+:\d+$/);
      assert.equal(lines.length, 1);
      assert.equal(faults.list().length, 1);
    }),
    { numRuns: 200 },
  );
});

test("one address is heard seldom, and all together not much more often", () => {
  const types = Array.from({ length: 40 }, (_, index) => `type-${index}`);
  const { clock, lines, faults, take } = made(types);
  const flood = (addressOf: (index: number) => string) =>
    Array.from({ length: 1_000 }, (_, index) =>
      take({ plugin: types[index % types.length] as string, why: `words ${index}` }, addressOf(index)),
    ).filter(code => code === undefined).length;
  assert.equal(
    flood(() => "192.0.2.1"),
    20,
  );
  assert.equal(take({}, "192.0.2.2"), "unknown-type");
  assert.equal(take({ plugin: "type-1" }, "192.0.2.1"), "rate-limited");
  assert.equal(
    flood(index => `198.51.${index >> 8}.${index & 255}`),
    40,
  );
  clock.ms += 60_000;
  assert.equal(
    flood(index => `203.0.${index >> 8}.${index & 255}`),
    10,
  );
  assert.ok(lines.length <= 70, `${lines.length} lines`);
  assert.ok(faults.list().length <= types.length);
});

test("whoever writes a plugin is told of the version that runs, however often it fails", () => {
  const [asset = ""] = [...assets.keys()].filter(name => /\/chunk-.*\.js$/.test(name));
  const { faults, take } = made(["note"], "note");
  for (let time = 0; time < 200; time++) assert.equal(take({ plugin: "note", why: `no luck ${time}` }), undefined);
  assert.deepEqual(faults.list(), [{ plugin: "note", why: "in a browser: no luck 199" }]);
  take({ plugin: "note", why: "of one before", stack: "at x (http://host/assets/plugins/note-1A2B3C4D.js:1:1)" });
  assert.deepEqual(faults.list(), [{ plugin: "note", why: "in a browser: no luck 199" }]);
  take({ plugin: "note", why: "of the page's own", stack: `at x (http://host${asset}:1:1)` });
  assert.deepEqual(faults.list(), [{ plugin: "note", why: "in a browser: of the page's own" }]);
});
