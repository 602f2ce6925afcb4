/** Recording as a person meets it: with a mouse, keys and thumbs, with microphones that come and go, and nodes that do. */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import type { CDPSession, Locator, Page } from "playwright-core";
import { composer, join } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode } from "../helpers/node.ts";
import {
  AWAY,
  equipped,
  FAKE_DEVICE,
  falseMicrophone,
  joinWithMicrophone,
  kept,
  openNow,
  PHONE,
  panel,
  record,
  recordUntil,
  reviewed,
  sent,
  timer,
  tool,
  voices,
} from "../helpers/voice.ts";

/** What a screen reader is told. */
const told = (page: Page, words: string | RegExp) =>
  page.locator(".voice-composer > [role=status]").filter({ hasText: words }).waitFor({ state: "attached" });
const writing = (page: Page) => page.waitForFunction(() => document.activeElement?.matches("textarea"));

type Point = { x: number; y: number };

/** Fingers on the page; the first one is that which holds. */
async function hand(page: Page) {
  const session: CDPSession = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...fingers: Point[]) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: fingers.map((at, id) => ({ ...at, id })) });
  return {
    async hold(of: Locator) {
      const { x, y, width, height } = (await of.boundingBox()) as { x: number; y: number } & Record<string, number>;
      const at = { x: x + (width as number) / 2, y: y + (height as number) / 2 };
      await touch("touchStart", at);
      return at;
    },
    add: (...fingers: Point[]) => touch("touchStart", ...fingers),
    move: (...fingers: Point[]) => touch("touchMove", ...fingers),
    release: () => touch("touchEnd"),
  };
}

test("a thumb that holds the button records, and sends when it lets go; to the left it discards, and up it goes on", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url, PHONE);
  const { hold, add, move, release } = await hand(page);
  const cancelled = await hold(record(page));
  await timer(page, "0:01").waitFor();
  await page.getByText("Slide to cancel").waitFor();
  await move({ x: cancelled.x - 60, y: cancelled.y });
  await panel(page).waitFor();
  await move({ x: cancelled.x - 140, y: cancelled.y });
  await panel(page).waitFor({ state: "detached" });
  await release();

  const locked = await hold(record(page));
  await timer(page, "0:01").waitFor();
  await add(locked, { x: locked.x + 5, y: locked.y + 5 });
  await move(locked, { x: locked.x - 140, y: locked.y });
  await timer(page, "0:02").waitFor();
  await move({ x: locked.x, y: locked.y - 100 });
  await tool(page, "Pause").waitFor();
  await release();
  await timer(page, "0:03").waitFor();
  await tool(page, "Discard").tap();
  await panel(page).waitFor({ state: "detached" });

  await hold(record(page));
  await timer(page, "0:02").waitFor();
  await release();
  await sent(page);
  const [body, ...more] = await kept(t, node);
  assert.deepEqual(more, [], "what was discarded was not sent");
  assert.ok(body && body.durationMs > 1_500 && body.durationMs < 4_000, `${body?.durationMs} ms`);

  // The same button, with keys.
  await record(page).press("Enter");
  await timer(page, "0:01").waitFor();
  await tool(page, "Discard").tap();
  await record(page).tap();
  await timer(page, "0:01").waitFor();
  await tool(page, "Stop").tap();
  await reviewed(page);
});

test("a thumb that lets go before the microphone is open says nothing, unless it had to answer a question", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url, PHONE, FAKE_DEVICE);
  const { hold, release } = await hand(page);
  await record(page).waitFor();
  await falseMicrophone(page, { slow: true });
  const letGo = async () => {
    await hold(record(page));
    await page.locator(".voice-composer.asking").waitFor();
    // Longer than a tap.
    await page.waitForTimeout(500);
    await release();
  };
  // The browser's fake microphone is allowed without a question: this is what a browser says while it asks one.
  await page.evaluate(() => {
    const { permissions } = navigator;
    Object.defineProperty(permissions, "query", { value: async () => ({ state: "prompt" }), configurable: true });
  });
  await letGo();
  await openNow(page);
  await timer(page, "0:01").waitFor();
  await tool(page, "Discard").tap();

  await page.evaluate(() => Reflect.deleteProperty(navigator.permissions, "query"));
  await letGo();
  await told(page, "Too short");
  await openNow(page);
  await page.waitForFunction(() =>
    (window as unknown as { stream: MediaStream }).stream.getTracks().every(({ readyState }) => readyState === "ended"),
  );
  assert.equal(await panel(page).count(), 0);
  assert.equal((await kept(t, node)).length, 0);
});

