/** What a person has written is sent once, in order, whatever happens to page, connection and node. */
import assert from "node:assert/strict";
import { join as pathOf } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";
import plugins from "../../plugins/server.ts";
import { newPage } from "../helpers/browser.ts";
import { join, row, rows, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { NOTE, writePlugin } from "../helpers/plugins.ts";

const AWAY = [/net::ERR_/, /WebSocket connection/];

test("messages written while the node is away wait, survive a reload, and are sent once, in order", async t => {
  const node = await spawnNode(t, { RATE_LIMIT: "10" });
  const page = await join(t, node.url, "Ana", { ignore: AWAY });
  await say(page, "first");
  await row(page, "first").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await node.kill("SIGKILL");
  await page
    .getByText(/Reconnecting/)
    .first()
    .waitFor();
  // More than the burst that the node admits at once: the queue has to be paced.
  const texts = Array.from({ length: 45 }, (_, index) => `waiting ${index}`);
  for (const text of texts) await say(page, text);
  await row(page, "waiting 44").getByText("Waiting to be sent").waitFor({ state: "attached" });
  const again = await spawnNode(t, { RATE_LIMIT: "10", PORT: String(node.port), DATA_DIR: node.dataDir });
  await page.reload();
  await row(page, "waiting 44").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  const reader = await connect(t, again, { name: "Reader" });
  const kept = (await reader.join("lobby", {})).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(kept, ["first", ...texts]);
  assert.deepEqual(
    (await rows(page)).filter(text => text.startsWith("waiting")),
    texts,
  );
});

test("a row that waits is the same row when the node has it, with what a person did in it", async t => {
  const dataDir = temporaryDirectory(t);
  const client = `import { useState } from "preact/hooks";
import { defineClient } from "web-chat/plugin";
import note from "./message.ts";
function Row({ message }) {
  const [presses, setPresses] = useState(0);
  return <button type="button" onClick={() => setPresses(presses + 1)}>{message.body.text + " pressed " + presses}</button>;
}
const send = (text, _, shell) => shell.send({ text });
export default defineClient(note, { Row, command: { takes: "t", label: "l", run: send }, strings: { en: { t: "a text", l: "a note" } } });
`;
  writePlugin(pathOf(dataDir, "plugins"), "note", { ...NOTE, "client.tsx": client });
  const node = await spawnNode(t, { DATA_DIR: dataDir });
  const page = await join(t, node.url, "Ana", { ignore: AWAY });
  // The first of a room, and one after it.
  for (const text of ["one", "two"]) {
    process.kill(node.process.pid as number, "SIGSTOP");
    await say(page, `/note ${text}`);
    await page.getByRole("button", { name: `${text} pressed 0` }).click();
    const pressed = row(page, `${text} pressed 1`);
    await pressed.getByText("Waiting to be sent").waitFor({ state: "attached" });
    const before = await pressed.elementHandle();
    process.kill(node.process.pid as number, "SIGCONT");
    await pressed.getByText("Sent", { exact: true }).waitFor({ state: "attached" });
    assert.ok(await pressed.evaluate((now, before) => now === before, before));
  }
  await say(page, "as ever");
  await row(page, "as ever").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.deepEqual(
    await page
      .getByRole("log")
      .getByRole("button", { name: /pressed/ })
      .allInnerTexts(),
    ["one pressed 1", "two pressed 1"],
  );
});

test("two tabs of one person send what waits once", async t => {
  const node = await spawnNode(t);
  const page = await join(t, node.url, "Ana", { ignore: AWAY });
  const tab = await page.context().newPage();
  await tab.goto(node.url);
  await tab.getByRole("log").waitFor();
  await node.kill("SIGKILL");
  await page
    .getByText(/Reconnecting/)
    .first()
    .waitFor();
  await say(page, "from the first tab");
  await say(tab, "from the second tab");
  const again = await spawnNode(t, { PORT: String(node.port), DATA_DIR: node.dataDir });
  for (const view of [page, tab])
    for (const text of ["from the first tab", "from the second tab"]) await row(view, text).waitFor();
  const reader = await connect(t, again, { name: "Reader" });
  await reader.join("lobby");
  await row(page, "from the first tab").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await row(tab, "from the second tab").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  const { messages } = await reader.join("lobby");
  assert.deepEqual(messages.map(({ body }) => (body as { text: string }).text).sort(), [
    "from the first tab",
    "from the second tab",
  ]);
  for (const view of [page, tab]) assert.equal(await row(view, "from the first tab").count(), 1);
});

/** What waits in the browser's own database. */
const unsent = (page: Page) =>
  page.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name = "" }) => name);
    const name = names.find(name => name.endsWith("outbox")) as string;
    const db = await new Promise<IDBDatabase>(done => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => done(opening.result);
    });
    const count = await new Promise<number>(done => {
      const counting = db.transaction("outbox").objectStore("outbox").count();
      counting.onsuccess = () => done(counting.result);
    });
    db.close();
    return count;
  });

