/** Who is here, who types, and how the nodes are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { type AnyServerPlugin, defineMessage, defineServer } from "../../core/plugin.ts";
import { realTime } from "../../core/time.ts";
import builtIn from "../../plugins/server.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer } from "../helpers/node.ts";
import { joinWithMicrophone, record } from "../helpers/voice.ts";

/** Says who has come. */
const diary = defineServer(
  defineMessage<string>({ type: "diary", version: 1, kind: "log", parse: String, summary: text => text }),
  { joined: ({ person }) => [{ to: { room: "lobby" }, body: `day 1: ${person.name}` }] },
) as AnyServerPlugin;

const person = (page: Page, name: string) =>
  page.getByRole("region", { name: "People" }).getByRole("listitem").filter({ hasText: name });
const has = (page: Page, name: string, status: string) =>
  person(page, name).getByRole("img", { name: status, exact: true });

test("people stand there with the nodes they are on, and as offline when they have left", async t => {
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const b = await newNode(t, { NODE_NAME: "node-b", ...peer(a) });
  await b.ready;
  const page = await join(t, a.url, "Ana");
  await person(page, "Ana").filter({ hasText: "(you)" }).filter({ hasText: "node-a" }).waitFor();
  const raj = await connect(t, b, { name: "Raj" });
  await raj.join("lobby");
  await person(page, "Raj").filter({ hasText: "node-b" }).waitFor();
  await page.getByText("2 here").waitFor();
  const phone = await connect(t, a, { token: raj.welcome.token });
  await person(page, "Raj").filter({ hasText: "node-a" }).filter({ hasText: "node-b" }).waitFor();
  await raj.say("hello");
  raj.socket.disconnect();
  await person(page, "Raj").filter({ hasText: "node-b" }).waitFor({ state: "detached" });
  await has(page, "Raj", "online").waitFor();
  phone.socket.disconnect();
  await has(page, "Raj", "offline").waitFor();
  await page.getByText("1 here").waitFor();
  const order = await page.getByRole("region", { name: "People" }).getByRole("listitem").allInnerTexts();
  assert.match(order.at(-1) ?? "", /Raj/, "who is gone stands last");
});

test("who turns to another tab is away, and back on returning", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await join(t, node.url, "Ana"), await join(t, node.url, "Raj")];
  await has(ana, "Raj", "online").waitFor();
  await raj.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await has(ana, "Raj", "away").waitFor();
  await has(ana, "Ana", "online").waitFor();
  await raj.evaluate(() => {
    Reflect.deleteProperty(document, "hidden");
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await has(ana, "Raj", "online").waitFor();
});

test("who leaves the page alone for five minutes is away until the next key", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await join(t, node.url, "Ana"), await join(t, node.url, "Raj")];
  // The clocks that idleness is measured with run a thousand times as fast; those of the connection do not.
  await raj.addInitScript(() => {
    const now = performance.now.bind(performance);
    performance.now = () => now() * 1_000;
    const every = window.setInterval.bind(window);
    window.setInterval = ((act: () => void, ms: number) => every(act, ms === 10_000 ? 10 : ms)) as typeof setInterval;
  });
  await raj.reload();
  await has(ana, "Raj", "away").waitFor();
  await raj.keyboard.press("Shift");
  await has(ana, "Raj", "online").waitFor();
});

test("who speaks into the page for longer than that, or listens, is there", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  const raj = await join(t, node.url, "Raj");
  // Fast enough for five minutes to be over long before the longest recording is.
  await page.addInitScript(() => {
    const now = performance.now.bind(performance);
    performance.now = () => now() * 100;
    const every = window.setInterval.bind(window);
    window.setInterval = ((act: () => void, ms: number) => every(act, ms === 10_000 ? 10 : ms)) as typeof setInterval;
  });
  await page.reload();
  await record(page).click();
  await page
    .getByRole("timer")
    .filter({ hasText: /^[678]:/ })
    .waitFor();
  assert.equal(await has(raj, "Ana", "online").count(), 1);
  await page.getByRole("button", { name: "Pause" }).click();
  await has(raj, "Ana", "away").waitFor();
  await page.evaluate(() => {
    navigator.mediaSession.playbackState = "playing";
  });
  await has(raj, "Ana", "online").waitFor();
});

test("typing is told while it lasts, in that room alone, and not to oneself", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await join(t, node.url, "Ana"), await join(t, node.url, "Raj")];
  const hint = ana.getByText("Raj is typing…");
  await composer(raj).pressSequentially("hel");
  await hint.waitFor();
  assert.equal(await raj.getByText("is typing…").count(), 0);
  await composer(raj).fill("");
  await hint.waitFor({ state: "detached" });
  await composer(raj).pressSequentially("hello");
  await hint.waitFor();
  await raj.keyboard.press("Enter");
  await hint.waitFor({ state: "detached" });
  await row(ana, "hello").waitFor();
  await composer(raj).pressSequentially("and then nothing");
  await hint.waitFor();
  // Who touches no key has stopped.
  await hint.waitFor({ state: "detached", timeout: 8_000 });
});

