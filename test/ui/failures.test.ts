/** A plugin that fails in somebody's browser: the node that the page is connected to says so, with the place in the sources. */
import assert from "node:assert/strict";
import { join as pathOf } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import type { NodeFigures } from "../../core/plugin.ts";
import { join, row, say } from "../helpers/chat.ts";
import { type Client, connect } from "../helpers/client.ts";
import { newNode, peer, temporaryDirectory } from "../helpers/node.ts";
import { CLIENT, MESSAGE, NOTE, writePlugin } from "../helpers/plugins.ts";

const LUCK = 'throw new Error("no luck");';
/** A client half whose hooks begin in its fourth line. */
const withHooks = (hooks: string) => CLIENT.replace("{ Row: ({ message }) => <p>{message.alt}</p> }", `{\n${hooks}\n}`);
const strings = 'strings: { en: { jot: "Jot" } },';

type Way = readonly [what: string, folder: string, where: string | undefined, why: string, client: string];

// biome-ignore format: a table
const WAYS: readonly Way[] = [
  ["in its badge", "badge", "client.tsx:4", "no luck", withHooks(`Badge() { ${LUCK} },`)],
  ["in its panel", "panel", "client.tsx:4", "no luck", withHooks(`panel: { title: "jot", Component() { ${LUCK} } },\n${strings}`)],
  ["in the form of its tool", "form", "client.tsx:4", "no luck", withHooks(`tool: { label: "jot", icon: "M0 0h16v16H0Z", Form() { ${LUCK} } },\n${strings}`)],
  ["in its composer", "composer", "client.tsx:4", "no luck", withHooks(`Composer() { ${LUCK} },`)],
  ["where it folds", "fold", "client.tsx:5", "no luck", withHooks(`Row: () => <b>drawn</b>,\nfold() { ${LUCK} },`)],
  ["in an action of a row", "action", "client.tsx:4", "no luck", withHooks(`action: { label: "jot", offered() { ${LUCK} }, run() {} },\n${strings}`)],
  ["when a connection begins", "started", "client.tsx:4", "no luck", withHooks(`started() { ${LUCK} },`)],
  ["in a handler of its own", "handler", "client.tsx:4", "no luck", withHooks(`Badge: () => <button type="button" onClick={() => { ${LUCK} }}>press me</button>,`)],
  ["in a promise that it forgets", "forgets", "client.tsx:4", "no luck", withHooks(`started() { void Promise.resolve().then(() => { ${LUCK} }); },`)],
  ["when it is loaded", "loaded", "client.tsx:4", "no luck", `${CLIENT}${LUCK}\n`],
  ["as its module exports no plugin", "nonsense", undefined, "what it exports by default is no plugin: defineClient() makes one", "export default 7;\n"],
];

function withPlugins(t: TestContext, ways: readonly Way[]): string {
  const dataDir = temporaryDirectory(t);
  for (const [, folder, , , client] of ways) {
    const files = { ...NOTE, "message.ts": MESSAGE.replace('"note"', `"${folder}"`), "client.tsx": client };
    writePlugin(pathOf(dataDir, "plugins"), folder, files);
  }
  return dataDir;
}

/** A logger, and what was said to it. */
function listening() {
  const lines: string[] = [];
  const heard = (_: object, line: string) => void lines.push(line);
  return { lines, logger: { info() {}, warn: heard, error: heard } };
}

const faultsOf = (client: Client, node: { id: string }) =>
  (client.state.get(`status ${node.id}`)?.body as unknown as NodeFigures | undefined)?.faults ?? [];

/** In that node's figures, which all nodes tell, there is that fault and no other of that plugin. */
async function isTold(client: Client, node: { id: string }, [what, folder, where, why]: Way): Promise<void> {
  const own = () => faultsOf(client, node).filter(({ plugin }) => plugin === folder);
  const found = await client.until(() => own().length > 0 && own(), `the node tells of what failed ${what}`);
  assert.deepEqual(found, [{ plugin: folder, why: `in a browser: ${why}`, ...(where !== undefined && { where }) }]);
}

async function provoke(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Jot", description: "Jot" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "press me" }).click();
}

test("a plugin that fails in a browser is told of by the node, whichever way it fails", async t => {
  const { lines, logger } = listening();
  const node = await newNode(t, { DATA_DIR: withPlugins(t, WAYS) }, undefined, logger);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  assert.ok((await ana.ask("fold", { room: "lobby", body: {} })).ok);
  const page = await join(t, node.url, "Raj", { ignore: [/no luck/, /is no plugin/] });
  await provoke(page);
  for (const way of WAYS)
    await t.test(`a plugin that fails ${way[0]}`, async () => {
      await isTold(ana, node, way);
      const [, folder, where, why] = way;
      const place = where === undefined ? "" : ` (${where})`;
      const own = lines.filter(line => line.startsWith(`“${folder}”`));
      assert.deepEqual(own, [`“${folder}” failed in a browser${place}: ${why}`]);
    });
  await say(page, "as ever");
  await row(page, "as ever").waitFor();
});

test("the node that a page goes on at is told, and knows the place where it has the same plugin", async t => {
  const [way] = WAYS.filter(([, folder]) => folder === "handler") as [Way];
  const dataDir = withPlugins(t, [way]);
  const home = await newNode(t, { NODE_NAME: "attic", DATA_DIR: dataDir });
  const other = await newNode(t, {
    NODE_NAME: "kitchen",
    PLUGINS: pathOf(dataDir, "plugins"),
    ...peer(home),
  });
  await other.ready;
  const page = await join(t, home.url, "Raj", { ignore: [/no luck/, /net::ERR_/, /WebSocket/] });
  await page.waitForFunction(() => Object.values(localStorage).some(value => value.includes("kitchen")));
  await home.stop();
  await page.getByText("Connected to kitchen").waitFor();
  const ana = await connect(t, other, { name: "Ana" });
  await page.getByRole("button", { name: "press me" }).click();
  await isTold(ana, other, way);
});
