/** The example whiteboard: lines that grow on other people's pages, are kept, and can be taken back. */
import assert from "node:assert/strict";
import { join as joinPaths } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import type { Live, Point, Stroke } from "../../plugins/examples/whiteboard/message.ts";
import { inspect } from "../helpers/axe.ts";
import { composer, join, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode, peer } from "../helpers/node.ts";

const PLUGINS = joinPaths(import.meta.dirname, "../../plugins/examples");
const BLUE = "59,130,246";
const RED = "229,72,77";

const board = (page: Page) => page.getByRole("log").locator("canvas");
const told = (page: Page, text: string) =>
  page.getByRole("log").getByRole("img", { name: text, exact: true }).waitFor();

/** Where a place of the board is in the page; 0 is left or top, and 1 right or bottom. */
async function placeOn(page: Page, x: number, y: number): Promise<Point> {
  await board(page).waitFor();
  const box = await board(page).boundingBox();
  assert.ok(box);
  return [box.x + x * box.width, box.y + y * box.height];
}

/** Draws a straight line, and leaves the button down. */
async function draw(page: Page, from: Point, to: Point): Promise<void> {
  await page.mouse.move(...(await placeOn(page, ...from)));
  await page.mouse.down();
  await page.mouse.move(...(await placeOn(page, ...to)), { steps: 20 });
}

async function drawn(page: Page, from: Point, to: Point): Promise<void> {
  await draw(page, from, to);
  await page.mouse.up();
}

/** Resolves when the board has that colour there, within three dots; undefined for none. */
async function inked(page: Page, [x, y]: Point, colour: string | undefined): Promise<void> {
  await page.waitForFunction(
    ([x, y, colour]) => {
      const canvas = document.querySelector<HTMLCanvasElement>("[role=log] canvas");
      if (!canvas) return false;
      const [left, top] = [Math.round(x * canvas.width) - 3, Math.round(y * canvas.height) - 3];
      const data = canvas.getContext("2d")?.getImageData(left, top, 7, 7).data ?? [];
      const dots = Array.from({ length: 49 }, (_, at) => data.slice(4 * at, 4 * at + 4).join());
      return colour ? dots.includes(`${colour},255`) : dots.every(dot => dot === "0,0,0,0");
    },
    [x, y, colour] as const,
  );
}

/** A board, and somebody without a page in its room. */
async function boarded(t: TestContext, settings: object = {}): Promise<{ url: string; bo: Client; id: string }> {
  const node = await newNode(t, { PLUGINS, ...settings });
  const bo = await connect(t, node, { name: "Bo" });
  await bo.join("lobby");
  const { id } = await bo.ask("whiteboard", { room: "lobby", body: { title: "Plan" } });
  return { url: node.url, bo, id: id as string };
}

test("a line grows on the page of somebody at another node while it is drawn, and both have it after a reload", async t => {
  const one = await newNode(t, { PLUGINS });
  const two = await newNode(t, { PLUGINS, ...peer(one) });
  await two.ready;
  const ana = await join(t, one.url, "Ana");
  const bo = await join(t, two.url, "Bo");
  await say(ana, "/whiteboard Plan");
  await board(bo).waitFor();
  await draw(ana, [0.1, 0.5], [0.5, 0.5]);
  await inked(bo, [0.3, 0.5], BLUE);
  await inked(bo, [0.7, 0.5], undefined);
  await told(bo, "Draw with a mouse, a finger or a pen.");
  await ana.mouse.move(...(await placeOn(ana, 0.9, 0.5)), { steps: 20 });
  await inked(bo, [0.7, 0.5], BLUE);
  await ana.mouse.up();
  for (const page of [ana, bo]) await told(page, "Lines: 1, drawn by Ana");
  for (const page of [ana, bo]) {
    await page.reload();
    await inked(page, [0.3, 0.5], BLUE);
    await inked(page, [0.88, 0.5], BLUE);
  }
  assert.equal(await bo.getByRole("article").count(), 1, "lines are no rows");
});

test("the pen's colour and width are chosen, and a tap makes a dot of it", async t => {
  const { url } = await boarded(t);
  const page = await join(t, url, "Ana");
  await page.getByRole("radio", { name: "Red" }).check();
  await page.getByRole("slider", { name: "Width of the pen" }).fill("40");
  await drawn(page, [0.5, 0.5], [0.5, 0.5]);
  await told(page, "Lines: 1, drawn by Ana");
  await inked(page, [0.509, 0.5], RED);
  await inked(page, [0.53, 0.5], undefined);
});

