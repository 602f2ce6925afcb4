/** What a search shows of the lines that it found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { excerptOf } from "../../ui/excerpt.ts";
import { holds } from "../suites/samples.ts";

/** The excerpt with its matches in brackets. */
const marked = (line: string, query: string) =>
  excerptOf(line, query)
    .map(({ text, isMatch }) => (isMatch ? `[${text}]` : text))
    .join("");

test("words are marked where they begin, as the node takes them to be alike", () => {
  assert.equal(marked("Shall we ship it? Shipping, island", "ship IS"), "Shall we [ship] it? [Ship]ping, [is]land");
  assert.equal(marked("Crème brûlée, ＡＢＣ", "creme abc"), "[Crème] brûlée, [ＡＢＣ]");
  assert.equal(marked("今天可以出发了，部署到node", "出发 node"), "今天可以[出发]了，部署到[node]");
  assert.equal(marked("done 🎉 and gone", "🎉"), "done [🎉] and gone");
  assert.equal(marked("don't", "don't"), "[don]'t");
  assert.equal(marked("a (b) [c] \\d", "(b) [c] \\d .*"), "a (b) [c] \\d");
});

test("of a long line the part is shown in which the words stand", () => {
  const line = `${"before ".repeat(50)}needle ${"after ".repeat(50)}`;
  const excerpt = marked(line, "needle");
  assert.match(excerpt, /^….*\[needle\] after.*…$/);
  assert.ok(excerpt.length < 200, `${excerpt.length} characters`);
  assert.match(marked(line, "nowhere"), /^before before.*…$/);
});

test("whatever is looked for, an excerpt is of the line, and well formed where that is", async t => {
  const text = fc.string({ unit: "binary", maxLength: 300 });
  await holds(
    t,
    fc.property(text, text, (line, query) => {
      const pieces = excerptOf(line, query);
      const shown = pieces.map(({ text }) => text).join("");
      if (line.isWellFormed()) assert.ok(shown.isWellFormed());
      assert.ok(line.includes(shown.replace(/^…|…$/g, "")) || line.includes("…"), shown);
    }),
  );
});
