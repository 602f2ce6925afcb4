/** Rooms: making them, finding them, and what is unread in them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer } from "../helpers/node.ts";

const room = (page: Page, name: string) => page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name });
const names = (page: Page) => page.getByRole("navigation", { name: "Rooms" }).locator(".room-name").allInnerTexts();

test("a room made in one browser stands in the list of every other, on every node", async t => {
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const b = await newNode(t, { NODE_NAME: "node-b", ...peer(a) });
  await b.ready;
  const [ana, daming] = [await join(t, a.url, "Ana"), await join(t, b.url, "大明")];
  await ana.getByRole("button", { name: "New room" }).click();
  await ana.getByRole("combobox").fill("Ops");
  await ana.keyboard.press("Enter");
  await ana.getByRole("textbox", { name: "Message #Ops" }).waitFor();
  await room(daming, "Ops").click();
  await say(daming, "first in here");
  await row(ana, "first in here").waitFor();
  await daming.keyboard.press("Control+k");
  await daming.getByRole("combobox").fill("测试");
  await daming.keyboard.press("Enter");
  await daming.getByRole("textbox", { name: "Message #测试" }).waitFor();
  await room(ana, "测试").waitFor();
  assert.deepEqual((await names(ana)).sort(), (await names(daming)).sort());
  await ana.keyboard.press("Control+k");
  await ana.getByRole("combobox").fill("OPS");
  assert.deepEqual(await ana.getByRole("option").allInnerTexts(), ["#Ops"], "no second room of one name is offered");
});

test("what is said in rooms that are not on the screen is counted, in the list and in the title", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await raj.join("ops");
  await raj.join("lobby");
  const page = await join(t, node.url, "Ana");
  await room(page, "ops").click();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  await page.getByText("Nothing here yet").waitFor();
  await room(page, "lobby").click();
  for (const text of ["one", "two", "three"]) await raj.say(text, "ops");
  await room(page, "ops").getByText("3 unread").waitFor({ state: "attached" });
  await page.waitForFunction(() => document.title === "(3) #lobby · web-chat");
  await raj.say("hello", "lobby");
  await row(page, "hello").waitFor();
  assert.equal(
    await room(page, "lobby")
      .getByText(/unread/)
      .count(),
    0,
    "what is on the screen is read",
  );
  await room(page, "ops").click();
  await row(page, "three").waitFor();
  await page.waitForFunction(() => document.title === "#ops · web-chat");
  assert.equal(
    await page
      .locator(".unread-line + article")
      .innerText()
      .then(text => text.includes("one")),
    true,
  );
  await room(page, "lobby").click();
  await page.reload();
  await room(page, "ops").waitFor();
  assert.equal(
    await room(page, "ops")
      .getByText(/unread/)
      .count(),
    0,
    "read stays read",
  );
});

test("what came while nobody was looking at the page is unread", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const page = await join(t, node.url, "Ana");
  await raj.say("seen");
  await row(page, "seen").waitFor();
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await raj.say("missed");
  await page.waitForFunction(() => document.title === "(1) #lobby · web-chat");
  await page.evaluate(() => {
    Reflect.deleteProperty(document, "hidden");
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForFunction(() => document.title === "#lobby · web-chat");
  assert.match(await page.locator(".unread-line + article").innerText(), /missed/);
});

test("the switcher finds a room by a few letters, and the keyboard does it all", async t => {
  const node = await newNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  for (const name of ["frontend", "backend", "random"]) await maker.ask("chat:room", { name });
  const page = await join(t, node.url, "Ana");
  await room(page, "random").waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await page.keyboard.type("end");
  const options = page.getByRole("option");
  assert.deepEqual(await options.allInnerTexts(), ["#backend", "#frontend", "Create #end"]);
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.getByRole("option", { selected: true }).innerText(), "#frontend");
  assert.equal(
    await page.getByRole("combobox").getAttribute("aria-activedescendant"),
    await page.getByRole("option", { selected: true }).getAttribute("id"),
  );
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Message #frontend" }).waitFor();
  await page.keyboard.type("I can write at once");
  assert.equal(await composer(page).inputValue(), "I can write at once");
  await page.keyboard.press("Alt+ArrowUp");
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("combobox").waitFor({ state: "detached" });
});

test("the address names the room: back, forward, a bookmark and a room that does not exist", async t => {
  const node = await newNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  await maker.ask("chat:room", { name: "设计" });
  const page = await join(t, node.url, "Ana");
  await room(page, "设计").click();
  await page.getByRole("textbox", { name: "Message #设计" }).waitFor();
  assert.match(decodeURIComponent(page.url()), /#\/room\/设计$/);
  await page.goBack();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await page.goForward();
  await page.getByRole("textbox", { name: "Message #设计" }).waitFor();
  await page.reload();
  await page.getByRole("textbox", { name: "Message #设计" }).waitFor();
  await page.goto(`${node.url}/#/room/nowhere`);
  await page.getByText("There is no room of this name yet.").waitFor();
  await page.getByRole("button", { name: "Create #nowhere" }).click();
  await page.getByRole("textbox", { name: "Message #nowhere" }).waitFor();
  await say(page, "now it does");
  await row(page, "now it does").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
});

test("a room that was left is no longer counted, and can be entered again", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await raj.join("ops");
  await raj.join("lobby");
  const page = await join(t, node.url, "Ana");
  await room(page, "ops").click();
  await page.getByText("Nothing here yet").waitFor();
  await page.getByRole("button", { name: "Leave room" }).click();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await page.getByRole("heading", { name: "More rooms" }).waitFor();
  await raj.say("while she is away", "ops");
  await raj.say("a sign", "lobby");
  await row(page, "a sign").waitFor();
  assert.equal(
    await room(page, "ops")
      .getByText(/unread/)
      .count(),
    0,
  );
  await room(page, "ops").click();
  await row(page, "while she is away").waitFor();
});
