/** For people who use a keyboard, a screen reader, a small screen, or want things to hold still. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import plugins from "../../plugins/server.ts";
import { inspect } from "../helpers/axe.ts";
import { newPage, type PageOptions } from "../helpers/browser.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

const PHONE = { width: 390, height: 844 };

/** A room in which there is something of everything. */
async function busy(t: TestContext, options: PageOptions): Promise<Page> {
  const node = await newNode(
    t,
    {},
    plugins.filter(({ message }) => message.type !== "redact"),
  );
  const raj = await connect(t, node, { name: "Raj" });
  const gone = await connect(t, node, { name: "大明" });
  await raj.ask("chat:room", { name: "ops" });
  for (const client of [raj, gone]) await client.join("lobby");
  await gone.say("再见 **大家** `code`");
  gone.socket.disconnect();
  await raj.say(
    "> quoted\n\n- one\n- two\n\n```\na line of code that is longer than the screen of a phone is wide\n```",
  );
  const page = await join(t, node.url, "Ana", options);
  await row(page, "quoted").waitFor();
  await say(page, "see https://example.com");
  await row(page, "see https").locator(".mark", { hasText: /✓/ }).waitFor();
  await raj.ask("typing", { room: "lobby", body: { typing: true } });
  await page.getByText("Raj").first().waitFor({ state: "attached" });
  return page;
}

for (const [what, options] of [
  ["in light", {}],
  ["in dark, in Chinese", { colorScheme: "dark", language: "zh-CN" }],
  ["on a phone", { viewport: PHONE }],
] as [string, PageOptions][])
  test(`axe finds nothing on the first screen and in a room, ${what}`, async t => {
    const node = await newNode(t);
    await connect(t, node, { name: "Raj" });
    const first = await newPage(t, node.url, options);
    await first.getByRole("textbox").fill("Raj");
    await first.keyboard.press("Enter");
    await first.getByRole("textbox", { name: /.+/ }).and(first.locator("[aria-invalid=true]")).waitFor();
    await inspect(first, "first screen");
    await inspect(await busy(t, options), "room");
  });

for (const [what, options] of [
  ["", {}],
  [" on a phone in dark", { viewport: PHONE, colorScheme: "dark" }],
] as [string, PageOptions][])
  test(`axe finds nothing in dialogs and sheets${what}`, async t => {
    const page = await busy(t, options);
    const phone = options.viewport !== undefined;
    for (const [keys, title] of [
      ["Control+k", "Find or create a room"],
      ["?", "Keyboard shortcuts"],
    ] as const) {
      await page.getByRole("log").focus();
      await page.keyboard.press(keys);
      await page.getByRole("dialog", { name: title }).waitFor();
      await inspect(page, title);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    for (const name of phone ? ["People", "System"] : []) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.getByRole("dialog", { name }).waitFor();
      await inspect(page, name);
      await page.keyboard.press("Escape");
    }
    if (phone) {
      await page.getByRole("button", { name: "Back to the rooms" }).click();
      await inspect(page, "list of rooms");
    }
    for (const item of ["", "Link another device", "Log out"]) {
      await page.getByRole("button", { name: /Account and settings/ }).click();
      await page.getByRole("dialog", { name: "Ana" }).waitFor();
      if (item !== "") await page.getByRole("button", { name: item }).click();
      await page.getByRole("dialog", { name: item || "Ana" }).waitFor();
      if (item.startsWith("Link")) await page.getByRole("textbox", { name: "Link" }).waitFor();
      await inspect(page, item || "account");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
  });

test("axe finds nothing while the connection is broken, with a message that waits and one that failed", async t => {
  const node = await newNode(
    t,
    {},
    plugins.map(plugin =>
      plugin.message.type === "text"
        ? {
            ...plugin,
            hooks: () => ({
              receive() {
                throw new Error("no");
              },
            }),
          }
        : plugin,
    ),
  );
  const page = await join(t, node.url, "Ana", { ignore: [/net::ERR_/, /WebSocket/] });
  await say(page, "this fails");
  await page.getByText("Not sent: a plugin on this node failed").waitFor();
  await node.stop();
  await page.getByText(/^Reconnecting/).waitFor();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await say(page, "this waits");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.locator(`html[data-theme=${colorScheme}]`).waitFor({ state: "attached" });
    await inspect(page, colorScheme);
  }
});