test("one takes back one's own last line, everywhere and for good, and nobody else's", async t => {
  const { url } = await boarded(t);
  const ana = await join(t, url, "Ana");
  const raj = await join(t, url, "Raj");
  await drawn(ana, [0.1, 0.2], [0.9, 0.2]);
  await drawn(ana, [0.1, 0.4], [0.9, 0.4]);
  await told(raj, "Lines: 2, drawn by Ana");
  const undo = (page: Page) => page.getByRole("button", { name: "Undo" });
  assert.equal(await undo(raj).isDisabled(), true);
  await drawn(raj, [0.1, 0.6], [0.9, 0.6]);
  await told(ana, "Lines: 3, drawn by Ana and Raj");
  await undo(ana).click();
  for (const page of [ana, raj]) {
    await told(page, "Lines: 2, drawn by Ana and Raj");
    await inked(page, [0.5, 0.4], undefined);
    await inked(page, [0.5, 0.6], BLUE);
  }
  await undo(ana).click();
  assert.equal(await undo(ana).isDisabled(), true);
  await told(raj, "Lines: 1, drawn by Raj");
  await raj.reload();
  await told(raj, "Lines: 1, drawn by Raj");
  await inked(raj, [0.5, 0.2], undefined);
});

test("a line that is drawn while there is no connection is kept, and sent when there is one", async t => {
  const { url, bo } = await boarded(t);
  const page = await join(t, url, "Ana", { ignore: ["ERR_INTERNET_DISCONNECTED"] });
  await board(page).waitFor();
  await page.context().setOffline(true);
  await drawn(page, [0.1, 0.5], [0.9, 0.5]);
  await told(page, "Lines: 1, drawn by Ana");
  await page.context().setOffline(false);
  await bo.until(() => bo.messages("lobby").find(({ type }) => type === "whiteboard.stroke"));
});

test("a stroke in progress is kept where the reader goes to another room", async t => {
  const { url, bo } = await boarded(t);
  await bo.ask("chat:room", { name: "hall" });
  const page = await join(t, url, "Ana");
  await draw(page, [0.1, 0.5], [0.9, 0.5]);
  await page.getByRole("link", { name: /hall/ }).dispatchEvent("click");
  await bo.until(() => bo.messages("lobby").find(({ type }) => type === "whiteboard.stroke"));
});

test("the board has as many dots as the screen, and shows the same where it becomes smaller", async t => {
  const { url } = await boarded(t);
  const page = await join(t, url, "Ana");
  await drawn(page, [0.1, 0.5], [0.9, 0.5]);
  const session = await page.context().newCDPSession(page);
  const dots = () => board(page).evaluate(canvas => (canvas as HTMLCanvasElement).width / canvas.clientWidth);
  for (const width of [1_280, 390]) {
    const size = { width, height: 800, deviceScaleFactor: 2, mobile: false };
    await session.send("Emulation.setDeviceMetricsOverride", size);
    await page.waitForFunction(() => {
      const canvas = document.querySelector<HTMLCanvasElement>("[role=log] canvas");
      return canvas?.width === Math.round((canvas?.clientWidth ?? 0) * 2);
    });
    await inked(page, [0.5, 0.5], BLUE);
    await inked(page, [0.5, 0.7], undefined);
  }
  assert.equal(await dots(), 2);
});

test("a finger draws and scrolls nothing, and a second one beside it does neither", async t => {
  const { url } = await boarded(t);
  const page = await join(t, url, "Ana", { touch: true, viewport: { width: 390, height: 500 } });
  await board(page).scrollIntoViewIfNeeded();
  const session = await page.context().newCDPSession(page);
  const point = async (x: number, y: number) => {
    const [left, top] = await placeOn(page, x, y);
    return { x: left, y: top };
  };
  const touch = async (type: "touchStart" | "touchMove" | "touchEnd", ...points: Point[]) => {
    const touchPoints = await Promise.all(points.map(([x, y], id) => point(x, y).then(at => ({ ...at, id }))));
    await session.send("Input.dispatchTouchEvent", { type, touchPoints });
  };
  // So wide that some dots of it have no ground in them.
  await page.getByRole("slider", { name: "Width of the pen" }).fill("40");
  const before = await point(0, 0);
  await touch("touchStart", [0.5, 0.2]);
  await touch("touchMove", [0.5, 0.5]);
  await touch("touchStart", [0.5, 0.5], [0.2, 0.2]);
  await touch("touchMove", [0.5, 0.6], [0.2, 0.8]);
  // Chromium's debugger lifts all fingers at once: that the second one leaves is said here.
  await board(page).dispatchEvent("pointerup", { isPrimary: false, pointerId: 99, pointerType: "touch" });
  await touch("touchMove", [0.5, 0.9], [0.2, 0.9]);
  await touch("touchEnd");
  await told(page, "Lines: 1, drawn by Ana");
  await inked(page, [0.5, 0.4], BLUE);
  await inked(page, [0.5, 0.85], BLUE);
  await inked(page, [0.2, 0.5], undefined);
  assert.deepEqual(await point(0, 0), before);
});

