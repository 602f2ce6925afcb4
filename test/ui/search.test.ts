/** Finding a message by its words, and going to where it stands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { inspect } from "../helpers/axe.ts";
import { composer, join, row, rows, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

const field = (page: Page) => page.getByRole("combobox", { name: "Words to look for" });
const hits = (page: Page) => page.getByRole("option");

async function look(page: Page, query: string): Promise<void> {
  await page.keyboard.press("Control+Shift+F");
  await field(page).fill(query);
}

/** Writes so many messages, one after the other. */
async function fill(client: Client, count: number, room = "lobby"): Promise<void> {
  await client.join(room);
  await Promise.all(Array.from({ length: count }, (_, index) => client.say(`message ${index} of many`, room)));
}

test("a message of another room is found as it is typed, and gone to", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await raj.join("ops");
  await raj.say("Shall we ship the **whole** thing? 可以出发了", "ops");
  const page = await join(t, node.url, "Ana");
  await say(page, "nothing of that");
  await page.getByRole("main").getByRole("button", { name: "Search messages" }).click();
  await page.getByText("Finds messages that have all of the words.").waitFor();
  for (const query of ["whol", "出发"]) {
    await field(page).fill(query);
    await hits(page).filter({ hasText: "Raj" }).filter({ hasText: "#ops" }).waitFor();
    await page.locator("mark").filter({ hasText: query }).waitFor();
  }
  await page.keyboard.press("Enter");
  const found = row(page, "Shall we ship");
  await found.waitFor();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent?.includes("Shall we ship"));
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("an old message is shown in the middle of its neighbours, and from there one reads on to the newest", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 400);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 399 of many").waitFor();
  await look(page, '"message 57"');
  await hits(page).filter({ hasText: "message 57 of many" }).click();
  await page.waitForFunction(() => document.activeElement?.textContent?.includes("message 57 of many"));
  const box = await row(page, "message 57 of many").boundingBox();
  assert.ok(box && box.y > 100 && box.y < 700, `it stands at ${box?.y}`);
  for (const near of [50, 56, 58, 64]) assert.equal(await row(page, `message ${near} of many`).count(), 1, `${near}`);
  // What comes meanwhile is not put below these.
  await raj.say("newest of all");
  await page.getByRole("button", { name: "1 new" }).waitFor();
  assert.equal(await row(page, "newest of all").count(), 0);
  const log = page.getByRole("log");
  for (let seen = 57; seen < 399; ) {
    await log.evaluate(element => element.scrollBy({ top: 400 }));
    const texts = await rows(page);
    const numbers = texts.flatMap(text => /message (\d+)/.exec(text)?.[1] ?? []).map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] as number) + index),
      "none is passed over",
    );
    seen = Math.max(seen, ...numbers);
  }
  await log.press("End");
  await row(page, "newest of all").waitFor();
});

test("more is found a page at a time, by the keyboard alone, in this room or in all", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 30);
  await raj.ask("chat:room", { name: "ops" });
  await raj.join("ops");
  await raj.say("message of ops", "ops");
  const page = await join(t, node.url, "Ana");
  await look(page, "message");
  await hits(page).filter({ hasText: "message of ops" }).waitFor();
  assert.equal(await hits(page).count(), 20);
  await page.getByRole("button", { name: "Show older ones" }).click();
  await hits(page).filter({ hasText: "message 0 of many" }).waitFor();
  assert.equal(await hits(page).count(), 31);
  await page.getByRole("radio", { name: "#lobby" }).check();
  await hits(page).filter({ hasText: "message of ops" }).waitFor({ state: "detached" });
  await field(page).focus();
  for (const _ of [1, 2]) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  assert.match(await page.locator('[aria-selected="true"]').innerText(), /message 28 of many/);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.textContent?.includes("message 28 of many"));
  // Whoever comes back finds what was found.
  await page.keyboard.press("Control+Shift+F");
  await hits(page).first().waitFor();
  assert.equal(await field(page).inputValue(), "message");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("what is not there is said not to be, and what fails to have failed", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await look(page, "nowhere");
  await page.getByText("No message has “nowhere”.").waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await say(page, "secret of mine");
  await row(page, "secret of mine").hover();
  await page.keyboard.press("Control+Shift+F");
  await field(page).fill("secret");
  await hits(page).filter({ hasText: "secret of mine" }).waitFor();
  await node.stop();
  await field(page).fill("secrets");
  await page.getByText("the node cannot be reached").waitFor();
});

for (const [what, options] of [
  ["on a phone", { viewport: { width: 390, height: 844 }, touch: true }],
  ["in the dark", { colorScheme: "dark" }],
  ["in Chinese", { language: "zh-CN" }],
] as const)
  test(`the search has nothing that axe finds, ${what}`, async t => {
    const node = await newNode(t);
    const raj = await connect(t, node, { name: "Raj" });
    await fill(raj, 3);
    const page = await join(t, node.url, "大明", { ...options });
    await composer(page).waitFor();
    await page
      .getByRole("main")
      .getByRole("button", { name: /^(Search messages|搜索消息)$/ })
      .click();
    await page.getByRole("combobox").fill("many");
    await hits(page).first().waitFor();
    await inspect(page, what);
  });