test("with keys alone: what is too short takes nothing from the writer, and the focus comes back from all that ends", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await record(page).press("Enter");
  await page.locator(".voice-composer.recording").waitFor();
  await page.keyboard.press("Enter");
  await told(page, "Too short");
  await writing(page);
  await page.locator(".voice-hint").waitFor();
  await page.keyboard.type("a");
  await page.locator(".voice-hint").waitFor({ state: "detached" });
  assert.equal(await composer(page).inputValue(), "a");
  await page.keyboard.press("Backspace");

  await record(page).press("Enter");
  await timer(page, "0:01").waitFor();
  await told(page, "Recording");
  await tool(page, "Pause").press("Enter");
  await told(page, "Paused");
  await tool(page, "Discard").press("Enter");
  await writing(page);

  await record(page).press("Enter");
  await timer(page, "0:01").waitFor();
  await page.keyboard.press("Enter");
  await reviewed(page);
  await page.keyboard.press("Enter");
  await sent(page);
  await writing(page);

  await record(page).press("Enter");
  await timer(page, "0:01").waitFor();
  await tool(page, "Send").first().press("Enter");
  await voices(page).nth(1).waitFor();
  await writing(page);

  await falseMicrophone(page, { name: "NotAllowedError" });
  await record(page).press("Enter");
  await told(page, "The browser does not let this page use the microphone");
  await tool(page, "Close").press("Enter");
  await writing(page);
});

test("another microphone takes over while it is recorded, and is remembered; one that is in use stops nobody", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url, {}, FAKE_DEVICE);
  const choice = page.getByRole("combobox", { name: "Microphone" });
  const chosen = () => choice.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.textContent);
  await record(page).click();
  await timer(page, "0:01").waitFor();
  const [first, ...others] = await choice.locator("option").allInnerTexts();
  const [other, another] = [others.at(-1), others.at(-2)] as [string, string];
  assert.equal(await chosen(), first);
  await choice.selectOption(other);
  // The file is heard anew: two of these seconds are a tone.
  await timer(page, "0:05").waitFor();
  assert.equal(await chosen(), other);

  await falseMicrophone(page, { name: "NotReadableError", named: true });
  await choice.selectOption(another);
  await panel(page).getByText("That microphone cannot be used.").waitFor();
  assert.equal(await chosen(), other);
  await tool(page, "Send").click();
  await sent(page);
  const [body] = await kept(t, node);
  assert.ok(body && body.durationMs > 4_500, `${body?.durationMs} ms`);
  const after = body.peaks.slice(Math.ceil(body.peaks.length * 0.4));
  assert.ok(Math.max(...after) > 128, body.peaks.join(" "));

  await page.reload();
  await record(page).waitFor();
  await falseMicrophone(page, { name: "NotReadableError", named: true });
  await record(page).click();
  await timer(page, "0:01").waitFor();
  assert.equal(await chosen(), first, "the one that is remembered is in use");
  await tool(page, "Discard").click();

  await falseMicrophone(page, { name: "NotReadableError" });
  await record(page).click();
  await panel(page).getByText("Another program uses the microphone").waitFor();
  assert.equal(await chosen(), other);
  await choice.selectOption(another);
  await page.reload();
  await record(page).click();
  await timer(page, "0:01").waitFor();
  assert.equal(await chosen(), another);
});

test("a page whose node died records, hears and sends at another one", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready();
  const page = await joinWithMicrophone(t, a.url, { ignore: AWAY });
  await equipped(page);
  await a.kill("SIGKILL");
  await page.getByText("Connected to kitchen").waitFor();
  await recordUntil(page, "0:02");
  await panel(page).getByRole("button", { name: "Play" }).click();
  await panel(page).getByRole("button", { name: "Pause" }).waitFor();
  await tool(page, "Send").click();
  await sent(page);
  assert.equal((await kept(t, b)).length, 1);
});

test("what is recorded while the node is away is sent when it is back, also by a page that lacked a part of itself", async t => {
  const node = await spawnNode(t);
  const page = await joinWithMicrophone(t, node.url, { ignore: AWAY });
  const missed = page.waitForEvent("requestfailed", request => request.url().includes("/finish-"));
  await page.route(/\/finish-/, route => route.abort());
  await page.reload();
  await missed;
  await record(page).waitFor();
  await node.kill("SIGKILL");
  await record(page).click();
  await timer(page, "0:02").waitFor();
  await tool(page, "Stop").click();
  await panel(page).getByText("One moment…").waitFor();
  // Not sooner: the browser may have it of the first load.
  await page.unroute(/\/finish-/);
  const again = await spawnNode(t, { PORT: String(node.port), DATA_DIR: node.dataDir });
  await reviewed(page);
  await tool(page, "Send").click();
  await sent(page);
  assert.equal((await kept(t, again)).length, 1);
});

type Box = { x: number; y: number; width: number; height: number };

