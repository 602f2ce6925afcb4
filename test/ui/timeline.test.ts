/** The timeline: its order, its groups, and where the reader stands in it. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { erase } from "../../core/commands/erase.ts";
import { type AnyServerPlugin, defineMessage, defineServer } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { composer, join, row, rows, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode, peer } from "../helpers/node.ts";
import { MOST_DRAWN, read } from "../helpers/reading.ts";

const MINUTE_MS = 60_000;

const log = (page: Page) => page.getByRole("log");
const atEnd = (page: Page) => log(page).evaluate(box => box.scrollTop > -2);
/** Where a row is on the screen, in CSS pixels from the top. */
const topOf = async (page: Page, text: string) => (await row(page, text).last().boundingBox())?.y ?? Number.NaN;

/** Scrolls to what was said earlier. */
async function readUp(page: Page): Promise<void> {
  await log(page).evaluate(box => {
    box.scrollTop = -600;
  });
  await page.getByRole("button", { name: "To the newest message" }).waitFor();
}

async function fill(client: Client, count: number, room = "lobby"): Promise<void> {
  await client.join(room);
  for (let n = 0; n < count; n += 100)
    await Promise.all(
      Array.from({ length: Math.min(100, count - n) }, (_, at) => client.say(`message ${n + at};`, room)),
    );
}

/** Sets the clock of the nodes in this process; the browser keeps its own. */
function clockAt(t: TestContext, at: number): (at: number) => void {
  t.mock.timers.enable({ apis: ["Date"], now: at });
  return later => t.mock.timers.setTime(later);
}

test("what one author says within five minutes stands together, and days are parted", async t => {
  const today = Date.now();
  const noon = new Date(today - 24 * 60 * MINUTE_MS).setHours(12, 0, 0, 0);
  const set = clockAt(t, noon);
  const node = await newNode(t);
  const raj = (await connect(t, node, { name: "Raj" })).welcome;
  const daming = (await connect(t, node, { name: "大明" })).welcome;
  // A connection takes a leap of the clock for a long silence, so each message comes over its own.
  const write = async ({ token }: { token: string }, text: string) => {
    const client = await connect(t, node, { token });
    await client.join("lobby");
    await client.say(text);
    client.socket.disconnect();
  };
  const said: [Client["welcome"], minutes: number, text: string, head: boolean][] = [
    [raj, 0, "begins", true],
    [raj, 4.9, "goes on", false],
    [raj, 9.7, "goes on again", false],
    [raj, 14.8, "after a pause", true],
    [daming, 15, "another author", true],
    [raj, 16, "the first one again", true],
  ];
  for (const [who, minutes, text] of said) {
    set(noon + minutes * MINUTE_MS);
    await write(who, text);
  }
  set(today);
  await write(raj, "today");
  const page = await join(t, node.url, "Ana");
  await row(page, "today").waitFor();
  const heads = await log(page)
    .getByRole("article")
    .evaluateAll(rows => rows.map(row => row.classList.contains("head")));
  assert.deepEqual(heads, [...said.map(([, , , head]) => head), true]);
  assert.deepEqual(await log(page).getByRole("heading").allInnerTexts(), ["Yesterday", "Today"]);
  assert.equal(await row(page, "begins").locator("time").first().innerText(), "12:00");
  assert.equal(await row(page, "goes on again").locator(".avatar").count(), 0);
});

test("who reads further up stays there while others write, and is told how much is new", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 60);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 59;").waitFor();
  assert.equal(await atEnd(page), true);
  await raj.say("while she is at the end");
  await row(page, "while she is at the end").waitFor();
  await page.waitForFunction(() => document.querySelector(".scroller")?.scrollTop === 0);
  await readUp(page);
  const before = await topOf(page, "message 30;");
  await raj.say("one more\n\nwith\n\nseveral\n\nlines");
  await raj.say("and another");
  const pill = page.getByRole("button", { name: "2 new" });
  await pill.waitFor();
  await row(page, "and another").waitFor({ state: "attached" });
  assert.ok(Math.abs((await topOf(page, "message 30;")) - before) < 1.5, "what she reads has not moved");
  await Promise.all(Array.from({ length: 30 }, (_, n) => raj.say(`flood ${n};`)));
  await page.getByRole("button", { name: "32 new" }).waitFor();
  await row(page, "flood 29;").waitFor({ state: "attached" });
  assert.ok(Math.abs((await topOf(page, "message 30;")) - before) < 1.5, "nor has it in a flood");
  await page.getByRole("button", { name: "32 new" }).click();
  await pill.waitFor({ state: "detached" });
  assert.equal(await atEnd(page), true);
  assert.equal(await page.locator(".unread-line + article").filter({ hasText: "one more" }).count(), 1);
  await page.waitForFunction(() => document.title === "#lobby · web-chat");
});