test("at the rate that a node allows, others hear every point of a stroke that takes seconds", async t => {
  const { url, bo } = await boarded(t, { RATE_LIMIT: "10" });
  const page = await join(t, url, "Ana");
  await board(page).waitFor();
  await draw(page, [0.1, 0.1], [0.1, 0.2]);
  const [left, top] = await placeOn(page, 0, 0);
  for (let step = 0; step < 80; step++) {
    await page.mouse.move(left + 5 * step, top + 100 + 50 * Math.sin(step / 9));
    // As fast as that a hand moves; at one signal a movement the node would refuse some.
    await page.waitForTimeout(50);
  }
  await page.mouse.up();
  const { body } = await bo.until(() => bo.messages("lobby").find(({ type }) => type === "whiteboard.stroke"));
  const heard = bo.events
    .filter(([type]) => type === "whiteboard.live")
    .map(([, live]) => (live as { body: Live }).body);
  const points = heard.flatMap(live => live.points);
  assert.ok(heard.length >= 10);
  assert.deepEqual(points, (body as Stroke).points.slice(0, points.length));
});

test("hostile strokes are refused, and what is drawn live on another board shows on none", async t => {
  const { url, bo, id } = await boarded(t);
  const page = await join(t, url, "Ana");
  await board(page).waitFor();
  const line: Stroke = {
    began: 1,
    colour: "red",
    width: 40,
    points: [
      [0, 500],
      [1_600, 500],
    ],
  };
  const send = (type: string, body: object, ref = id) => bo.ask(type, { room: "lobby", body, ref });
  for (const changes of [
    { points: [[0, 1e9]] },
    { points: Array(1_001).fill([0, 0]) },
    { colour: "black" },
    { width: 1e6 },
  ]) {
    assert.equal((await send("whiteboard.stroke", { ...line, ...changes })).code, "invalid");
    assert.equal((await send("whiteboard.live", { ...line, ...changes, board: id })).code, "invalid");
  }
  const text = await bo.say("no board");
  assert.equal((await send("whiteboard.stroke", line, text.id)).code, "not-found");
  assert.equal((await send("whiteboard.live", { ...line, board: text.id })).ok, true);
  assert.equal(
    (
      await send("whiteboard.live", {
        ...line,
        colour: "blue",
        points: [
          [0, 100],
          [1_600, 100],
        ],
        board: id,
      })
    ).ok,
    true,
  );
  await inked(page, [0.5, 0.1], BLUE);
  await inked(page, [0.5, 0.5], undefined);
});

test("a line whose author left in the middle of it goes after a while", async t => {
  const { url, bo, id } = await boarded(t);
  const page = await join(t, url, "Ana");
  await board(page).waitFor();
  await page.clock.install();
  const points = [
    [0, 500],
    [1_600, 500],
  ];
  await bo.ask("whiteboard.live", { room: "lobby", body: { began: 1, colour: "blue", width: 20, points, board: id } });
  await inked(page, [0.5, 0.5], BLUE);
  await page.clock.runFor(10_000);
  await inked(page, [0.5, 0.5], undefined);
});

test("a board is started from its button and by its shortcut, and passes the checks for accessibility in both themes", async t => {
  const node = await newNode(t, { PLUGINS });
  const light = await join(t, node.url, "Ana");
  await light.getByRole("button", { name: "Start a whiteboard" }).click();
  await light.getByRole("dialog").waitFor();
  await inspect(light, t.name);
  await light.keyboard.press("Escape");
  await composer(light).focus();
  await light.keyboard.press("Alt+W");
  await light.keyboard.type("Plan");
  await light.keyboard.press("Enter");
  await drawn(light, [0.1, 0.5], [0.9, 0.5]);
  await told(light, "Lines: 1, drawn by Ana");
  await inspect(light, t.name);
  const dark = await join(t, node.url, "大明", { language: "zh-CN", colorScheme: "dark" });
  await told(dark, "Ana 画了 1 笔");
  await dark.getByRole("radio", { name: "蓝色" }).waitFor();
  await inspect(dark, t.name);
});
