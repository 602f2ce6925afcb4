/** What a plugin brings into the page, by the examples: rows that marks are folded into, a tool, a command, a shortcut. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { cpSync, writeFileSync } from "node:fs";
import { join as joinPaths } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { inspect } from "../helpers/axe.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode, temporaryDirectory } from "../helpers/node.ts";

const EXAMPLES = joinPaths(import.meta.dirname, "../../plugins/examples");

const exampleNode = (t: TestContext) => newNode(t, { PLUGINS: EXAMPLES });
const answer = (page: Page, name: RegExp) => row(page, "Lunch").getByRole("button", { name });
const turnout = (page: Page, text: string) => row(page, "Lunch").getByText(text).waitFor();

async function askLunch(client: Client): Promise<string> {
  await client.join("lobby");
  const body = { question: "Lunch?", answers: ["soup", "rice"] };
  return (await client.ask("poll", { room: "lobby", body })).id as string;
}

test("two people vote in a poll, see each other's votes at once and after a reload, and change their minds", async t => {
  const node = await exampleNode(t);
  const ana = await join(t, node.url, "Ana");
  const bo = await join(t, node.url, "Bo");
  await say(ana, "/poll Lunch? soup, rice");
  await turnout(bo, "0 of 2 people here have voted");
  await answer(bo, /soup/).click();
  await turnout(ana, "1 of 2 people here have voted");
  await answer(ana, /soup/).click();
  await turnout(bo, "2 of 2 people here have voted");
  await answer(bo, /^soup 2$/).waitFor();
  await answer(ana, /rice/).click();
  await answer(bo, /^rice 1$/).waitFor();
  assert.equal(await answer(ana, /rice/).getAttribute("aria-pressed"), "true");
  assert.equal(await answer(ana, /soup/).getAttribute("aria-pressed"), "false");
  await ana.reload();
  await turnout(ana, "2 of 2 people here have voted");
  assert.equal(await answer(ana, /rice/).getAttribute("aria-pressed"), "true");
  await answer(ana, /rice/).click();
  await turnout(bo, "1 of 2 people here have voted");
  assert.equal(await ana.getByRole("article").count(), 1, "votes are no rows");
});

test("a vote redraws the row that it belongs to, and no other", async t => {
  const node = await exampleNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  const id = await askLunch(maker);
  for (let n = 0; n < 40; n++) await maker.say(`message ${n}`);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 39").waitFor();
  await page.evaluate(() => {
    const changed = new Set<string>();
    Object.assign(window, { changed });
    new MutationObserver(records => {
      for (const { target } of records) {
        const article = (target instanceof Element ? target : target.parentElement)?.closest("article");
        changed.add(article ? (article.textContent ?? "") : "outside of rows");
      }
    }).observe(document.querySelector("[role=log]") as Element, {
      subtree: true,
      childList: true,
      attributes: true,
      characterData: true,
    });
  });
  await maker.ask("poll.vote", { room: "lobby", ref: id, body: { choice: 1 } });
  await answer(page, /^rice 1$/).waitFor();
  const changed = await page.evaluate(() => [...(window as unknown as { changed: Set<string> }).changed]);
  assert.ok(changed.length > 0);
  for (const text of changed) assert.match(text, /Lunch/);
});

test("a vote that waits to be sent counts for its author, and goes when the connection is back", async t => {
  const node = await exampleNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  await askLunch(maker);
  const page = await join(t, node.url, "Ana", { ignore: ["ERR_INTERNET_DISCONNECTED"] });
  await row(page, "Lunch").waitFor();
  await page.context().setOffline(true);
  await answer(page, /rice/).click();
  await answer(page, /^rice 1$/).waitFor();
  await page.context().setOffline(false);
  await maker.until(() => maker.messages("lobby").find(({ type }) => type === "poll.vote"));
  await answer(page, /^rice 1$/).waitFor();
});

test("the menu of commands opens at a slash, is worked by keys, and goes with Esc or a space", async t => {
  const node = await exampleNode(t);
  const page = await join(t, node.url, "Ana");
  const field = composer(page);
  const options = page.getByRole("listbox", { name: "Commands" }).getByRole("option");
  await field.pressSequentially("/");
  await options.first().waitFor();
  const names = (await options.allInnerTexts()).map(text => /^\/(\S+)/.exec(text)?.[1]);
  assert.ok(names.includes("poll") && names.includes("dice"));
  const chosen = () => options.and(page.locator("[aria-selected=true]")).innerText();
  const first = await chosen();
  assert.equal(await field.getAttribute("aria-activedescendant"), `text-command-${names[0]}`);
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await chosen(), first);
  await page.keyboard.press("ArrowUp");
  assert.equal(await chosen(), first);
  await inspect(page, t.name);

  await page.keyboard.press("Escape");
  await options.first().waitFor({ state: "detached" });
  assert.equal(await field.getAttribute("aria-activedescendant"), null);
  assert.equal(await field.inputValue(), "/");

  await field.fill("");
  await field.pressSequentially("/po");
  await options.first().waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await field.inputValue(), "/poll ");
  await options.first().waitFor({ state: "detached" });
  await field.fill("/di");
  await options.first().waitFor();
  await page.keyboard.press("Enter");
  assert.equal(await field.inputValue(), "/dice ");
  await field.fill("/dice");
  await options.first().waitFor();
  await page.keyboard.press("Enter");
  await row(page, "1d6").waitFor();
  await field.fill("/");
  await options.filter({ hasText: "/poll" }).click();
  assert.equal(await field.inputValue(), "/poll ");
  assert.equal(await field.evaluate(element => element === document.activeElement), true);
});

test("what a command refuses is told at the composer, and the text stays", async t => {
  const node = await exampleNode(t);
  const page = await join(t, node.url, "Ana");
  await say(page, "/poll Lunch? soup");
  await page.getByText("A poll has 2 to 10 different answers").waitFor();
  assert.equal(await composer(page).inputValue(), "/poll Lunch? soup");
  assert.equal(await composer(page).getAttribute("aria-invalid"), "true");
  await say(page, "/poll Lunch? soup, rice");
  await row(page, "Lunch").waitFor();
  assert.equal(await composer(page).inputValue(), "");
});

test("what is no command is sent as text; where it looks like one, it is asked about once", async t => {
  const node = await exampleNode(t);
  const page = await join(t, node.url, "Ana");
  await say(page, "/usr/bin is a folder");
  await row(page, "/usr/bin is a folder").waitFor();
  await composer(page).pressSequentially("/pol a, b");
  // The part of the page that knows the commands is loaded once the field begins with a slash.
  await composer(page).fill("/");
  await page.getByRole("option").first().waitFor();
  await say(page, "/pol a, b");
  await page.getByText("Do you mean /poll?").waitFor();
  assert.equal(await row(page, "/pol a, b").count(), 0);
  await page.keyboard.press("Enter");
  await row(page, "/pol a, b").waitFor();
});

test("a tool's button and its shortcut open its form, which a keyboard alone can fill in", async t => {
  const node = await exampleNode(t);
  const page = await join(t, node.url, "Ana");
  const button = page.getByRole("button", { name: "Start a poll" });
  await button.click();
  const dialog = page.getByRole("dialog", { name: "Start a poll" });
  await dialog.waitFor();
  await inspect(page, t.name);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await button.evaluate(element => element === document.activeElement), true);

  await composer(page).focus();
  // As a Mac says it: Option makes another letter of the key.
  await composer(page).evaluate(field =>
    field.dispatchEvent(
      new KeyboardEvent("keydown", { key: "π", code: "KeyP", altKey: true, bubbles: true, cancelable: true }),
    ),
  );
  await dialog.waitFor();
  await page.keyboard.type("Lunch?");
  for (const text of ["soup", "soup"]) {
    await page.keyboard.press("Tab");
    await page.keyboard.type(text);
  }
  await page.keyboard.press("Enter");
  await dialog.getByRole("alert").getByText("A poll has 2 to 10 different answers").waitFor();
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Tab");
  await page.keyboard.type("rice");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await answer(page, /^sou 0$/).waitFor();
  await answer(page, /^rice 0$/).waitFor();
  assert.equal(await composer(page).evaluate(field => field === document.activeElement), true);

  await page.getByRole("log").focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).getByText("Start a poll").waitFor();
});

test("the server throws the dice, and until it has, the row says that it waits", async t => {
  const node = await exampleNode(t);
  const page = await join(t, node.url, "Ana", { ignore: ["ERR_INTERNET_DISCONNECTED"] });
  const bo = await connect(t, node, { name: "Bo" });
  await bo.join("lobby");
  await page.context().setOffline(true);
  await say(page, "/dice 3d6");
  await row(page, "Waiting to be sent").locator("p.alt").waitFor();
  await page.context().setOffline(false);
  const thrown = row(page, "3d6");
  await thrown.waitFor();
  const told = await bo.until(() => bo.messages("lobby").find(({ type }) => type === "dice"));
  const { rolls } = told.body as { rolls: number[] };
  const sum = rolls.reduce((sum, roll) => sum + roll, 0);
  await page.getByRole("img", { name: `3d6 thrown: ${sum}` }).waitFor();

  const cheat = await bo.ask("dice", { room: "lobby", body: { dice: "20d6", rolls: Array(20).fill(6) } });
  assert.equal(cheat.ok, true);
  const fair = await bo.until(() => bo.messages("lobby").findLast(({ id }) => id === cheat.id));
  assert.notDeepEqual((fair.body as { rolls: number[] }).rolls, Array(20).fill(6));
});

test("polls and dice speak Chinese, and pass the checks for accessibility in both themes", async t => {
  const node = await exampleNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  const id = await askLunch(maker);
  await maker.ask("poll.vote", { room: "lobby", ref: id, body: { choice: 0 } });
  await maker.ask("dice", { room: "lobby", body: { dice: "2d6" } });
  const light = await join(t, node.url, "Ana");
  await turnout(light, "1 of 2 people here have voted");
  await inspect(light, t.name);
  const dark = await join(t, node.url, "大明", { language: "zh-CN", colorScheme: "dark" });
  await turnout(dark, "在线 3 人中 1 人已投票");
  await dark.getByRole("button", { name: "发起投票" }).waitFor();
  await dark.getByRole("img", { name: /^掷 2d6/ }).waitFor();
  await inspect(dark, t.name);
});

test("news of GitHub are told in each reader's language, with a link, and pass the checks for accessibility", async t => {
  const plugins = temporaryDirectory(t);
  const secret = "a secret of the test";
  cpSync(joinPaths(EXAMPLES, "github"), joinPaths(plugins, "github"), { recursive: true });
  writeFileSync(joinPaths(plugins, "github/settings.json"), JSON.stringify({ secret }));
  const node = await newNode(t, { PLUGINS: plugins });
  const light = await join(t, node.url, "Ana");
  const dark = await join(t, node.url, "大明", { language: "zh-CN", colorScheme: "dark" });
  const html_url = "https://github.com/ana/chat/issues/7";
  const body = JSON.stringify({
    action: "opened",
    issue: { number: 7, title: "<b>It</b> breaks", html_url },
    repository: { full_name: "ana/chat" },
    sender: { login: "zoe" },
  });
  const headers = {
    "X-GitHub-Event": "issues",
    "X-GitHub-Delivery": "1",
    "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  };
  const answer = await fetch(`${node.url}/x/github`, { method: "POST", headers, body });
  assert.equal(answer.status, 202);
  await row(light, "zoe opened issue #7").waitFor();
  await row(dark, "zoe 新建了议题 #7").waitFor();
  for (const page of [light, dark]) {
    const link = page.getByRole("link", { name: "<b>It</b> breaks" });
    assert.equal(await link.getAttribute("href"), html_url);
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
    await inspect(page, t.name);
  }
});