test("where acks wait for another node, a message is shown as kept until one has it, and holds up no other", async t => {
  const node = await newNode(t, { ACK: "peer" });
  const page = await join(t, node.url, "Ana");
  const texts = Array.from({ length: 8 }, (_, index) => `message ${index}`);
  for (const text of texts) await say(page, text);
  for (const text of texts)
    await row(page, text).getByText("Kept on this node, waiting for a second copy").waitFor({ state: "attached" });
  assert.equal(await unsent(page), texts.length, "the browser keeps them, too");
  await page.reload();
  await row(page, "message 7").getByText("Kept on this node").waitFor({ state: "attached" });
  const other = await newNode(t, { ACK: "peer", ...peer(node) });
  for (const text of texts)
    await row(page, text).getByText("Stored on another node too").waitFor({ state: "attached" });
  await page.waitForFunction(() => !document.querySelector(".row.waiting"));
  assert.deepEqual(await rows(page), texts);
  while ((await unsent(page)) > 0) await page.waitForTimeout(50);
  const reader = await connect(t, other, { name: "Reader" });
  const kept = (await reader.join("lobby")).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(kept, texts);
});

test("a message that is refused for good says why, and can be tried again or discarded", async t => {
  const node = await newNode(
    t,
    {},
    plugins.filter(({ message }) => message.type !== "text"),
  );
  const page = await join(t, node.url, "Ana");
  await say(page, "does anybody know this type?");
  const refused = page.getByText("Not sent: this node does not know that kind of message");
  await refused.waitFor();
  await page.reload();
  await refused.waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await refused.waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  await refused.waitFor({ state: "detached" });
});

test("what the type itself refuses is said in the composer, and stays there to be mended", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await say(page, "bell \u0007 bell");
  await page.getByText("the text has control characters").waitFor();
  await say(page, "no bell");
  await row(page, "no bell").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
});

test("the page works where the browser gives it no secure context", async t => {
  const { networkInterfaces } = await import("node:os");
  const address = Object.values(networkInterfaces())
    .flat()
    .find(found => found?.family === "IPv4" && !found.internal)?.address;
  if (!address) return t.skip("this machine has no address but loopback");
  const node = await newNode(t, { HOST: "0.0.0.0" });
  const page = await join(t, `http://${address}:${node.port}`, "Ana");
  assert.equal(await page.evaluate(() => isSecureContext || "randomUUID" in crypto), false);
  await say(page, "plain http");
  await row(page, "plain http").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await page.reload();
  await row(page, "plain http").waitFor();
});

test("a link signs a second device in, once", async t => {
  const node = await newNode(t);
  const page = await join(t, node.url, "Ana");
  await page.getByRole("button", { name: /Account and settings/ }).click();
  await page.getByText("Link another device").click();
  const link = await page.getByLabel("Link", { exact: true }).inputValue();
  await page.getByRole("img", { name: "QR code of the link" }).waitFor();
  const phone = await newPage(t, link, { viewport: { width: 390, height: 844 } });
  await phone.getByRole("log").waitFor();
  await say(phone, "from my phone");
  await row(page, "from my phone").waitFor();
  const late = await newPage(t, link, {});
  await late.getByText("This link was used already, or has expired.").waitFor();
});