/** Where each thing of the panel is; fails where any lies on another, or out of the panel. */
async function places(page: Page): Promise<Map<string, Box>> {
  const places = new Map<string, Box>();
  const things = page.locator(
    ".voice-panel :is(button, .voice-dot, .voice-time, .voice-note, .voice-words), .voice-button",
  );
  for (const thing of await things.all()) {
    const box = await thing.boundingBox();
    const name = (await thing.getAttribute("aria-label")) ?? (await thing.getAttribute("class")) ?? "";
    if (box && box.width > 0) places.set(places.has(name) ? `${name} button` : name, box);
  }
  const all = [...places];
  for (const [at, [name, one]] of all.entries())
    for (const [other, two] of all.slice(at + 1)) {
      const isApart =
        one.x + one.width <= two.x + 0.5 ||
        two.x + two.width <= one.x + 0.5 ||
        one.y + one.height <= two.y + 0.5 ||
        two.y + two.height <= one.y + 0.5;
      assert.ok(isApart, `${name} ${JSON.stringify(one)} and ${other} ${JSON.stringify(two)}`);
    }
  const outer = (await page.locator(".voice-panel").boundingBox()) as Box;
  for (const [name, { x, y, width, height }] of all) {
    const isWithin =
      x >= outer.x && y >= outer.y && x + width <= outer.x + outer.width && y + height <= outer.y + outer.height;
    assert.ok(isWithin, `${name} is not in the panel`);
  }
  return places;
}

test("ten seconds before the longest recording ends it says so, and nothing moves on the narrowest phone", async t => {
  const node = await newNode(t);
  const room = "conference-of-long-room-names-77";
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: room });
  const narrow = { touch: true, viewport: { width: 320, height: 568 }, ignore: AWAY };
  const page = await joinWithMicrophone(t, node.url, narrow);
  const go = async (to: string) => {
    await page.getByRole("button", { name: "Back to the rooms" }).click();
    await page.getByRole("link", { name: to }).click();
    await record(page).or(panel(page)).first().waitFor();
  };
  await go(room);
  await page.clock.install();
  await record(page).click();
  await timer(page, "0:02").waitFor();
  const before = await places(page);
  assert.deepEqual(
    ["Discard", "Pause", "Send", "Stop"].filter(name => !before.has(name)),
    [],
  );
  await go("lobby");
  await panel(page).getByText(`to #${room}`).waitFor();
  // However long all that took.
  const [, seconds] = /0:(\d\d)/.exec((await timer(page, "0:02").textContent()) ?? "") ?? [];
  await page.clock.fastForward((14 * 60 + 51 - Number(seconds)) * 1_000);
  await panel(page)
    .getByText(/Ends in \d s/)
    .waitFor();
  await told(page, /Ends in (10|5) s/);
  const warned = await places(page);
  for (const name of ["Discard", "Pause", "Send", "Stop"])
    assert.deepEqual(warned.get(name), before.get(name), `${name} stays where it was`);
  await page.clock.fastForward("00:10");
  await panel(page).getByText("The limit of 15 minutes is reached.").waitFor();
  await places(page);
  await tool(page, "Send").click();
  await panel(page).waitFor({ state: "detached" });
  await go(room);
  await sent(page);
});

test("where the origin is not secure it says why there is no microphone, and what leads on from there", async t => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find(found => found?.family === "IPv4" && !found.internal)?.address;
  if (!address) return t.skip("this machine has no address but loopback");
  const node = await newNode(t, { HOST: "0.0.0.0" });
  const url = `http://${address}:${node.port}`;
  const page = await join(t, url, "Ana", { ignore: [`${url}/ca`] });
  await record(page).click();
  await panel(page).getByText("Browsers give the microphone only to pages that came over HTTPS.").waitFor();
  await panel(page).getByText("Ask whoever runs this chat").waitFor();
  assert.equal(await panel(page).getByRole("link").count(), 0, "this node has no certificate");
  await tool(page, "Close").click();
  // A node that has one, seen through a proxy that speaks HTTP.
  await page.route(`${url}/ca`, route => route.fulfill({ status: 200 }));
  await record(page).click();
  await panel(page)
    .getByRole("link", { name: `${url}/ca` })
    .waitFor();
});

test("who has sent as much as the node takes in an hour is told when the rest goes, and may discard it", async t => {
  const node = await newNode(t, { BLOB_LIMIT: "20KB", BLOB_QUOTA: "20KB" });
  const page = await joinWithMicrophone(t, node.url, { ignore: [/429/] });
  await recordUntil(page, "0:01");
  await tool(page, "Send").click();
  await sent(page);
  await recordUntil(page, "0:01");
  await tool(page, "Send").click();
  await voices(page)
    .nth(1)
    .getByText(/To be sent at \d\d:\d\d/)
    .waitFor();
  await voices(page).nth(1).getByRole("button", { name: "Discard" }).click();
  await voices(page).nth(1).waitFor({ state: "detached" });
  assert.equal((await kept(t, node)).length, 1);
});