test("two who type are both named, more are counted", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const others = await Promise.all(["Bea", "Cem", "Dov"].map(name => connect(t, node, { name })));
  for (const other of others) await other.join("lobby");
  const [bea, cem, dov] = others;
  const type = (who: typeof bea, typing: boolean) => who?.ask("typing", { room: "lobby", body: { typing } });
  await type(bea, true);
  await type(cem, true);
  await page.getByText("Bea and Cem are typing…").waitFor();
  await type(dov, true);
  await page.getByText("3 people are typing…").waitFor();
  for (const other of others) await type(other, false);
  await page.getByText(/typing…/).waitFor({ state: "detached" });
});

test("a node that is down is red, and the panel says so in words", async t => {
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const b = await newNode(t, { NODE_NAME: "node-b", ...peer(a) });
  await b.ready;
  const page = await join(t, a.url, "Ana");
  const system = page.getByRole("region", { name: "System" });
  await system.getByRole("img", { name: "2 of 2 nodes are up" }).waitFor();
  await system.getByText("2/2").waitFor();
  await system.getByText("The bus admits every host with a private address.").waitFor();
  await say(page, "to be counted");
  await system.getByRole("heading", { name: /^node-a.*this node/ }).waitFor();
  await b.stop();
  await system.getByRole("img", { name: "1 of 2 nodes are up" }).waitFor();
  await system.getByText("1/2").waitFor();
  await system.getByText("node-b · down").waitFor();
  await system.getByRole("heading", { name: "node-b down" }).waitFor();
  const danger = await page.evaluate(() => {
    const probe = document.createElement("i");
    probe.className = "fault";
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  });
  assert.equal(await system.locator(".status-link line").evaluate(line => getComputedStyle(line).stroke), danger);
  assert.equal(await system.locator(".status-node.down circle").evaluate(dot => getComputedStyle(dot).fill), danger);
});

test("without panels the room has their place", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana", { viewport: { width: 1000, height: 700 } });
  const room = await page.getByRole("main").boundingBox();
  const sidebar = await page.locator(".sidebar").boundingBox();
  assert.deepEqual(room, { x: sidebar?.width, y: 0, width: 1000 - (sidebar?.width ?? 0), height: 700 });
});

test("what a plugin writes of its own accord makes nobody of it", async t => {
  const node = await newNode(t, {}, [...builtIn, diary]);
  const page = await join(t, node.url, "Ana");
  await row(page, "day 1: Ana").waitFor();
  const people = page.getByRole("region", { name: "People" }).getByRole("listitem");
  assert.deepEqual(await people.locator(".person-name").allTextContents(), ["Ana (you)"]);
});

test("panels can be put away, and stay so", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  const toggle = page.getByRole("button", { name: "System", exact: true });
  assert.equal(await toggle.getAttribute("aria-pressed"), "true");
  await toggle.click();
  await page.getByRole("region", { name: "System" }).waitFor({ state: "detached" });
  await page.reload();
  await page.getByRole("region", { name: "People" }).waitFor();
  assert.equal(await page.getByRole("region", { name: "System" }).count(), 0);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("region", { name: "People" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "People", exact: true }).click();
  await page.getByRole("dialog", { name: "People" }).getByText("Ana").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

for (const [language, name, ahead, behind] of [
  [
    "en",
    "System",
    /^The clock of node-b is 59 min \d+ s ahead of this node's\.$/,
    /node-c is 1 h 3\d min behind this node's/,
  ],
  ["zh-CN", "系统", /^node-b 的时钟比当前节点快 59 分 \d+ 秒。$/, /node-c 的时钟比当前节点慢 1 小时 3\d 分/],
] as const)
  test(`nodes whose clocks are far apart are named in the panel, in ${language}`, async t => {
    const shifted = (ms: number) => ({ ...realTime, wall: () => Date.now() + ms });
    const a = await newNode(t, { NODE_NAME: "node-a" });
    const b = await newNode(t, { NODE_NAME: "node-b", ...peer(a) }, undefined, undefined, shifted(3_590_000));
    const c = await newNode(t, { NODE_NAME: "node-c", ...peer(a) }, undefined, undefined, shifted(-5_700_000));
    await Promise.all([b.ready, c.ready]);
    const page = await join(t, a.url, "Ana", { language });
    const system = page.getByRole("region", { name });
    await system.getByText(ahead).waitFor();
    await system.getByText(behind).waitFor();
    assert.equal(await system.getByText(/clock|时钟/).count(), 2);
  });
