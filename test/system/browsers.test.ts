/** The main job, end to end: two node processes, two real browsers, a third node, a kill, a return. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode } from "../helpers/node.ts";

/** While a node is away, its browsers say so in the console. */
const AWAY = [/ERR_CONNECTION_REFUSED/, /WebSocket connection/, /ERR_CONNECTION_RESET/, /net::ERR_/];

const people = (page: Page, title: string) => page.getByRole("region", { name: title }).getByRole("listitem");

test("Ana on one node and 大明 on another are in one chat, through a kill and a return", async t => {
  const a = await spawnNode(t, { NODE_NAME: "node-a" });
  let b = await spawnNode(t, { NODE_NAME: "node-b", ...peer(a) });
  const { dataDir, port, zmqPort } = b;
  await b.ready();
  const ana = await join(t, a.url, "Ana", { language: "en" });
  const daming = await join(t, b.url, "大明", { language: "zh-CN", ignore: AWAY });

  await say(ana, "Shall we **ship** it?");
  await row(daming, "Shall we ship it?").waitFor();
  assert.equal(await row(daming, "Shall we ship it?").locator("strong", { hasText: "ship" }).count(), 1);
  await say(daming, "可以。😀");
  await row(ana, "可以。😀").waitFor();
  await row(ana, "Shall we ship it?").getByText("Stored on another node too").waitFor({ state: "attached" });

  await people(ana, "People").filter({ hasText: "大明" }).filter({ hasText: "node-b" }).waitFor();
  await people(ana, "People").filter({ hasText: "Ana" }).filter({ hasText: "node-a" }).waitFor();
  await people(daming, "成员").filter({ hasText: "Ana" }).filter({ hasText: "node-a" }).waitFor();
  await ana.getByRole("img", { name: "2 of 2 nodes are up" }).waitFor();
  await daming.getByRole("img", { name: "2 个节点中 2 个在线" }).waitFor();

  const c = await newNode(t, { NODE_NAME: "node-c", ...peer(b) });
  await c.ready;
  await ana.getByRole("img", { name: "3 of 3 nodes are up" }).waitFor();
  const bot = await connect(t, c, { name: "Bot" });
  const known = await bot.until(() => {
    const peers = bot.state.get(`status ${c.id}`)?.body?.peers as { name: string; up: boolean }[] | undefined;
    return peers?.length === 2 && peers.every(({ up }) => up) && peers;
  });
  assert.deepEqual(known.map(({ name }) => name).sort(), ["node-a", "node-b"]);
  bot.socket.disconnect();
  await c.stop();
  await ana.getByRole("img", { name: "2 of 3 nodes are up" }).waitFor();

  await b.kill("SIGKILL");
  const killedAt = performance.now();
  await people(ana, "People").filter({ hasText: "大明" }).filter({ hasText: "node-b" }).waitFor({ state: "detached" });
  t.diagnostic(`大明 was gone ${Math.round(performance.now() - killedAt)} ms after the kill`);
  await ana.getByRole("img", { name: "1 of 3 nodes are up" }).waitFor();
  const red = await ana
    .locator(".status-link.down line")
    .first()
    .evaluate(line => getComputedStyle(line).stroke);
  const [r = 0, g = 0, blue = 0] = (red.match(/\d+/g) ?? []).map(Number);
  assert.ok(r > 2 * g && r > 2 * blue, `a link that is down is red, not ${red}`);
  for (let index = 0; index < 70; index++) await say(ana, `while node-b is away ${index}`);
  await row(ana, "while node-b is away 69").getByText("Sent", { exact: true }).waitFor({ state: "attached" });

  const settings = {
    NODE_NAME: "node-b",
    DATA_DIR: dataDir,
    PORT: String(port),
    ZMQ_PORT: String(zmqPort),
    ...peer(a),
  };
  b = await spawnNode(t, settings);
  await b.ready();
  const onA = await connect(t, a, { name: "Bot A" });
  const onB = await connect(t, b, { name: "Bot B" });
  const [fromA, fromB] = [await onA.join("lobby", {}), await onB.join("lobby", {})];
  assert.equal(fromA.messages.length, 72);
  assert.deepEqual(fromB.messages, fromA.messages, "when it is ready it has everything");

  await row(daming, "while node-b is away 69").waitFor();
  await daming.getByRole("log").evaluate(async log => {
    const scroller = [log, ...log.querySelectorAll("*"), log.parentElement as Element].find(
      element => element.scrollHeight > element.clientHeight + 50 && getComputedStyle(element).overflowY !== "visible",
    ) as Element;
    for (let step = 0; step < 200 && !log.textContent?.includes("Shall we"); step++) {
      scroller.scrollTop = 0;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  });
  await row(daming, "Shall we ship it?").waitFor();
  // His page went on at the other node, and stays there.
  await people(ana, "People").filter({ hasText: "大明" }).filter({ hasText: "node-a" }).waitFor();
  await say(daming, "我回来了");
  await row(ana, "我回来了").waitFor();
});
