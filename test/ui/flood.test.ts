/** What a page does when more comes than anybody can read, or when its node has too much to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AnyServerPlugin, Reject } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { join, row, rows, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";
import { MOST_DRAWN, read } from "../helpers/reading.ts";

async function flood(client: Client, count: number): Promise<void> {
  for (let n = 0; n < count; n += 100)
    await Promise.all(Array.from({ length: 100 }, (_, at) => client.say(`flood ${n + at};`)));
}

test("of 3,000 messages that come at once each is there once, and few rows are drawn", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const page = await join(t, node.url, "Ana");
  await page.getByText("Nothing here yet").waitFor();
  await page.evaluate(() => {
    const seen = { drawn: 0 };
    new MutationObserver(() => {
      seen.drawn = Math.max(seen.drawn, document.querySelectorAll("article").length);
    }).observe(document.body, { subtree: true, childList: true });
    Object.assign(window, { seen });
  });
  await flood(raj, 3_000);
  await row(page, "flood 2999;").waitFor();
  const drawn = await page.evaluate(() => (window as unknown as { seen: { drawn: number } }).seen.drawn);
  assert.ok(drawn <= MOST_DRAWN, `${drawn} rows were drawn at once`);
  const { texts } = await read(page, "up");
  assert.deepEqual(
    texts,
    Array.from({ length: 3_000 }, (_, n) => `flood ${n};`),
  );
});

for (const ACK of ["local", "peer"])
  test(`what one writes into a flood is there once in every frame from its sending on, with ACK=${ACK}`, async t => {
    const node = await newNode(t, { ACK });
    const raj = await connect(t, node, { name: "Raj" });
    await raj.join("lobby");
    const page = await join(t, node.url, "Ana");
    await page.evaluate(watchOwn);
    const mine = Array.from({ length: 8 }, (_, n) => `mine ${n};`);
    // With ACK=peer nothing is confirmed here, and the answers come late.
    const others = ACK === "peer" ? [] : [flood(raj, 1_000)];
    for (const text of mine) await say(page, text);
    await page.waitForFunction(count => (window as unknown as Watched).watched.done.size === count, mine.length);
    await Promise.all(others);
    const { counts } = await page.evaluate(() => (window as unknown as Watched).watched);
    assert.deepEqual(counts, Object.fromEntries(mine.map(text => [text, [1]])));
  });

type Watched = { watched: { counts: Record<string, number[]>; done: Set<string> } };

/** In the page: how often each own row is there, at each change and in each frame, until its node has it. */
function watchOwn(): void {
  const counts: Record<string, number[]> = {};
  const done = new Set<string>();
  const look = () => {
    const rows = [...document.querySelectorAll("article")].map(row => ({
      text: row.querySelector("p")?.textContent ?? "",
      isThere: /^(Sent|Kept)/.test(row.querySelector<HTMLElement>(".mark")?.title ?? ""),
    }));
    const own = rows.filter(({ text }) => text.startsWith("mine"));
    for (const text of new Set([...Object.keys(counts), ...own.map(({ text }) => text)])) {
      if (done.has(text)) continue;
      const found = own.filter(row => row.text === text);
      const before = counts[text] ?? [];
      if (before.at(-1) !== found.length) counts[text] = [...before, found.length];
      if (found.some(({ isThere }) => isThere)) done.add(text);
    }
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  const frame = () => {
    look();
    requestAnimationFrame(frame);
  };
  frame();
  Object.assign(window, { watched: { counts, done } });
}

test("what an overloaded node does not take waits, is said to, and is sent in its order", async t => {
  let refusing = true;
  const busy = plugins.map(plugin =>
    plugin.message.type === "text"
      ? {
          ...plugin,
          hooks: () => ({
            receive(body: unknown) {
              if (refusing) throw new Reject("overloaded", undefined, { retryAfterMs: 200 });
              return body;
            },
          }),
        }
      : plugin,
  ) as AnyServerPlugin[];
  const node = await newNode(t, {}, busy);
  const page = await join(t, node.url, "Ana");
  const texts = ["first", "second", "third"];
  for (const text of texts) await say(page, text);
  const bar = page.getByText("Waiting to be sent: this node has too much to do");
  await bar.waitFor();
  assert.equal(await page.getByRole("alert").count(), 0, "it is no failure");
  await row(page, "first").getByText("Waiting to be sent").waitFor({ state: "attached" });
  const ming = await join(t, node.url, "大明", { language: "zh-CN" });
  await say(ming, "四");
  await ming.getByText("等待发送：此节点正忙").waitFor();
  await ming.close();
  refusing = false;
  await row(page, "third").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await bar.waitFor({ state: "detached" });
  assert.deepEqual(
    (await rows(page)).filter(text => texts.includes(text)),
    texts,
  );
});
