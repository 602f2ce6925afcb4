/** What people may write, and what hostile texts cannot do. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Token } from "marked";
import { lex, safeHref } from "../../plugins/text/markdown.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { newNode } from "../helpers/node.ts";

const ROOT = joinPath(import.meta.dirname, "../..");

test("emphasis, code, lists, quotes and links look like what they are", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const cases: [text: string, selector: string, inner: string][] = [
    ["**bold** text", "strong", "bold"],
    ["*italic* text", "em", "italic"],
    ["~~gone~~ text", "del", "gone"],
    ["some `code` here", "p code", "code"],
    ["```\nline 1\n  line 2\n```", "pre code", "line 1\n  line 2"],
    ["- one\n- two", "ul > li:nth-child(2)", "two"],
    ["3. three\n4. four", "ol[start='3'] > li:nth-child(2)", "four"],
    ["> quoted", "blockquote", "quoted"],
    ["[words](https://example.com/a)", "a[href='https://example.com/a']", "words"],
    ["see https://example.com/b?c=d.", "a[href='https://example.com/b?c=d']", "https://example.com/b?c=d"],
    ["看这里https://example.com/e。好的", "a[href='https://example.com/e']", "https://example.com/e"],
    ["**重要：**请看", "strong", "重要："],
    ["# no heading", "p", "# no heading"],
  ];
  for (const [text, selector, inner] of cases) {
    await say(page, text);
    const drawn = page.getByRole("article").last();
    await drawn.getByText("Sent", { exact: true }).waitFor({ state: "attached" });
    assert.equal(await drawn.locator(`.text ${selector}`).innerText(), inner, text);
  }
  for (const link of await page.getByRole("log").getByRole("link").all()) {
    assert.equal(await link.getAttribute("target"), "_blank");
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  }
  await composer(page).fill("first line\nsecond line");
  await composer(page).press("Enter");
  await row(page, "second line").waitFor();
  assert.equal(await row(page, "second line").locator("p").innerText(), "first line\nsecond line");
});

test("markup stands there as it was typed, and runs nothing", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const before = await page.locator("script, iframe, img, style").count();
  const texts = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<b>not bold</b>",
    "<style>body { display: none }</style>",
    '<a href="javascript:alert(1)">click</a>',
    "<svg/onload=alert(1)>",
    "&lt;i&gt; &amp; &#x3c;",
  ];
  for (const text of texts) {
    await say(page, text);
    const drawn = page.getByRole("article").last();
    await drawn.getByText("Sent", { exact: true }).waitFor({ state: "attached" });
    assert.equal(await drawn.locator(".text").innerText(), text);
  }
  assert.equal(await page.locator("script, iframe, img, style").count(), before);
});

test("links lead to the web or to a mail program, and nowhere else", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const texts = [
    "[a](javascript:alert(1))",
    "[b](JaVaScRiPt:alert(1))",
    "[c](data:text/html,<script>alert(1)</script>)",
    "[d](vbscript:x)",
    "[e](file:///etc/passwd)",
    "[f](/relative)",
    "[g](&#106;avascript:alert(1))",
    "[h](java\tscript:alert(1))",
    "![i](https://example.com/picture.png)",
    "<javascript:alert(1)>",
  ];
  for (const text of texts) await say(page, text);
  await row(page, "<javascript").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.equal(await page.getByRole("article").count(), texts.length);
  const hrefs = await page
    .getByRole("log")
    .locator("a")
    .evaluateAll(links => links.map(link => link.getAttribute("href") ?? ""));
  for (const href of hrefs) assert.match(href, /^(https?:\/\/|mailto:)/);
  assert.equal(await page.getByRole("log").locator("img").count(), 0, "a picture would tell its host who reads");
  for (const href of ["javascript:1", " javascript:1", "java\nscript:1", "data:,x", "//host", "x", "blob:https://a/b"])
    assert.equal(safeHref(href), undefined, href);
});

test("no source of the page hands text to the browser as markup", () => {
  const sources = globSync(["ui/**/*.{ts,tsx,html}", "plugins/**/*.{ts,tsx}"], { cwd: ROOT });
  assert.ok(sources.length > 40);
  for (const path of sources)
    assert.doesNotMatch(
      readFileSync(joinPath(ROOT, path), "utf8"),
      /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/,
      path,
    );
});

