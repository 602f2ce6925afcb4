/** Recordings that their page did not live to send. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { composer, enter, logOut, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, spawnNode } from "../helpers/node.ts";
import {
  AWAY,
  joinWithMicrophone,
  kept,
  panel,
  record,
  recordUntil,
  sent,
  timer,
  tool,
  voices,
  writeMp4Only,
} from "../helpers/voice.ts";

const WORDS = "You recorded this before the page was closed.";
const restored = (page: Page) => panel(page).getByText(WORDS).waitFor();

/** How many drafts, and pieces of any, the browser keeps. */
const stored = (page: Page) =>
  page.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name = "" }) => name);
    const opening = indexedDB.open(names.find(name => name.endsWith("drafts")) as string);
    const db = await new Promise<IDBDatabase>(done => {
      opening.onsuccess = () => done(opening.result);
    });
    const counts = ["drafts", "pieces"].map(name => {
      const counting = db.transaction(name).objectStore(name).count();
      return new Promise<number>(done => {
        counting.onsuccess = () => done(counting.result);
      });
    });
    const [drafts = 0, pieces = 0] = await Promise.all(counts);
    db.close();
    return { drafts, pieces };
  });

async function nothingStored(page: Page): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { drafts, pieces } = await stored(page);
    if (drafts + pieces === 0) return;
    assert.ok(tries < 600, `${drafts} drafts and ${pieces} pieces stay`);
    await page.waitForTimeout(50);
  }
}

/** Another tab of the same person. */
async function newTab(page: Page, url = page.url().replace(/#.*/, "")): Promise<Page> {
  const tab = await page.context().newPage();
  await tab.goto(url);
  return tab;
}

/** Counts, from the next page on, the drafts that a page did not get because another holds them. */
async function countRefusals(page: Page): Promise<void> {
  await page.context().addInitScript(() => {
    const { locks } = navigator as { locks?: LockManager };
    if (!locks) return;
    const request = locks.request.bind(locks) as (...parts: unknown[]) => Promise<unknown>;
    const counted = Object.assign(window, { refusals: 0 });
    Object.assign(locks, {
      request(...parts: unknown[]) {
        const answer = request(...parts);
        answer.catch(() => counted.refusals++);
        return answer;
      },
    });
  });
}

const refused = (page: Page, times = 1) =>
  page.waitForFunction(times => (window as unknown as { refusals: number }).refusals >= times, times).then(() => {});

/** The questions that the browser asks before it leaves the page; each is answered with yes. */
function questions(page: Page): string[] {
  const asked: string[] = [];
  page.on("dialog", dialog => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  return asked;
}

test("a recording is there again after a reload, as often as it takes, until it is sent, once and as it was said, or discarded", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  const asked = questions(page);
  await record(page).click();
  await timer(page, "0:05").waitFor();
  await page.reload();
  assert.deepEqual(asked, ["beforeunload"], "it would end");
  await restored(page);
  const panelTime = await panel(page).locator(".voice-time").innerText();
  assert.ok(["0:04", "0:05"].includes(panelTime), panelTime);
  await panel(page).getByRole("button", { name: "Play" }).click();
  await panel(page).getByRole("button", { name: "Pause" }).waitFor();
  await tool(page, "Send").click();
  await sent(page);
  await nothingStored(page);
  const [body, ...more] = await kept(t, node);
  assert.deepEqual(more, []);
  assert.ok(body && body.durationMs > 3_500 && body.durationMs < 6_000, `${body?.durationMs} ms`);
  const mean = (from: number, to: number) => {
    const at = (seconds: number) => Math.round((seconds * 1_000 * body.peaks.length) / body.durationMs);
    const part = body.peaks.slice(at(from), at(to));
    return part.reduce((sum, peak) => sum + peak, 0) / part.length;
  };
  assert.ok(mean(0.5, 1.5) > 4 * mean(2.5, 3.5), body.peaks.join(" "));
  await page.reload();
  await voices(page).waitFor();
  await record(page).waitFor();
  assert.equal(asked.length, 1, "nothing would be lost");

  await recordUntil(page, "0:01");
  await page.reload();
  await restored(page);
  await page.reload();
  await restored(page);
  await tool(page, "Discard").click();
  await panel(page).waitFor({ state: "detached" });
  await nothingStored(page);
  assert.equal(asked.length, 1, "one in review is kept");
  assert.equal((await kept(t, node)).length, 1);
});

test("a paused recording whose page crashed is found by the next one, and goes to its own room", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await page.getByRole("link", { name: "ops" }).click();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  await record(page).click();
  await timer(page, "0:02").waitFor();
  await tool(page, "Pause").click();
  const crashed = page.waitForEvent("crash");
  page.goto("chrome://crash").catch(() => {});
  await crashed;
  const tab = await newTab(page);
  await restored(tab);
  await panel(tab).getByText("to #ops").waitFor();
  await tool(tab, "Send").click();
  await panel(tab).waitFor({ state: "detached" });
  await tab.getByRole("link", { name: "ops" }).click();
  await sent(tab);
  assert.deepEqual(await kept(t, node), [], "the lobby has nothing of it");
});

