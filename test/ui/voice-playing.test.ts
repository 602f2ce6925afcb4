/** Listening to voice messages: with nodes that die, in several tabs, by keyboard, and while something is recorded. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Page, Route } from "playwright-core";
import type { Message } from "../../core/plugin.ts";
import { inspect } from "../helpers/axe.ts";
import { composer, join, row } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode } from "../helpers/node.ts";
import {
  AWAY,
  type Body,
  joinWithMicrophone,
  type Node,
  panel,
  record,
  sounding,
  speak,
  timer,
  tool,
  voices,
} from "../helpers/voice.ts";

/** Of a recording: browsers take what comes in blocks of 32 KB. */
const SOME_BYTES = 98_304;

const player = (page: Page) => page.getByRole("region", { name: "Voice message of Raj" });
const play = (page: Page, nth = 0) => voices(page).nth(nth).getByRole("button", { name: "Play" });
const slider = (page: Page, nth = 0) => voices(page).nth(nth).getByRole("slider");
const at = async (page: Page, nth = 0) => Number(await slider(page, nth).getAttribute("aria-valuenow"));
const blobOf = (message: Message | undefined) => ((message as Message).body as Body).blob;
const unheard = (page: Page) => page.getByRole("img", { name: "Not heard yet" });

/** What Raj says, so many seconds each, and the page of Ana, who can hear it. */
async function said(node: Node, raj: Client, page: Page, ...lengths: number[]) {
  for (const seconds of lengths) await speak(node, raj, seconds);
  await voices(page)
    .nth(lengths.length - 1)
    .waitFor();
  return (await raj.join("lobby")).messages.filter(({ type }) => type === "voice");
}

test("a message that was removed is not played on, nor any longer", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await join(t, node.url, "Ana");
  const [, removed, last] = await said(node, raj, page, 1, 3, 300);
  const asked: string[] = [];
  page.on("request", request => asked.push(request.url()));
  await raj.ask("redact", { room: "lobby", ref: removed?.id, body: {} });
  await page.getByText("Message removed").waitFor();
  await play(page).click();
  await sounding(voices(page).nth(1)).waitFor();
  assert.equal(await unheard(page).count(), 0);
  assert.ok(!asked.some(url => url.includes(blobOf(removed))), "it was never asked for");

  await raj.ask("redact", { room: "lobby", ref: last?.id, body: {} });
  await page.waitForFunction(() => navigator.mediaSession.playbackState === "none");
  assert.equal(await page.evaluate(() => navigator.mediaSession.metadata), null);
  assert.equal(await player(page).count(), 0);
});

test("what is played goes on where it was when its node dies in the middle of it", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready();
  const raj = await connect(t, b, { name: "Raj" });
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  await said(b, raj, page, 600);
  // Of what the first node has, only the beginning comes.
  let asked = 0;
  const some = async (route: Route) => {
    if (asked++ > 0) return;
    const whole = await (await route.fetch()).body();
    await route.fulfill({
      status: 206,
      headers: {
        "Content-Type": "audio/webm",
        "Accept-Ranges": "bytes",
        "Content-Range": `bytes 0-${SOME_BYTES - 1}/${whole.length}`,
      },
      body: whole.subarray(0, SOME_BYTES),
    });
  };
  await page.route(`${a.url}/blobs/*`, some);
  await play(page).click();
  await sounding(voices(page)).waitFor();
  await slider(page).press("End");
  await slider(page).press("PageDown");
  await voices(page).locator('.voice-play[aria-label="Pause"][aria-busy="true"]').waitFor();
  assert.equal(await at(page), 540);
  await a.kill("SIGKILL");
  await page.getByText("Connected to kitchen").waitFor();
  await sounding(voices(page)).waitFor();
  assert.ok((await at(page)) >= 540, `${await at(page)}`);
});

test("sound that is long in coming shows so, can be paused, and is asked for again", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await join(t, node.url, "Ana");
  await said(node, raj, page, 20);
  let asked = 0;
  await page.route("**/blobs/*", route => {
    if (asked++ > 0) return route.continue();
  });
  await play(page).click();
  const loading = voices(page).locator('[aria-busy="true"]');
  await loading.waitFor();
  assert.equal(await unheard(page).count(), 1);
  await voices(page).getByRole("button", { name: "Pause" }).click();
  await loading.waitFor({ state: "detached" });
  await play(page).click();
  await sounding(voices(page)).waitFor();
  assert.equal(asked, 2);
});

test("one voice at a time: what is played, reviewed or recorded pauses what was before", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await joinWithMicrophone(t, node.url);
  await said(node, raj, page, 60);
  const playing = voices(page).getByRole("button", { name: "Pause" });

  await record(page).click();
  await timer(page, "0:01").waitFor();
  await play(page).click();
  await tool(page, "Resume").waitFor();
  await sounding(voices(page)).waitFor();
  await tool(page, "Resume").click();
  await play(page).waitFor();
  await timer(page, "0:02").waitFor();
  await tool(page, "Stop").click();

  await panel(page).getByRole("button", { name: "Play" }).click();
  await sounding(panel(page)).waitFor();
  await play(page).click();
  await panel(page).getByRole("button", { name: "Play" }).waitFor();
  await sounding(voices(page)).waitFor();
  await panel(page).getByRole("button", { name: "Play" }).click();
  await play(page).waitFor();
  await tool(page, "Discard").click();
  await play(page).click();
  await playing.waitFor();
  await record(page).click();
  await timer(page, "0:01").waitFor();
  await play(page).waitFor();
});

