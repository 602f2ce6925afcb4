import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Reject } from "../../core/errors.ts";
import { foldName, numbered, parseName } from "../../core/names.ts";
import { parseRoomName } from "../../core/rooms.ts";
import { holds } from "../suites/samples.ts";

const invalid = { name: "Reject", code: "invalid" };
const tooLarge = { name: "Reject", code: "too-large" };

test("a name is shown as it was written, but for spaces around and between", () => {
  for (const [input, name] of [
    ["Ana", "Ana"],
    ["  Ana \t", "Ana"],
    ["Ana   de\u00a0la  Cruz", "Ana de la Cruz"],
    ["全角\u3000太郎", "全角 太郎"],
    ["e\u0301", "é"],
    ["李小龙", "李小龙"],
    ["👩‍🚀", "👩‍🚀"],
    ["❤️", "❤️"],
    ["می‌خواهم", "می‌خواهم"],
    ["x".repeat(32), "x".repeat(32)],
    ["🙂".repeat(32), "🙂".repeat(32)],
  ] as const)
    assert.equal(parseName(input), name);
});

test("what cannot be a name is refused", () => {
  for (const input of [undefined, null, 1, {}, [], ["Ana"], { toString: () => "Ana" }])
    assert.throws(() => parseName(input), invalid);
  for (const input of ["", " ", "\t\n", "\u200b", "\u200d", "\u200c\u200d", "\ufe0f", "\u2060", "\u00ad", "\u3164"])
    assert.throws(() => parseName(input), invalid, JSON.stringify(input));
  for (const input of [
    "A\u0000na",
    "A\nna",
    "A\u001bna",
    "A\u007fna",
    "A\u009bna",
    "A\u202ena",
    "A\u2066na",
    "A\u200ena",
    "A\u200bna",
    "A\ufeffna",
    "A\u2028na",
    "A\ud800",
    "\udc00A",
    "A\u{e0041}",
  ])
    assert.throws(() => parseName(input), invalid, JSON.stringify(input));
  for (const input of ["__proto__", "constructor", "Constructor", "PROTOTYPE", "＿＿proto＿＿"])
    assert.throws(() => parseName(input), invalid, input);
  for (const input of ["x".repeat(33), "🙂".repeat(33), "ﷺ".repeat(2), "x".repeat(1_000_000), ...LONG])
    assert.throws(() => parseName(input), tooLarge);
});

/** At most 32 characters once they are composed, and all the same more than 64 UTF-16 units. */
const LONG = ["𝐀\u0301".repeat(32), "\u{1d6c2}\u0313\u0300\u0345".repeat(32)];

test("a number is put behind as much of a name as leaves room for it", () => {
  for (const [name, count, expected] of [
    ["Ana", 2, "Ana 2"],
    ["x".repeat(32), 2, `${"x".repeat(30)} 2`],
    ["x".repeat(32), 10, `${"x".repeat(29)} 10`],
    [`${"x".repeat(29)} xx`, 2, `${"x".repeat(29)} 2`],
    ["🙂".repeat(32), 2, `${"🙂".repeat(30)} 2`],
  ] as const) {
    assert.equal(numbered(name, count), expected);
    assert.equal(parseName(expected), expected);
  }
});

test("names that look the same are the same", () => {
  for (const [one, other] of [
    ["Ana", "ana"],
    ["Ana", "ＡＮＡ"],
    ["Straße", "STRASSE"],
    ["ΣΊΣΥΦΟΣ", "σίσυφος"],
    ["é", "e\u0301"],
    ["ﬁn", "fin"],
    ["Kelvin", "Kelvin"],
    ["❤", "❤️"],
    ["م‌ی", "می"],
    ["½", "1⁄2"],
    ["STRAẞE", "straße"],
    ["a\u200d\u0301na", "ána"],
    ["Ana\u200d\u0301", "Aná"],
  ] as const)
    assert.equal(foldName(one), foldName(other), `${one} ${other}`);
  for (const [one, other] of [
    ["Ana", "Anna"],
    ["Ana", "Aná"],
    ["李", "里"],
    ["a b", "ab"],
  ] as const)
    assert.notEqual(foldName(one), foldName(other));
});

const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.string({ unit: fc.constantFrom("a", "ß", "Σ", "\u0301", " ", "\u00a0", "\u200d", "ﬁ", "カ", "ﾞ"), maxLength: 40 }),
);

test("any text is a name or refused, and a name is one still when read again", async t => {
  await holds(
    t,
    fc.property(anyText, input => {
      let name: string;
      try {
        name = parseName(input);
      } catch (error) {
        assert.ok(error instanceof Reject && ["invalid", "too-large"].includes(error.code), String(error));
        return;
      }
      assert.equal(parseName(name), name);
      assert.equal(name, name.trim());
      assert.ok(name.isWellFormed());
      assert.notEqual(foldName(name), "");
      assert.ok([...name.normalize("NFKC")].length <= 32);
      assert.ok(name.length <= 64 && foldName(name).length <= 64);
      assert.equal(parseName(numbered(name, 99)), numbered(name, 99));
      assert.doesNotMatch(name, /\p{Cc}/u);
    }),
    { numRuns: 5_000 },
  );
});

test("upper and lower case of every character are the same name, and of each name there is one form", () => {
  for (let point = 0x21; point < 0x11_0000; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    const folded = foldName(character);
    if (foldName(folded) !== folded || foldName(character.toUpperCase()) !== folded)
      assert.fail(`U+${point.toString(16)} ${character}`);
  }
});

test("a room is called as people are, may be written with #, and is not called as the core's own", () => {
  assert.equal(parseRoomName("Kitchen"), "Kitchen");
  assert.equal(parseRoomName("#kitchen"), "kitchen");
  assert.equal(parseRoomName("  ## kitchen "), "kitchen");
  for (const input of [
    "#",
    "",
    null,
    {},
    "chat:facts",
    "CHAT:facts",
    "#chat:x",
    "ｃｈａｔ:x",
    "__proto__",
    "#constructor",
  ])
    assert.throws(() => parseRoomName(input), invalid, String(input));
  assert.throws(() => parseRoomName("x".repeat(33)), tooLarge);
});