test("whoever writes sees it, wherever the reading was", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 60);
  const page = await join(t, node.url, "Ana");
  await readUp(page);
  await say(page, "my answer");
  await row(page, "my answer").waitFor();
  await page.waitForFunction(() => document.querySelector(".scroller")?.scrollTop === 0);
  assert.equal(await page.getByRole("button", { name: "To the newest message" }).count(), 0);
});

test("coming back, one finds oneself where the unread begins", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  for (let n = 0; n < 10; n++) await raj.say(`old ${n};`);
  const page = await join(t, node.url, "Ana");
  await row(page, "old 9;").waitFor();
  await page.goto("about:blank");
  for (let n = 0; n < 40; n++) await raj.say(`new ${n};`);
  await page.goto(node.url);
  await row(page, "new 0;").waitFor();
  const line = page.locator(".unread-line");
  const box = await line.boundingBox();
  assert.ok(box && box.y > 52 && box.y < 400, `the line stands in the upper half: ${JSON.stringify(box)}`);
  assert.match(await page.locator(".unread-line + article").innerText(), /new 0;/);
  await page.getByRole("button", { name: "40 new" }).click();
  await page.waitForFunction(() => document.title === "#lobby · web-chat");
  await page.goto("about:blank");
  await raj.say("just one");
  await page.goto(node.url);
  await row(page, "just one").waitFor();
  assert.match(await page.locator(".unread-line + article").innerText(), /just one/);
  assert.equal(await atEnd(page), true, "what fits on the screen needs no scrolling");
  await page.waitForFunction(() => document.title === "#lobby · web-chat");
});

test("older pages load before the reader reaches them, down to the first message, and nothing jumps", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 300);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 299;").waitFor();
  const worstPx = await log(page).evaluate(async box => {
    const frame = () => new Promise(requestAnimationFrame);
    let worst = 0;
    for (let step = 0; step < 2_000 && !box.textContent?.includes("This is where #lobby begins."); step++) {
      const { left, top, width } = box.getBoundingClientRect();
      const row = [60, 100, 150, 200].flatMap(down =>
        document
          .elementsFromPoint(left + width / 2, top + down)
          .map(found => found.closest("article"))
          .filter(found => found !== null),
      )[0] as Element;
      const place = () => row.getBoundingClientRect().top + box.scrollTop;
      const before = place();
      box.scrollTop -= 150;
      for (let n = 0; n < 3; n++) {
        await frame();
        worst = Math.max(worst, Math.abs(place() - before));
      }
    }
    return worst;
  });
  assert.ok(worstPx < 2, `a row jumped by ${worstPx} px`);
  await log(page).evaluate(box => {
    box.scrollTop = -box.scrollHeight;
  });
  await page.getByText("This is where #lobby begins.").waitFor();
  await row(page, "message 0;").waitFor();
  const { texts } = await read(page, "down");
  assert.deepEqual(
    texts,
    Array.from({ length: 300 }, (_, n) => `message ${n};`),
  );
});