test("what one tab has heard is heard in all, and only one of them plays", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await join(t, node.url, "Ana");
  await said(node, raj, page, 20, 30);
  const tab = await page.context().newPage();
  await tab.goto(node.url);
  await unheard(tab).nth(1).waitFor();
  await slider(tab, 1).press("ArrowRight");
  await play(page).click();
  await sounding(voices(page)).waitFor();
  await play(tab, 1).click();
  await sounding(voices(tab)).waitFor();
  await play(page).waitFor();
  await unheard(page).first().waitFor({ state: "detached" });
  await unheard(tab).first().waitFor({ state: "detached" });
  const third = await page.context().newPage();
  await third.goto(node.url);
  await voices(third).nth(1).waitFor();
  assert.equal(await unheard(third).count(), 0);
  assert.equal(await at(third, 1), 5);
});

test("hundreds of messages are one stop of Tab, and arrow keys lead to what each can do", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const page = await join(t, node.url, "Ana");
  await said(node, raj, page, 20, 30, 300);
  const asked: string[] = [];
  page.on("request", request => request.url().includes("/blobs/") && asked.push(request.url()));
  const log = page.getByRole("log");
  const inLog = () => page.evaluate(() => !!document.activeElement?.closest("[role=log] article"));
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  await log.focus();
  await page.keyboard.press("Tab");
  assert.equal(await inLog(), false);

  await log.focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Play");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Position");
  for (const [key, seconds] of [
    ["ArrowRight", 5],
    ["ArrowUp", 10],
    ["ArrowDown", 5],
    ["End", 29],
    ["PageDown", 24],
    ["Home", 0],
    ["PageUp", 5],
  ] as const) {
    await page.keyboard.press(key);
    await page.waitForFunction(
      seconds => document.activeElement?.getAttribute("aria-valuenow") === String(seconds),
      seconds,
    );
  }
  assert.deepEqual(asked, [], "only its position was set");
  assert.equal(await unheard(page).count(), 3);
  await page.keyboard.press(" ");
  await sounding(voices(page).nth(1)).waitFor();
  assert.ok((await at(page, 1)) >= 5);
  await page.keyboard.press(" ");
  await play(page, 1).waitFor();
  assert.equal(await voices(page).nth(1).getByRole("group").getAttribute("aria-label"), "Voice message, 30 seconds");

  await composer(page).focus();
  await log.focus();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Play", "what is played stays in reach");

  const box = await slider(page, 2).boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await voices(page).nth(2).getByText("2:30").waitFor();
  await page.mouse.up();
  await voices(page).nth(2).getByText("5:00").waitFor();
  assert.equal(await at(page, 2), 150);
});

test("the player stands above the room while its message is out of sight, and leads back to it", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "Ops" });
  const page = await join(t, node.url, "Ana");
  const [message] = await said(node, raj, page, 60);
  for (let n = 0; n < 40; n++) await raj.say(`line ${n}`);
  await row(page, "line 39").waitFor();
  const sidebar = await page.getByRole("link", { name: "Ops" }).boundingBox();
  const log = page.getByRole("log");
  await log.evaluate(box => box.scrollBy(0, -4_000));
  const before = await slider(page).boundingBox();
  await play(page).click();
  await sounding(voices(page)).waitFor();
  await unheard(page).waitFor({ state: "detached" });
  assert.deepEqual(await slider(page).boundingBox(), before, "nothing moves");
  assert.equal(await player(page).count(), 0);

  await log.evaluate(box => box.scrollTo(0, 0));
  await player(page).getByText("#lobby").waitFor();
  assert.deepEqual(await page.getByRole("link", { name: "Ops" }).boundingBox(), sidebar);
  await player(page).getByRole("link").click();
  await player(page).waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.querySelector("[data-voice]") !== null), true);

  await page.getByRole("link", { name: "Ops" }).click();
  await page.getByRole("textbox", { name: "Message #Ops" }).waitFor();
  await inspect(page, "the player above another room");
  await player(page).getByRole("link").press("Enter");
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await player(page).waitFor({ state: "detached" });
  await voices(page).getByRole("button", { name: "Pause" }).waitFor();

  const saved = page.waitForEvent("download");
  await voices(page).hover();
  await voices(page).getByRole("button", { name: "Save" }).click();
  const file = await saved;
  assert.match(file.suggestedFilename(), /^Raj \d{4}-\d\d-\d\d \d\d\.\d\d\.webm$/);
  const bytes = readFileSync(await file.path());
  assert.equal(createHash("sha256").update(bytes).digest("hex"), blobOf(message));

  await page.getByRole("link", { name: "Ops" }).click();
  await player(page).getByRole("button", { name: "Close" }).press("Enter");
  await player(page).waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.matches("textarea"));
});
