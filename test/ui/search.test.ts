/** Finding a message by its words, and going to where it stands. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Page } from "playwright-core";
import { inspect } from "../helpers/axe.ts";
import { composer, enter, join, logOut, row, rows, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

const field = (page: Page) => page.getByRole("combobox", { name: "Words to look for" });
const hits = (page: Page) => page.getByRole("option");

async function look(page: Page, query: string): Promise<void> {
  await page.keyboard.press("Control+Shift+F");
  await field(page).fill(query);
}

/** Looks for a message that `fill` wrote, and picks it. */
async function pick(page: Page, number: number): Promise<void> {
  await look(page, `"message ${number}"`);
  await hits(page)
    .filter({ hasText: `message ${number} of many` })
    .click();
}

/** Resolves when the message that was picked is shown. */
async function goTo(page: Page, number: number): Promise<void> {
  await pick(page, number);
  await isFocused(page, `message ${number} of many`);
}

/** Writes so many messages, one after the other. */
async function fill(client: Client, count: number, room = "lobby"): Promise<void> {
  if (room !== "lobby") await client.ask("chat:room", { name: room });
  await client.join(room);
  await Promise.all(Array.from({ length: count }, (_, index) => client.say(`message ${index} of many`, room)));
}

/** Ana's page, of a chat in which Raj has filled a room. */
async function newReader(t: TestContext, room?: string): Promise<{ page: Page; raj: Client }> {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 400, room);
  return { raj, page: await join(t, node.url, "Ana") };
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
  await isFocused(page, "Shall we ship");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("an old message is shown in the middle of its neighbours, and from there one reads on to the newest", async t => {
  const { page, raj } = await newReader(t);
  await row(page, "message 399 of many").waitFor();
  await goTo(page, 57);
  await page.waitForFunction(() => {
    const { top, bottom } = document.activeElement?.getBoundingClientRect() ?? new DOMRect();
    return top > innerHeight / 4 && bottom < (innerHeight * 3) / 4;
  });
  for (const near of [50, 56, 58, 64]) assert.equal(await row(page, `message ${near} of many`).count(), 1, `${near}`);
  // What comes meanwhile is not put below these.
  await raj.say("newest of all");
  await page.getByRole("button", { name: "1 new" }).waitFor();
  assert.equal(await row(page, "newest of all").count(), 0);
  await readOn(page, 57, 399);
  await page.getByRole("log").press("End");
  await row(page, "newest of all").waitFor();
});

/** Scrolls down from one numbered message to another; fails where one between them is passed over. */
async function readOn(page: Page, from: number, to: number): Promise<void> {
  const until = performance.now() + 60_000;
  for (let seen = from; seen < to; ) {
    assert(performance.now() < until, `nothing follows ${seen}`);
    await page.getByRole("log").evaluate(element => element.scrollBy({ top: 400 }));
    const texts = await rows(page);
    const numbers = texts.flatMap(text => /message (\d+)/.exec(text)?.[1] ?? []).map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] as number) + index),
      "none is passed over",
    );
    seen = Math.max(seen, ...numbers);
  }
}

const isFocused = (page: Page, text: string) =>
  page.waitForFunction(text => document.activeElement?.closest("article")?.textContent?.includes(text), text);

/** Ends the connection. */
type Cut = () => Promise<void>;

/** Holds back what the page asks for, each frame for as long as is said of it. */
async function holdBack(page: Page, until: (frame: string, cut: Cut) => Promise<void> | undefined): Promise<void> {
  await page.context().routeWebSocket(/socket\.io/, socket => {
    const server = socket.connectToServer();
    socket.onMessage(async frame => {
      const held = until(String(frame), () => socket.close());
      if (held) await held;
      server.send(frame);
    });
  });
  await page.reload();
  await page.getByRole("log").waitFor();
}

test("pages that are under way when one goes to a message leave no hole", async t => {
  const { page } = await newReader(t, "ops");
  // As long as a busy line takes; the newest page most of all.
  await holdBack(page, frame => {
    if (frame.includes('"history"')) return setTimeout(/before|after/.test(frame) ? 100 : 400);
  });
  await goTo(page, 57);
  await goTo(page, 200);
  await page.getByRole("log").press("End");
  await goTo(page, 101);
  await readOn(page, 101, 399);
});

test("at the end of what is here more comes, though the page asked for before does not count any more", async t => {
  const { page } = await newReader(t);
  const released = Promise.withResolvers<void>();
  await goToEnd(page, 57, () => released.promise);
  await goTo(page, 200);
  await toLast(page);
  released.resolve();
  await readOn(page, 200, 399);
});

