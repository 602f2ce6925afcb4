/** What the page gives to a plugin that folds marks, and what it does with one that fails. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join as joinPaths } from "node:path";
import { type TestContext, test } from "node:test";
import { join, row } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, type TestNode, temporaryDirectory } from "../helpers/node.ts";

/** A plugin whose rows say which marks they were given, and how often they were folded. */
function plugin(name: string, hooks = ""): Record<string, string> {
  const text = (type: string, role: string) =>
    `defineMessage({ type: "${type}", version: 1, kind: "log", role: "${role}",
      parse: input => ({ text: String(Object(input).text) }), summary: ({ text }) => text })`;
  return {
    "message.ts": `import { defineMessage } from "web-chat/plugin";
      export const line = ${text(name, "row")}; export const mark = ${text(`${name}.mark`, "mark")};`,
    "server.ts": `import { defineServer } from "web-chat/plugin"; import { line, mark } from "./message.ts";
      export default [defineServer(line, { receive: body => body }), defineServer(mark, { receive: body => body })];`,
    "client.tsx": `import { defineClient } from "web-chat/plugin"; import { line, mark } from "./message.ts";
      let folds = 0;
      export default [defineClient(line, {
        Row: ({ message, view }) => <p>{message.body.text}: {view}</p>,
        fold: (_, marks) => {
          if (marks.some(({ body }) => body.text === "spoil")) throw new Error("spoilt by a mark");
          return marks.map(({ body }) => body.text).join() + " folded " + ++folds;
        },
        ${hooks}
      }), defineClient(mark, {})];`,
  };
}

async function nodeWith(t: TestContext, plugins: Record<string, Record<string, string>>): Promise<TestNode> {
  const folder = temporaryDirectory(t);
  for (const [name, files] of Object.entries(plugins)) {
    mkdirSync(joinPaths(folder, name));
    for (const [file, source] of Object.entries(files)) writeFileSync(joinPaths(folder, name, file), source);
  }
  return newNode(t, { PLUGINS: folder });
}

test("a row is folded with the marks of its own plugin alone, and again only when it has one more", async t => {
  const node = await nodeWith(t, { tally: plugin("tally"), other: plugin("other") });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const { id } = await ana.ask("tally", { room: "lobby", body: { text: "row" } });
  await ana.ask("tally.mark", { room: "lobby", ref: id, body: { text: "one" } });
  const page = await join(t, node.url, "Bo");
  await row(page, "row: one folded 1").waitFor();
  await ana.ask("other.mark", { room: "lobby", ref: id, body: { text: "foreign" } });
  const { id: next } = await ana.ask("tally", { room: "lobby", body: { text: "next" } });
  await row(page, "next: folded").waitFor();
  await ana.ask("tally.mark", { room: "lobby", ref: id, body: { text: "two" } });
  await row(page, "row: one,two folded").waitFor();
  await ana.ask("tally.mark", { room: "lobby", ref: next, body: { text: "three" } });
  await row(page, "next: three folded").waitFor();
  assert.match(await row(page, "row: one").innerText(), /one,two folded [34]/);
});

test("a fold that throws costs its own row, which shows its alt, and only as long as it throws", async t => {
  const node = await nodeWith(t, { tally: plugin("tally") });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const send = async (text: string) => (await ana.ask("tally", { room: "lobby", body: { text } })).id;
  const first = await send("first");
  await send("second");
  const spoiling = await ana.ask("tally.mark", { room: "lobby", ref: first, body: { text: "spoil" } });
  const page = await join(t, node.url, "Bo", { ignore: ["spoilt by a mark"] });
  await row(page, "second: folded").waitFor();
  await row(page, "first").locator("p.alt").waitFor();
  assert.equal(await row(page, "first").locator("p.alt").innerText(), "first");
  await ana.ask("redact", { room: "lobby", ref: spoiling.id, body: {} });
  await row(page, "first: folded").waitFor();
});

test("a shortcut that the page uses, or another tool, is refused with a word in the console", async t => {
  const tool = (shortcut: string) =>
    `tool: { label: "${shortcut}", icon: "M3 8h10", shortcut: "${shortcut}", Form: () => <p>form of {"${shortcut}"}</p> },`;
  const node = await nodeWith(t, {
    a: plugin("a", tool("Alt+P")),
    b: plugin("b", tool("Alt+P")),
    c: plugin("c", tool("Ctrl+K")),
    d: plugin("d", tool("P")),
  });
  const page = await join(t, node.url, "Ana");
  await page.getByRole("button", { name: "Ctrl+K" }).waitFor();
  const warnings: string[] = [];
  page.on("console", message => message.type() === "warning" && warnings.push(message.text()));
  await page.reload();
  await page.getByRole("button", { name: "Ctrl+K" }).waitFor();
  assert.deepEqual(warnings.sort(), [
    "b: a uses Alt+P",
    "c: the page itself uses Ctrl+K",
    "d: “P” is no shortcut; Alt+P is one",
  ]);
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Find or create a room" }).waitFor();
  await page.keyboard.press("Alt+p");
  assert.equal(await page.getByRole("dialog").count(), 1, "not while another dialog is open");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Alt+p");
  await page.getByText("form of Alt+P").waitFor();
});