/** Pieces that Markdown gives a meaning, alone and nested, between words of several scripts. */
const piece = fc.oneof(
  fc.constantFrom(
    ..."* ** *** _ __ ~~ ` `` ``` ~~~ > # - + 1. [ ] ( ) [x] ![ ]( < > <a> </a> | \\ & &amp; : www. http://a.b".split(
      " ",
    ),
    "\n",
    "\n\n",
    "    ",
    "\t",
    "> > > > > > > > ",
    "- - - - - - - - ",
    "**".repeat(40),
    "[".repeat(60),
    "![](".repeat(30),
    "`".repeat(50),
    "<".repeat(50),
    "： ，。「」",
    "—",
  ),
  fc.string({ unit: "binary", maxLength: 12 }).map(text => text.replace(/[\p{Cc}\p{Cs}]/gu, "")),
  fc.lorem({ maxCount: 3 }),
);
const hostile = fc
  .array(fc.tuple(piece, fc.nat(40)), { maxLength: 120 })
  .map(pieces => pieces.map(([text, times]) => text.repeat(1 + (times > 30 ? times : 0))).join(""))
  .map(text => text.slice(0, 8_000).trim());

type Node = Token & { tokens?: Node[]; items?: Node[] };

function depthOf(tokens: readonly Node[]): number {
  return tokens.reduce((most, { tokens = [], items = [] }) => Math.max(most, 1 + depthOf([...tokens, ...items])), 0);
}

/** What a reader sees of a token, as plugins/text/tokens.tsx draws it. */
function seen(token: Node): string {
  const { type, raw, tokens, items } = token;
  const inner = (list: readonly Node[] = []) => list.map(seen).join("");
  if (type === "list") return inner(items);
  if (type === "code" || type === "codespan" || type === "escape") return (token as { text: string }).text;
  if (type === "br" || type === "space") return "";
  if (type === "link") return safeHref((token as { href: string }).href) ? inner(tokens) : raw;
  if (["list_item", "blockquote", "strong", "em", "del", "paragraph"].includes(type)) return inner(tokens);
  return tokens ? inner(tokens) : raw;
}

test("whatever is written, reading it ends, nests within bounds, and loses no word", () => {
  fc.assert(
    fc.property(hostile, text => {
      const tokens = lex(text) as Node[] | undefined;
      if (tokens === undefined) return;
      assert.ok(depthOf(tokens) <= 30, `${depthOf(tokens)} levels`);
      const words = (of: string) => of.match(/[\p{L}]{2,}/gu) ?? [];
      const shown = tokens.map(seen).join("");
      // An info string after a fence and the address under a link's words are not shown, by design.
      const hidden = new Set([...words(text)].filter(word => /amp|http|www/.test(word)));
      for (const token of flat(tokens)) {
        if (token.type === "code") for (const word of words((token as { lang?: string }).lang ?? "")) hidden.add(word);
        if (token.type === "link") for (const word of words(token.raw)) hidden.add(word);
      }
      for (const word of words(text))
        if (!hidden.has(word)) assert.ok(shown.includes(word), `${JSON.stringify(word)} is gone`);
    }),
    { numRuns: 400 },
  );
});

function flat(tokens: readonly Node[]): Node[] {
  return tokens.flatMap(token => [token, ...flat(token.tokens ?? []), ...flat(token.items ?? [])]);
}

test("texts that are made to be slow are read about as fast as plain ones of their length", () => {
  const worst = [
    "*",
    "_",
    "**a ",
    "[",
    "![",
    "[a](",
    "`",
    "``a",
    "> ",
    "- ",
    "1. ",
    "~~",
    "<",
    "&",
    "a_",
    "*a_ ",
    "\n> - ",
    "|",
    "\\",
    "：**",
  ];
  const timed = (text: string) => {
    const start = process.cpuUsage().user;
    lex(text);
    return (process.cpuUsage().user - start) / 1_000;
  };
  const slow = worst
    .map(unit => ({ unit, ms: timed(unit.repeat(Math.floor(8_000 / unit.length))) }))
    .filter(({ ms }) => ms > 1_000);
  assert.deepEqual(slow, []);
});