test("another tab takes no recording that is under way, and has it once that tab is closed", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await countRefusals(page);
  await record(page).click();
  await timer(page, "0:01").waitFor();
  const tab = await newTab(page);
  await refused(tab);
  await record(tab).waitFor();
  assert.equal(await panel(tab).count(), 0);
  await timer(page, "0:03").waitFor();
  await page.close();
  // A page that is closed in a browser without windows makes no other one visible.
  await tab.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await restored(tab);
  await tool(tab, "Send").click();
  await sent(tab);
  assert.equal((await kept(t, node)).length, 1);
});

test("tabs that are opened at once get one recording each, and what nobody has yet comes after the first", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await recordUntil(page, "0:01");
  const other = await newTab(page);
  await recordUntil(other, "0:03");
  await countRefusals(page);
  await page.close();
  await other.goto("about:blank");

  const [one, two, three] = await Promise.all([1, 2, 3].map(() => newTab(other, node.url)));
  const tabs = [one, two, three] as Page[];
  await Promise.all(tabs.map(tab => Promise.race([restored(tab), refused(tab, 2)])));
  const holders = [];
  for (const tab of tabs) if ((await panel(tab).count()) > 0) holders.push(tab);
  assert.equal(holders.length, 2);
  const times = await Promise.all(holders.map(tab => panel(tab).locator(".voice-time").innerText()));
  assert.notEqual(times[0], times[1]);

  // Both are left once more, and one tab finds both.
  for (const tab of tabs) await tab.close();
  const last = await newTab(other, node.url);
  await restored(last);
  const time = panel(last).locator(".voice-time");
  assert.equal(await time.innerText(), [...times].sort()[0], "the older one first");
  await tool(last, "Send").click();
  await time.filter({ hasText: [...times].sort()[1] as string }).waitFor();
  await restored(last);
  await tool(last, "Discard").click();
  await panel(last).waitFor({ state: "detached" });
  await sent(last);
  await nothingStored(last);
  assert.equal((await kept(t, node)).length, 1);
});

/** Leaves a recording of a second behind. */
async function leaveOne(page: Page): Promise<Page> {
  await recordUntil(page, "0:01");
  const tab = await page.context().newPage();
  await page.close();
  return tab;
}

test("logging out clears what was left, what is in review, and what another tab records", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await recordUntil(page, "0:01");
  const left = await newTab(page);
  await recordUntil(left, "0:01");
  const other = await newTab(page);
  await record(other).click();
  await timer(other, "0:01").waitFor();
  await left.close();
  assert.equal((await stored(page)).drafts, 3);
  await logOut(page);
  await other.getByRole("button", { name: "Join" }).waitFor();
  await nothingStored(page);
  await enter(page, "Mia");
  await page.reload();
  await record(page).waitFor();
  await recordUntil(page, "0:01");
  assert.equal((await stored(page)).drafts, 1, "her own one alone");
  assert.equal(await page.getByText(WORDS).count(), 0);
});

test("who joins on the same browser after somebody else never sees what that one recorded", async t => {
  const node = await spawnNode(t);
  const page = await joinWithMicrophone(t, node.url, { ignore: [...AWAY, /parts-/] });
  const tab = await leaveOne(page);
  await node.kill("SIGKILL");
  // A node that knows nobody: it is as if the person had been logged out from elsewhere.
  await spawnNode(t, { PORT: String(node.port) });
  // Nothing looks for recordings before the next person is there.
  await tab.route(/parts-/, route => route.abort());
  await tab.goto(node.url);
  await tab.getByRole("button", { name: "Join" }).waitFor();
  assert.equal((await stored(tab)).drafts, 1);
  await tab.unroute(/parts-/);
  await enter(tab, "Mia");
  await record(tab).waitFor();
  await nothingStored(tab);
  assert.equal(await panel(tab).count(), 0);
});

