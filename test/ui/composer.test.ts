/** Writing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

test("Enter sends, Shift+Enter breaks the line, and nothing but space is not sent", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const field = composer(page);
  assert.equal(await field.evaluate(element => element === document.activeElement), true, "one can write at once");
  await page.keyboard.press("Enter");
  await field.fill("   \n ");
  await page.keyboard.press("Enter");
  assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
  await field.fill("");
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  assert.equal(await field.inputValue(), "one\ntwo");
  await page.keyboard.press("Enter");
  await row(page, "one").filter({ hasText: "two" }).waitFor();
  assert.equal(await field.inputValue(), "");
  await field.fill("by button");
  await page.getByRole("button", { name: "Send" }).click();
  await row(page, "by button").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  const reader = await connect(t, node, { name: "Reader" });
  const { messages } = await reader.join("lobby");
  assert.deepEqual(
    messages.map(({ body }) => body),
    [{ text: "one\ntwo" }, { text: "by button" }],
  );
});

test("the Enter that ends an input method's word sends nothing", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const session = await page.context().newCDPSession(page);
  // As Chromium tells it while an input method is at work, and as Safari does just after.
  await session.send("Input.imeSetComposition", { text: "ni hao", selectionStart: 6, selectionEnd: 6 });
  for (const hint of [{ isComposing: true }, { keyCode: 229 }])
    await composer(page).evaluate(
      (field, init) =>
        field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init })),
      hint,
    );
  await session.send("Input.insertText", { text: "你好" });
  assert.equal(await composer(page).inputValue(), "你好");
  assert.equal(await page.getByRole("article").count(), 0);
  await page.keyboard.press("Enter");
  await row(page, "你好").waitFor();
});

test("each room keeps its own draft, over a reload too", async t => {
  const node = await newNode(t);
  const maker = await connect(t, node, { name: "Maker" });
  await maker.ask("chat:room", { name: "ops" });
  const page = await join(t, node.url, "Ana");
  await composer(page).fill("for the lobby");
  await page.getByRole("link", { name: "ops" }).click();
  await page.getByRole("textbox", { name: "Message #ops" }).fill("for ops");
  await page.getByRole("link", { name: "lobby" }).click();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  assert.equal(await composer(page).inputValue(), "for the lobby");
  await page.reload();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  assert.equal(await composer(page).inputValue(), "for the lobby");
  await page.getByRole("link", { name: "ops" }).click();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  assert.equal(await composer(page).inputValue(), "for ops");
  await page.keyboard.press("Enter");
  await row(page, "for ops").waitFor();
  await page.reload();
  await row(page, "for ops").waitFor();
  assert.equal(await composer(page).inputValue(), "", "what was sent is no draft");
});

test("near the limit it counts characters as people do, and beyond it nothing can be sent", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const field = composer(page);
  await field.fill("x".repeat(7_499));
  assert.equal(await page.getByText(/of 8000 characters/).count(), 0);
  await field.fill(`${"x".repeat(7_499)}😀`);
  await page.getByText("7500 of 8000 characters").waitFor();
  await field.fill("😀".repeat(8_001));
  await page.getByText("8001 of 8000 characters").waitFor();
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
  await field.press("Enter");
  assert.equal(await page.getByRole("article").count(), 0);
  await field.fill("😀".repeat(8_000));
  await field.press("Enter");
  await page.getByRole("article").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
});

test("the field grows with its text, scrolls when that is too much, and shrinks when it is sent", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const heightOf = (text: string) =>
    composer(page)
      .fill(text)
      .then(() => composer(page).evaluate(field => field.getBoundingClientRect().height));
  const heights = [];
  for (const lines of [1, 2, 6, 200]) heights.push(await heightOf(Array(lines).fill("line").join("\n")));
  const [one = 0, two = 0, six = 0, many = 0] = heights;
  assert.ok(one < two && two < six && six < many && many <= 320, `heights of 1, 2, 6 and 200 lines: ${heights}`);
  assert.ok(await composer(page).evaluate(field => field.scrollHeight > field.clientHeight));
  await say(page, "short");
  assert.equal(await composer(page).evaluate(field => field.getBoundingClientRect().height), one);
});
