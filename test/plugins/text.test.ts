import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Reject } from "../../core/errors.ts";
import text, { MAX_CHARACTERS } from "../../plugins/text/message.ts";
import server from "../../plugins/text/server.ts";
import { holds } from "../suites/samples.ts";
import { receiving, session } from "./context.ts";

const invalid = { name: "Reject", code: "invalid" };
const tooLarge = { name: "Reject", code: "too-large" };
const parsed = (input: string) => (text.parse({ text: input }) as { text: string }).text;

test("a text has at most 8,000 characters, as people count them", () => {
  assert.equal(MAX_CHARACTERS, 8_000);
  for (const character of ["x", "你", "🙂"]) {
    assert.equal(parsed(character.repeat(8_000)), character.repeat(8_000));
    assert.throws(() => parsed(character.repeat(8_001)), tooLarge);
  }
  assert.throws(() => parsed("🙂".repeat(100_000)), tooLarge);
});

test("spaces around a text do not count, those inside do", () => {
  assert.equal(parsed(`   ${"x".repeat(8_000)}\n\n`).length, 8_000);
  assert.equal(parsed("  a  b\tc\n\n d "), "a  b\tc\n\n d");
});

test("every kind of line break becomes a line feed", () => {
  assert.equal(parsed("one\r\ntwo\rthree\nfour"), "one\ntwo\nthree\nfour");
});

test("an empty text is refused", () => {
  for (const input of ["", " ", "\n\r\n\t", "\u00a0\u3000", "\ufeff"]) assert.throws(() => parsed(input), invalid);
});

test("lone surrogates are refused, pairs are not", () => {
  for (const input of ["\ud800", "a\udc00b", "\udc00\ud800", `${"🙂".repeat(10)}\ud83d`])
    assert.throws(() => parsed(input), invalid, JSON.stringify(input));
  assert.equal(parsed("\ud83d\ude42"), "🙂");
});

test("control characters are refused, but for tab and line feed", () => {
  for (let code = 0; code < 0x20; code++) {
    const input = `a${String.fromCharCode(code)}b`;
    if (["\t", "\n", "\r"].includes(input[1] as string)) parsed(input);
    else assert.throws(() => parsed(input), invalid, String(code));
  }
  assert.throws(() => parsed("a\u007fb"), invalid);
  assert.throws(() => parsed("\u001b[31mred"), invalid);
});

test("what people write in any script passes as it is", () => {
  for (const input of [
    "مرحبا",
    "שלום",
    "👩‍👩‍👧‍👦",
    "e\u0301",
    "<b>&amp;</b>",
    "'; DROP TABLE log; --",
    "__proto__",
    "\u202eabc",
  ])
    assert.equal(parsed(input), input);
});

test("what is no text is refused", () => {
  for (const input of [
    undefined,
    null,
    "Hello",
    1,
    [],
    {},
    { text: null },
    { text: 1 },
    { text: ["Hello"] },
    { Text: "x" },
  ])
    assert.throws(() => text.parse(input), invalid, JSON.stringify(input));
});

test("the summary is the text in one line", () => {
  assert.equal(text.summary({ text: "one\n\ttwo   three" }), "one two three");
});

test("a text that was taken is taken again as it is", async t => {
  await holds(
    t,
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), input => {
      try {
        const once = parsed(input);
        assert.equal(parsed(once), once);
      } catch (error) {
        assert.ok(error instanceof Reject);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("everybody may send a text, and it stays what it is", () => {
  const body = { text: "Hello" };
  assert.equal(server.hooks().receive?.(body, receiving(session("ana"))), body);
});