/** What the browser's databases do from now on, in this page. */
type Trouble =
  | "it dies when it has decided to send"
  | "it dies when the outbox has it"
  | "it dies when it was sent"
  | "no room is left";

async function trouble(page: Page, what: Trouble): Promise<void> {
  await page.evaluate(what => {
    const { put, delete: remove } = IDBObjectStore.prototype;
    const never = () => new Promise(() => {});
    IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...value: [unknown, IDBValidKey?]) {
      if (what === "it dies when it has decided to send" && this.name === "outbox") {
        Object.assign(window, { died: true });
        // Neither is it written, nor is it known that it is not.
        return never() as never;
      }
      if (what === "no room is left" && this.name === "pieces") throw new DOMException("", "QuotaExceededError");
      return put.apply(this, value);
    };
    IDBObjectStore.prototype.delete = function (this: IDBObjectStore, key: IDBValidKey | IDBKeyRange) {
      if (what !== "no room is left" && this.name === "drafts") {
        Object.assign(window, { died: true });
        throw new Error("the page is gone by then");
      }
      return remove.call(this, key);
    };
  }, what);
}

for (const what of [
  "it dies when it has decided to send",
  "it dies when the outbox has it",
  "it dies when it was sent",
] as const)
  test(`a recording is sent once, and is not offered again, although its page dies in between: ${what}`, async t => {
    const node = await newNode(t);
    const page = await joinWithMicrophone(t, node.url);
    await recordUntil(page, "0:01");
    const tab = await page.context().newPage();
    await trouble(page, what);
    await tool(page, "Send").click();
    await page.waitForFunction(() => (window as unknown as { died?: true }).died);
    if (what === "it dies when it was sent") await sent(page);
    await page.close();
    await tab.goto(node.url);
    await nothingStored(tab);
    await voices(tab).waitFor();
    assert.equal(await panel(tab).count(), 0);
    await say(tab, "after it");
    await row(tab, "after it").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
    // What is written after it does not wait for its file.
    await sent(tab);
    assert.equal((await kept(t, node)).length, 1);
    assert.equal(await voices(tab).count(), 1);
  });

test("a browser without room for it, or without a database, records and sends all the same, and asks before it leaves", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await record(page).waitFor();
  const asked = questions(page);
  await trouble(page, "no room is left");
  await recordUntil(page, "0:01");
  await page.reload();
  assert.deepEqual(asked, ["beforeunload"], "what could not be kept would be lost");
  await record(page).waitFor();
  await trouble(page, "no room is left");
  await recordUntil(page, "0:01");
  await tool(page, "Send").click();
  await sent(page);

  await page.addInitScript(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
  await page.reload();
  await recordUntil(page, "0:01");
  await tool(page, "Send").click();
  await voices(page).nth(1).getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.equal((await kept(t, node)).length, 2);
});

test("what is left of a file that cannot be read is dropped without a word", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await record(page).waitFor();
  // Bytes that no browser records.
  await page.evaluate(() => {
    const read = Blob.prototype.arrayBuffer;
    Blob.prototype.arrayBuffer = async function () {
      return new ArrayBuffer((await read.call(this)).byteLength);
    };
  });
  await record(page).click();
  await timer(page, "0:02").waitFor();
  assert.ok((await stored(page)).pieces > 0);
  await page.reload();
  await nothingStored(page);
  await record(page).waitFor();
  assert.equal(await panel(page).count(), 0);
});

test("what was left in MP4 is there again, too", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  if (!(await writeMp4Only(page))) return t.skip("this browser cannot write MP4");
  await record(page).click();
  await timer(page, "0:04").waitFor();
  await page.reload();
  await restored(page);
  await tool(page, "Send").click();
  await sent(page);
  const [body] = await kept(t, node);
  assert.ok(body && body.durationMs > 1_500 && body.durationMs < 5_000, `${body?.durationMs} ms`);
});

test("what was left waits until nobody writes", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await recordUntil(page, "0:01");
  let goOn = () => {};
  const held = new Promise<void>(done => {
    goOn = done;
  });
  let isAsked = () => {};
  const asked = new Promise<void>(done => {
    isAsked = done;
  });
  await page.route(/\/finish-/, async route => {
    isAsked();
    await held;
    await route.continue();
  });
  await page.reload();
  await asked;
  await composer(page).pressSequentially("first this");
  const loaded = page.waitForResponse(/\/finish-/);
  goOn();
  await loaded;
  await page.waitForTimeout(1_000);
  assert.equal(await panel(page).count(), 0);
  await composer(page).press("Enter");
  await restored(page);
  await row(page, "first this").waitFor();
});