test("at the end of what is here more comes, though the connection broke when it was asked for", async t => {
  const { page } = await newReader(t);
  await goToEnd(page, 57, async cut => {
    await cut();
    await new Promise(() => {});
  });
  await readOn(page, 57, 399);
});

/** Goes to a message and down to the end of what was loaded with it; what the page asks for there is sent after `meet`. */
async function goToEnd(page: Page, number: number, meet: (cut: Cut) => Promise<void>): Promise<void> {
  const asked = Promise.withResolvers<void>();
  let isAwaited = false;
  await holdBack(page, (frame, cut) => {
    if (!isAwaited || !frame.includes('"after"')) return;
    isAwaited = false;
    asked.resolve();
    return meet(cut);
  });
  await goTo(page, number);
  isAwaited = true;
  await toLast(page);
  await asked.promise;
}

/** Scrolls down as far as there is anything. */
async function toLast(page: Page): Promise<void> {
  await page.getByRole("log").evaluate(async box => {
    for (let lastPx = Number.NaN; box.scrollTop !== lastPx; ) {
      lastPx = box.scrollTop;
      box.scrollBy({ top: 400 });
      await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
  });
}

test("of two picks the last counts, whichever is answered first", async t => {
  const { page, raj } = await newReader(t);
  let first: Promise<void> | undefined;
  await holdBack(page, frame => {
    if (first || !frame.includes('"after"')) return;
    first = setTimeout(1_500);
    return first;
  });
  await pick(page, 57);
  await goTo(page, 200);
  await first;
  await raj.say("said at last");
  await page.getByRole("button", { name: "1 new" }).waitFor();
  assert.equal(await row(page, "message 200 of").count(), 1);
  assert.equal(await row(page, "message 57 of").count(), 0);
});

test("what was erased since it was found is not shown", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 3, "ops");
  const { id } = await raj.say("the password is hunter2", "ops");
  await raj.say("oh no", "ops");
  const page = await join(t, node.url, "Ana");
  await look(page, "hunter2");
  await hits(page).first().waitFor();
  await raj.ask("redact", { room: "ops", ref: id, body: {} });
  await page.keyboard.press("Enter");
  await isFocused(page, "Message removed");
  assert.equal(await row(page, "hunter2").count(), 0);
});

test("what is unread stays so when one goes to an old message of that room", async t => {
  const { page, raj } = await newReader(t, "ops");
  const room = (name: string) => page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name });
  await room("ops").click();
  await row(page, "message 399 of").waitFor();
  await room("lobby").click();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await raj.say("important", "ops");
  await page.waitForFunction(() => document.title.startsWith("(1)"));
  await goTo(page, 57);
  await page.getByRole("button", { name: "1 new" }).click();
  await row(page, "important").waitFor();
  await page.waitForFunction(() => document.title.startsWith("#ops"));
});

test("Enter does not pick what was found for other words", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.say("release of tuesday");
  const page = await join(t, node.url, "Ana");
  await look(page, "release");
  await hits(page).first().waitFor();
  await page.keyboard.type(" monday");
  await page.keyboard.press("Enter");
  await page.getByText("No message has “release monday”.").waitFor();
  await page.keyboard.press("ArrowDown");
  await field(page).fill("tuesday");
  await hits(page).first().waitFor();
  await page.locator('.found:not(.stale) [aria-selected="true"]').waitFor();
  await page.keyboard.press("Enter");
  await isFocused(page, "release of tuesday");
});

test("whoever comes back types over the old words, and nobody else sees them", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await look(page, "alpha");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Shift+F");
  await field(page).waitFor();
  await page.keyboard.type("beta");
  assert.equal(await field(page).inputValue(), "beta");
  await page.keyboard.press("Escape");
  await logOut(page);
  await enter(page, "Bo");
  await page.keyboard.press("Control+Shift+F");
  await field(page).waitFor();
  assert.equal(await field(page).inputValue(), "");
});

test("a dialog whose script could not be loaded can be opened when it can", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana", { ignore: ["Failed to load resource"] });
  await page.route(/menus/, route => route.abort());
  const open = page.getByRole("main").getByRole("button", { name: "Search messages" });
  await open.click();
  await page.getByText("A part of the page could not be loaded").waitFor();
  await page.unroute(/menus/);
  await open.click();
  await field(page).waitFor();
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
  await isFocused(page, "message 28 of many");
  // Whoever comes back finds what was found.
  await page.keyboard.press("Control+Shift+F");
  await hits(page).first().waitFor();
  assert.equal(await field(page).inputValue(), "message");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("what is not there is said not to be, and what fails to have failed", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana", { ignore: ["ERR_CONNECTION_REFUSED"] });
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