/** A word for what has the focus; "" where nothing has. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const { activeElement: element, body } = document;
    if (!element || element === body) return "";
    return element.getAttribute("aria-label") ?? (element.textContent || element.localName);
  });

test("Tab reaches every control", async t => {
  const page = await busy(t, {});
  const missed = await page.evaluate(() => {
    const controls = "a[href], button:not(:disabled), input, textarea, [tabindex='0']";
    const seen = (element: Element) => (element as HTMLElement).checkVisibility({ visibilityProperty: true });
    const all = new Set([...document.querySelectorAll(controls)].filter(seen));
    Object.assign(window, { missed: all });
    (document.activeElement as HTMLElement).blur();
    return all.size;
  });
  assert.ok(missed > 12, String(missed));
  for (let n = 0; n < missed + 5; n++) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => {
      const { missed } = window as unknown as { missed: Set<Element | null> };
      missed.delete(document.activeElement);
    });
  }
  const left = await page.evaluate(() =>
    [...(window as unknown as { missed: Set<Element> }).missed].map(element => element.outerHTML.slice(0, 120)),
  );
  assert.deepEqual(left, []);
});

test("the focus is visible wherever Tab leads", async t => {
  const page = await busy(t, {});
  for (let n = 0; n < 14; n++) {
    await page.keyboard.press("Tab");
    const ring = await page.evaluate(() => {
      let element = document.activeElement;
      // A field's frame may stand for it.
      for (; element && element !== document.body; element = element.parentElement) {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
        if ((outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 1) || boxShadow !== "none") return true;
      }
      return element === document.body && document.activeElement === document.body;
    });
    assert.ok(ring, `no ring around ${await focused(page)}`);
  }
});

test("the keyboard alone deletes a message, and the focus stays with it", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  for (const text of ["one", "two"]) await say(page, text);
  await row(page, "two").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await page.getByRole("log").focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assert.match(await focused(page), /one/);
  const ask = async () => {
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Delete");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Delete" }).waitFor();
  };
  await ask();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(
    await page.evaluate(() => document.activeElement?.closest("article")?.textContent?.includes("one")),
    true,
  );
  await row(page, "one").focus();
  await ask();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Message removed").waitFor();
  await page.waitForFunction(() => document.activeElement?.closest("article"));
  await page.keyboard.press("ArrowDown");
  assert.match(await focused(page), /two/);
});

test("no dialog and no button that goes away takes the focus along", async t => {
  const node = await newNode(
    t,
    {},
    plugins.filter(({ message }) => message.type !== "text"),
  );
  const page = await join(t, node.url, "Ana");
  const closed = () => page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await page.keyboard.press("Escape");
  await closed();
  assert.equal(await focused(page), "Message #lobby");
  const account = page.getByRole("button", { name: /Account and settings/ });
  await account.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Ana" }).waitFor();
  await page.keyboard.press("Escape");
  await closed();
  assert.match(await focused(page), /Account and settings/);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  await closed();
  assert.notEqual(await focused(page), "", "from one dialog to the next, and out");
  await say(page, "refused for good");
  for (const name of ["Try again", "Discard"]) {
    await page.getByRole("button", { name }).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.localName === "textarea");
    if (name === "Try again") await page.getByRole("button", { name }).waitFor();
  }
  await composer(page).fill("by button");
  await page.getByRole("button", { name: "Send" }).click();
  assert.equal(await focused(page), "Message #lobby");
});

test("a dialog keeps Tab inside", async t => {
  const page = await busy(t, {});
  await page.getByRole("button", { name: /Account and settings/ }).click();
  await page.getByRole("dialog", { name: "Ana" }).waitFor();
  for (let n = 0; n < 12; n++) {
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => {
      const { activeElement, body } = document;
      // Between its last and its first element the browser's own controls have their turn.
      return activeElement === body || activeElement?.closest("dialog") !== null;
    });
    assert.ok(inside, `Tab led out to ${await focused(page)}`);
  }
});

test("whoever wants less motion gets none", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana", { ignore: [/net::ERR_/, /WebSocket/] });
  await node.stop();
  await page.getByText(/^Reconnecting/).waitFor();
  await say(page, "this waits");
  const moving = () =>
    page.evaluate(
      () =>
        document.getAnimations().filter(({ effect }) => {
          const { duration, iterations } = (effect as AnimationEffect).getComputedTiming();
          return Number(duration) > 1 || iterations === Number.POSITIVE_INFINITY;
        }).length,
    );
  assert.ok((await moving()) > 0, "there is something that moves");
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await moving(), 0);
});

test("nothing is wider than the screen, and on a phone nothing is too small for a finger", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "W".repeat(32) });
  await raj.ask("chat:room", { name: "a-room-with-a-name-that-is-quite-long-for-a-phone-but-not-for-us" });
  await raj.join("lobby");
  await raj.say(
    `${"Donaudampfschifffahrt".repeat(20)}\n\n\`${"code".repeat(80)}\`\n\n\`\`\`\n${"x ".repeat(300)}\n\`\`\``,
  );
  await raj.say(`https://example.com/${"path/".repeat(60)}`);
  const page = await join(t, node.url, "Ana");
  for (const width of [1280, 1024, 768, 641, 640, 390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await row(page, "example.com").waitFor();
    const wider = await page.evaluate(() =>
      [...document.querySelectorAll("body *")]
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest("pre, .hidden"))
        .map(element => `${element.localName}.${element.className}`),
    );
    assert.deepEqual(wider, [], `at ${width} px`);
  }
  const small = async () =>
    page.evaluate(() =>
      [...document.querySelectorAll("button, a[href], input, textarea")]
        .filter(element =>
          (element as HTMLElement).checkVisibility({ visibilityProperty: true, opacityProperty: true }),
        )
        .filter(element => !element.closest(".text"))
        .map(element => ({
          what: element.getAttribute("aria-label") ?? element.textContent,
          ...element.getBoundingClientRect().toJSON(),
        }))
        .filter(({ width, height }) => width < 44 || height < 43.5)
        .map(({ what, width, height }) => `${what}: ${width}×${height}`),
    );
  await page.setViewportSize(PHONE);
  await page.locator("button.back").waitFor();
  assert.deepEqual(await small(), []);
  await page.getByRole("button", { name: "Back to the rooms" }).click();
  await page.getByRole("main", { name: "Rooms" }).waitFor();
  assert.deepEqual(await small(), []);
  await page.getByRole("button", { name: /Account and settings/ }).click();
  await page.getByRole("dialog").waitFor();
  assert.deepEqual(await small(), []);
});
