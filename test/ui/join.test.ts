/** Coming in, and going. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { newPage } from "../helpers/browser.ts";
import { composer, join, logOut, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

const nameField = (page: Page) => page.getByLabel("What shall people call you?");
const account = (page: Page) => page.getByRole("button", { name: /Account and settings/ });

test("whoever was here stays signed in, and after logging out is asked under the name of last time", async t => {
  const node = await newNode(t);
  const page = await newPage(t, node.url);
  await nameField(page).waitFor();
  assert.equal(await nameField(page).evaluate(field => field === document.activeElement), true);
  assert.equal(await page.getByRole("button", { name: "Join", exact: true }).isDisabled(), true, "nobody has no name");
  await nameField(page).fill("  Ana ");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  await page.reload();
  await page.getByRole("log").waitFor();
  await account(page).filter({ hasText: "Ana" }).waitFor();
  await logOut(page);
  assert.equal(await nameField(page).inputValue(), "Ana");
});

test("a taken name is said at once, and a free one is one click away", async t => {
  const node = await newNode(t);
  await connect(t, node, { name: "Ana" });
  const page = await newPage(t, node.url);
  await nameField(page).fill("ANA");
  await page.keyboard.press("Enter");
  await page.getByText("Somebody else is called that already.").waitFor();
  assert.equal(await nameField(page).getAttribute("aria-invalid"), "true");
  await page.getByRole("button", { name: "Join as ANA 2" }).click();
  await page.getByRole("log").waitFor();
  await account(page).filter({ hasText: "ANA 2" }).waitFor();
});

test("correcting a taken name takes the complaint away", async t => {
  const node = await newNode(t);
  await connect(t, node, { name: "Ana" });
  const page = await newPage(t, node.url);
  await nameField(page).fill("Ana");
  await page.keyboard.press("Enter");
  const complaint = page.getByText("Somebody else is called that already.");
  await complaint.waitFor();
  await nameField(page).fill("Anna");
  await complaint.waitFor({ state: "detached" });
  assert.equal(await page.getByRole("button", { name: /^Join as/ }).count(), 0);
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
});

test("a session that the node does not know leads back to the first screen, and what was written waits", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await composer(page).fill("half a thought");
  await page.evaluate(() => {
    const key = Object.keys(localStorage).find(name => name.endsWith("token")) as string;
    localStorage.setItem(key, "no-such-token");
  });
  await page.reload();
  await page.getByText("You are signed out here. Please join again.").waitFor();
  await nameField(page).fill("Ana the second");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  assert.equal(await composer(page).inputValue(), "half a thought");
});

test("a link opened where somebody is signed in asks which of the two it shall be", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await join(t, node.url, "Ana");
  const link = async () => `${node.url}/#link=${(await raj.ask("chat:link")).code}`;
  await page.goto(await link());
  await page.getByRole("button", { name: "Stay Ana" }).click();
  await account(page).filter({ hasText: "Ana" }).waitFor();
  assert.doesNotMatch(page.url(), /link=/, "a reload must not use the code again");
  await page.goto(await link());
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("log").waitFor();
  await account(page).filter({ hasText: "Raj" }).waitFor();
  await say(page, "from Raj's new device");
  await row(page, "from Raj's new device").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.deepEqual(
    (await raj.join("lobby")).messages.map(({ author }) => author.id),
    [raj.welcome.you.id],
  );
});

test("the language follows the browser, can be chosen, and is remembered", async t => {
  const node = await newNode(t);
  const page = await newPage(t, node.url, { language: "zh-CN" });
  await page.getByLabel("大家怎么称呼你？").waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-Hans");
  await page.getByRole("button", { name: "English" }).click();
  await nameField(page).fill("Ana");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  await page.reload();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await say(page, "hello");
  await account(page).click();
  await page.getByRole("radio", { name: "中文" }).check();
  await page.keyboard.press("Escape");
  await page.getByRole("textbox", { name: "发消息到 #lobby" }).waitFor();
  await page.getByRole("heading", { name: "今天" }).waitFor();
});

test("logging out ends the session in all tabs, on the node too, and leaves nothing of the person behind", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await say(page, "hello");
  await row(page, "hello").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await composer(page).fill("a secret draft");
  const token = await page.evaluate(
    () => localStorage[Object.keys(localStorage).find(key => key.endsWith("token")) ?? ""],
  );
  const tab = await page.context().newPage();
  await tab.goto(node.url);
  await tab.getByRole("log").waitFor();
  await page.bringToFront();
  await logOut(page);
  await nameField(tab).waitFor();
  const left = await page.evaluate(() => JSON.stringify(localStorage));
  assert.doesNotMatch(left, /secret|token|"me"/);
  await assert.rejects(connect(t, node, { token }), { code: "session-unknown" });
});
