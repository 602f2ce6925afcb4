/** The node that a page came from has another page by now: who is at another node meanwhile is offered it, too. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join as pathOf } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { type NodeProcess, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, NOTE, writePlugin } from "../helpers/plugins.ts";

const AWAY = [/net::ERR_/, /WebSocket connection/, /Failed to fetch/];
const FILES = { ...NOTE, "client.tsx": CLIENT.replace("<p>{message.alt}</p>", '<b class="drawn">drawn</b>') };

const offer = (page: Page) => page.getByRole("status").filter({ hasText: "The chat has been updated." });

/** Two nodes, and a page of the first that went on at the other. */
async function atAnother(t: TestContext, plugins: { PLUGINS?: string } = {}) {
  const home = await spawnNode(t, { NODE_NAME: "attic" });
  const other = await spawnNode(t, { NODE_NAME: "kitchen", ...plugins, ...peer(home) });
  await other.ready();
  const page = await join(t, home.url, "Ana", { ignore: AWAY });
  await page.waitForFunction(() => Object.values(localStorage).some(value => value.includes("kitchen")));
  await home.kill("SIGTERM");
  await page.getByText("Connected to kitchen").waitFor();
  return { home, other, page };
}

const again = (t: TestContext, { port, dataDir }: NodeProcess, other: NodeProcess) =>
  spawnNode(t, { NODE_NAME: "attic", PORT: String(port), DATA_DIR: dataDir, ...peer(other) });

test("a page at another node offers a reload when its own is back with a plugin, and goes home with it", async t => {
  const { home, other, page } = await atAnother(t);
  await composer(page).fill("not sent yet");
  assert.equal(await offer(page).count(), 0);
  writePlugin(pathOf(home.dataDir, "plugins"), "note", FILES);
  const back = await again(t, home, other);
  await back.ready();
  await offer(page).waitFor();
  await page.getByText("Connected to kitchen").waitFor();
  const raj = await connect(t, back, { name: "Raj" });
  await raj.join("lobby");
  assert.ok((await raj.ask("note", { room: "lobby", body: {} })).ok);
  await row(page, "a note").waitFor();
  await page.getByRole("button", { name: "Reload" }).click();
  await page.locator("b.drawn").waitFor();
  assert.equal(await offer(page).count(), 0);
  assert.equal(await composer(page).inputValue(), "not sent yet");
  await say(page, "from home");
  await row(page, "from home").waitFor();
});

test("the offer goes while that node is away again, and does not come where its page is the same", async t => {
  const { home, other, page } = await atAnother(t);
  const plugin = writePlugin(pathOf(home.dataDir, "plugins"), "note", FILES);
  const back = await again(t, home, other);
  await offer(page).waitFor();
  await back.kill("SIGTERM");
  await offer(page).waitFor({ state: "detached" });
  rmSync(plugin, { recursive: true });
  const asked = page.waitForResponse(answer => answer.url() === `${home.url}/`);
  const third = await again(t, home, other);
  await third.ready();
  await asked;
  await say(page, "as ever");
  await row(page, "as ever").waitFor();
  assert.equal(await offer(page).count(), 0);
});

test("a message of a type that the page does not know makes it ask its own node", async t => {
  const folders = temporaryDirectory(t);
  writePlugin(folders, "note", FILES);
  const { home, other, page } = await atAnother(t, { PLUGINS: folders });
  // It serves its page and knows nobody of the cluster, where nobody can tell that it is back.
  await spawnNode(t, { NODE_NAME: "attic", PORT: String(home.port), PLUGINS: folders });
  assert.equal(await offer(page).count(), 0);
  const raj = await connect(t, other, { name: "Raj" });
  await raj.join("lobby");
  assert.ok((await raj.ask("note", { room: "lobby", body: {} })).ok);
  await row(page, "a note").waitFor();
  await offer(page).waitFor();
});