test("what was written beyond a partition slides into its place, and is marked", async t => {
  clockAt(t, Date.now() - 2 * MINUTE_MS);
  const apart = await newNode(t, { NODE_NAME: "node-b" });
  const raj = await connect(t, apart, { name: "Raj" });
  await raj.join("lobby");
  await raj.say("written apart");
  t.mock.timers.reset();
  raj.socket.disconnect();
  await apart.stop();
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const daming = await connect(t, a, { name: "大明" });
  await daming.join("lobby");
  await daming.say("first here");
  const page = await join(t, a.url, "Ana");
  await say(page, "second here");
  await row(page, "second here").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await newNode(t, { NODE_NAME: "node-b", DATA_DIR: apart.dataDir, ...peer(a) });
  await row(page, "written apart").waitFor();
  assert.deepEqual(await rows(page), ["written apart", "first here", "second here"]);
  await row(page, "written apart").getByText("late").waitFor();
  assert.equal(await log(page).getByText("late").count(), 1);
});

test("what an operator erases is emptied in open pages, and shows as nothing but that", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const { id } = await raj.say("too much was said");
  await raj.say("and then this");
  const page = await join(t, node.url, "Ana");
  await row(page, "too much was said").waitFor();
  await erase(id, { dataDir: node.dataDir, name: "node" });
  await row(page, "Message removed").waitFor();
  await raj.say("the last word");
  await row(page, "the last word").waitFor();
  assert.equal(await log(page).getByRole("article").count(), 3);
  assert.equal(await row(page, "too much was said").count(), 0);
});

test("an erased message is empty for everybody, and only its author is offered that", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const { id } = await raj.say("Raj regrets this");
  const page = await join(t, node.url, "Ana");
  await row(page, "Raj regrets this").hover();
  assert.equal(await row(page, "Raj regrets this").getByRole("button").count(), 0);
  await say(page, "Ana regrets this");
  await row(page, "Ana regrets this").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await row(page, "Ana regrets this").hover();
  await row(page, "Ana regrets this").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await row(page, "Ana regrets this").hover();
  await row(page, "Ana regrets this").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Message removed").waitFor();
  const answer = await raj.ask("redact", { room: "lobby", ref: id, body: {} });
  assert.equal(answer.ok, true, answer.message);
  await page.getByText("Message removed").nth(1).waitFor();
  assert.doesNotMatch(await log(page).innerText(), /regrets/);
  const late = await join(t, node.url, "Late", { language: "zh-CN" });
  await late.getByText("消息已删除").nth(1).waitFor();
  assert.doesNotMatch(await late.content(), /regrets/);
});

test("a type that the page does not know is shown by the line that stands for it", async t => {
  const poll = defineServer(
    defineMessage<{ question: string }>({
      type: "poll",
      version: 1,
      kind: "log",
      role: "row",
      parse: input => input as { question: string },
      summary: ({ question }) => `Poll: ${question}`,
    }),
    { receive: body => body },
  ) as AnyServerPlugin;
  const node = await newNode(t, {}, [...plugins, poll]);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.ask("poll", { room: "lobby", body: { question: "<b>tea</b> or coffee?" } });
  const page = await join(t, node.url, "Ana");
  await row(page, "Poll: <b>tea</b> or coffee?").waitFor();
  await raj.ask("poll", { room: "lobby", body: { question: "live?" } });
  await row(page, "Poll: live?").waitFor();
});

test("a row that cannot be drawn costs that row alone", async t => {
  // Its text is no text, which the page's own half of the type never expects.
  const careless = plugins.map(plugin =>
    plugin.message.type === "text"
      ? { ...plugin, message: { ...plugin.message, parse: (input: unknown) => input, summary: () => "a line" } }
      : plugin,
  );
  const node = await newNode(t, {}, careless);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.say("before");
  await raj.ask("text", { room: "lobby", body: 7 });
  await raj.say("after");
  const page = await join(t, node.url, "Ana", { ignore: [/WeakMap/] });
  await row(page, "before").waitFor();
  await row(page, "after").waitFor();
  await page.getByText("This message cannot be shown.").waitFor();
  await say(page, "and it goes on");
  await row(page, "and it goes on").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
});

test("with thousands of messages few rows are drawn, typing touches none of them, and each is there when it is wanted", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await fill(raj, 2_400);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 2399;").waitFor();
  await readAll(page);
  const all = await read(page, "down");
  assert.deepEqual(
    all.texts,
    Array.from({ length: 2_400 }, (_, n) => `message ${n};`),
  );
  assert.ok(all.drawn <= MOST_DRAWN, `${all.drawn} rows were drawn at once`);
  await log(page).evaluate(box => {
    const seen = { touched: 0, chunks: new Set<Element | null>() };
    new MutationObserver(records => {
      seen.touched += records.length;
      for (const { target } of records)
        seen.chunks.add((target instanceof Element ? target : (target.parentElement as Element)).closest(".chunk"));
    }).observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(window, { seen });
  });
  const seen = () =>
    page.evaluate(() => {
      const { seen } = window as unknown as { seen: { touched: number; chunks: Set<Element | null> } };
      return { touched: seen.touched, chunks: seen.chunks.size };
    });
  await composer(page).pressSequentially("the quick brown fox jumps over the lazy dog");
  assert.equal(await composer(page).inputValue(), "the quick brown fox jumps over the lazy dog");
  assert.equal((await seen()).touched, 0);
  await raj.say("one more");
  await row(page, "one more").waitFor();
  const { touched, chunks } = await seen();
  assert.ok(touched > 0 && chunks <= 2, `one message touched ${chunks} chunks`);

  const turnTo = async (room: string) => {
    await page.getByRole("link", { name: room }).click();
    await page.getByRole("log", { name: `#${room}` }).waitFor();
  };
  await turnTo("ops");
  await turnTo("lobby");
  await row(page, "one more").waitFor();
  await turnTo("ops");
  for (let n = 0; n < 400; n += 100)
    await Promise.all(Array.from({ length: 100 }, (_, at) => raj.say(`unread ${n + at};`)));
  await turnTo("lobby");
  await row(page, "unread 0;").waitFor();
  const first = await page.locator(".unread-line + article", { hasText: "unread 0;" }).boundingBox();
  assert.ok(first && first.y > 52 && first.y < 400, "however much is unread");
  assert.ok((await log(page).locator("article").count()) <= MOST_DRAWN, "the rest is drawn when it is wanted");
  const { texts } = await read(page, "down");
  assert.deepEqual(
    texts.filter(text => text.startsWith("unread")),
    Array.from({ length: 400 }, (_, n) => `unread ${n};`),
  );
});

test("whoever reads far above a flood finds all of it below, and gets to its end at once", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await fill(raj, 200);
  const page = await join(t, node.url, "Ana");
  await row(page, "message 199;").waitFor();
  await readAll(page);
  await row(page, "message 0;").waitFor();
  const before = await topOf(page, "message 5;");
  const flood = async (from: number, count: number) => {
    for (let n = from; n < from + count; n += 100)
      await Promise.all(Array.from({ length: 100 }, (_, at) => raj.say(`flood ${n + at};`)));
    await page.getByRole("button", { name: `${count} new` }).waitFor();
  };
  // More than a page holds.
  await flood(0, 2_500);
  assert.ok(Math.abs((await topOf(page, "message 5;")) - before) < 1.5, "what she reads has not moved");
  const { texts, drawn } = await read(page, "down");
  assert.deepEqual(texts, [
    ...Array.from({ length: 200 }, (_, n) => `message ${n};`),
    ...Array.from({ length: 2_500 }, (_, n) => `flood ${n};`),
  ]);
  assert.ok(drawn <= MOST_DRAWN, `${drawn} rows were drawn at once`);
  await raj.say("seen at once");
  await row(page, "seen at once").waitFor();

  await readAll(page);
  await raj.say("not seen at once");
  await page.getByRole("button", { name: "1 new" }).click();
  await row(page, "not seen at once").waitFor();
  assert.equal(await atEnd(page), true);
  await readAll(page);
  await say(page, "my answer");
  await row(page, "my answer").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.deepEqual((await rows(page)).slice(-3), ["seen at once", "not seen at once", "my answer"]);
});

/** Goes back to the very first message. */
async function readAll(page: Page): Promise<void> {
  await log(page).evaluate(async box => {
    while (!box.textContent?.includes("This is where #lobby begins.")) {
      box.scrollTop = -box.scrollHeight;
      await new Promise(requestAnimationFrame);
    }
  });
}
