/** What a page makes of client halves that were dropped in: they are served here as a node would compile them. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join as pathOf } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { type AnyServerPlugin, defineMessage, defineServer, type NodeFigures } from "../../core/plugin.ts";
import builtIn from "../../plugins/server.ts";
import { newPage } from "../helpers/browser.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, type TestNode } from "../helpers/node.ts";

const MODULES: Record<string, string> = JSON.parse(
  readFileSync(pathOf(import.meta.dirname, "../../dist/ui/modules.json"), "utf8"),
);
const url = (name: string) => `/${MODULES[name]}`;

const note = defineMessage<string>({
  type: "note",
  version: 1,
  kind: "log",
  parse: input => String(input),
  summary: text => `note: ${text}`,
});
const server = defineServer(note, { receive: text => text }) as AnyServerPlugin;

/** A client half of that type, importing what the page shares. */
const half = (type: string, row: string) => `
  import { signal } from "${url("@preact/signals")}";
  import { useState } from "${url("preact/hooks")}";
  import { jsx } from "${url("preact/jsx-runtime")}";
  import { Component } from "${url("preact")}";
  import { defineClient, defineMessage, Reject } from "${url("web-chat/plugin")}";
  const message = defineMessage({ type: "${type}", version: 1, kind: "log", parse: String, summary: text => "${type}: " + text });
  const clicks = signal(0);
  function Row({ shell, message: { body } }) { ${row} }
  class Title extends Component { render() { return jsx("em", { children: "in a class" }); } }
  function Badge() { return jsx("button", { onClick: () => clicks.value++, children: "clicked " + clicks.value }); }
  function Hint({ shell }) {
    const [sent, setSent] = useState(false);
    return jsx("button", { onClick: () => { shell.send("from the page"); setSent(true); }, children: sent ? "sent" : "send a note" });
  }
  export default defineClient(message, { Row, Badge, Hint, Dock: Title });
`;
const GOOD = half("note", `return jsx("b", { class: "drawn", children: body });`);

/** Has the page name these scripts as its plugins; the rest of it, headers too, comes from the node. */
async function drop(page: Page, scripts: Record<string, string>, more = ""): Promise<void> {
  const context = page.context();
  const paths = Object.keys(scripts).map(name => `assets/plugins/${name}`);
  await context.route(/\/$/, async route => {
    const response = await route.fetch();
    const meta = `<meta name="plugins" content="${paths.join(" ")}">${more}`;
    await route.fulfill({ response, body: (await response.text()).replace("</title>", `</title>${meta}`) });
  });
  for (const [name, body] of Object.entries(scripts))
    await context.route(`**/assets/plugins/${name}`, route => route.fulfill({ contentType: "text/javascript", body }));
  await page.goto(page.url());
}

async function joined(t: TestContext, node: TestNode, scripts: Record<string, string>, ignore: RegExp[] = []) {
  const page = await newPage(t, node.url, { ignore });
  await drop(page, scripts);
  await page.getByRole("textbox").fill("Ana");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  return page;
}

const withNotes = [...builtIn, server];

test("a client half that is dropped in runs on the page's own Preact, signals and contract, under its policy", async t => {
  const node = await newNode(t, {}, withNotes);
  const page = await joined(t, node, { "note-1A2B3C4D.js": GOOD });
  await page.getByRole("button", { name: "send a note" }).click();
  await page.getByRole("button", { name: "sent", exact: true }).waitFor();
  const drawn = page.locator("[data-plugin=note] b.drawn");
  await drawn.getByText("from the page").waitFor();
  // A signal of another instance would draw nothing again.
  await page.getByRole("button", { name: "clicked 0" }).click();
  await page.getByRole("button", { name: "clicked 1" }).waitFor();
  await page.getByText("in a class").waitFor();
  await say(page, "a text");
  await row(page, "a text").locator("[data-plugin=text]").waitFor({ state: "attached" });
});

test("inline scripts and eval are refused, with a plugin in the page too", async t => {
  const node = await newNode(t, {}, withNotes);
  const refused = [/content security policy/i, /eval/];
  const page = await newPage(t, node.url, { ignore: refused });
  await drop(
    page,
    {
      "note-1A2B3C4D.js": `globalThis.tried = (() => { try { return eval("1"); } catch (error) { return error.name; } })(); ${GOOD}`,
    },
    "<script>globalThis.inline = true</script>",
  );
  await page.getByRole("textbox").waitFor();
  const found = await page.evaluate(`({ inline: globalThis.inline === true, tried: globalThis.tried })`);
  assert.deepEqual(found, { inline: false, tried: "EvalError" });
});

/** What is wrong, the script, and what the console says of it. */
const BROKEN: readonly [what: string, script: string, says: RegExp][] = [
  ["does not parse", "export default {{", /SyntaxError/],
  ["throws when it is loaded", `throw new Error("no luck");`, /no luck/],
  ["exports nothing", "", /is no plugin/],
  ["exports nonsense", "export default 7", /is no plugin/],
  [
    "has a list with nonsense in it",
    `${GOOD.replace("export default", "const good =")} export default [good, null];`,
    /is no plugin/,
  ],
  ["takes the name of a built-in one", half("text", "return null;"), /“text” is there already/],
  ["needs a newer contract", GOOD.replace("version: 1,", "version: 1, contract: 99,"), /version 99 of the contract/],
];

for (const [what, script, says] of BROKEN)
  test(`a client half that ${what} costs itself only, and is named`, async t => {
    const node = await newNode(t, {}, withNotes);
    const page = await newPage(t, node.url, { ignore: [/broken:/] });
    const said: string[] = [];
    page.on("console", message => said.push(message.text()));
    await drop(page, { "broken-1A2B3C4D.js": script, "note-1A2B3C4D.js": GOOD });
    await page.getByText("The plugin broken could not be loaded.").waitFor();
    await page.getByRole("textbox").fill("Ana");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "send a note" }).click();
    await page.locator("b.drawn").getByText("from the page").waitFor();
    await say(page, "as ever");
    await row(page, "as ever").waitFor();
    assert.ok(
      said.some(line => line.startsWith("broken:") && says.test(line)),
      said.join("\n"),
    );
  });

test("a row that throws shows the line that stands for it, and the console names its plugin", async t => {
  const node = await newNode(t, {}, withNotes);
  const script = half(
    "note",
    `if (body === "bad") throw new Error("cannot draw"); return jsx("b", { class: "drawn", children: body });`,
  );
  const page = await joined(t, node, { "note-1A2B3C4D.js": script }, [/^console: note: Error: cannot draw/]);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const failed = page.waitForEvent("console", message => message.text().startsWith("note: Error: cannot draw"));
  await raj.ask("note", { id: randomUUID(), room: "lobby", body: "bad" });
  await raj.ask("note", { id: randomUUID(), room: "lobby", body: "good" });
  await row(page, "note: bad").waitFor();
  await page.locator("b.drawn").getByText("good").waitFor();
  await failed;
});

test("a message of a type that the server does not know shows its line, and says why", async t => {
  const there = await newNode(t, { NODE_NAME: "there" }, withNotes);
  const here = await newNode(t, { NODE_NAME: "here", ...peer(there) });
  const raj = await connect(t, there, { name: "Raj" });
  await raj.join("lobby");
  await raj.ask("note", { id: randomUUID(), room: "lobby", body: "from afar" });
  await converged(here, there);
  const page = await join(t, here.url, "Ana");
  await row(page, "note: from afar").getByText("This server has no plugin for ‘note’").waitFor();
  const chinese = await join(t, here.url, "Mei", { language: "zh-CN" });
  await row(chinese, "note: from afar").getByText("此服务器没有用于“note”的插件").waitFor();
});

test("a message that only the page cannot draw shows its line, and blames no server", async t => {
  const node = await newNode(t, {}, withNotes);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.ask("note", { id: randomUUID(), room: "lobby", body: "nobody draws it" });
  const page = await join(t, node.url, "Ana");
  await row(page, "note: nobody draws it").waitFor();
  assert.equal(await page.getByText("has no plugin").count(), 0);
});

test("a page that its node has another one of by now offers a reload, which keeps what is being written", async t => {
  const node = await newNode(t);
  const page = await newPage(t, node.url);
  let served = "old";
  await page.context().route(/\/$/, async route => {
    const response = await route.fetch();
    const body = (await response.text())
      .replace(/<meta name="page"[^>]*>/, "")
      .replace("</title>", `</title><meta name="page" content="${served}">`);
    await route.fulfill({ response, body });
  });
  let welcomed = "old";
  let cut = () => {};
  await page.routeWebSocket(/socket\.io/, route => {
    const wire = route.connectToServer();
    cut = () => void route.close();
    wire.onMessage(message => {
      const [, welcome] = /^42(\["welcome",.*)$/s.exec(String(message)) ?? [];
      if (!welcome) return route.send(message);
      const [event, payload] = JSON.parse(welcome);
      route.send(`42${JSON.stringify([event, { ...payload, page: welcomed }])}`);
    });
  });
  await page.goto(node.url);
  await page.getByRole("textbox").fill("Ana");
  await page.keyboard.press("Enter");
  await composer(page).fill("half a sentence");
  const offer = page.getByText("The chat has been updated.");
  assert.equal(await offer.count(), 0, "nothing has changed yet");
  served = welcomed = "new";
  cut();
  await offer.waitFor();
  await page.getByRole("button", { name: "Reload" }).click();
  await offer.waitFor({ state: "detached" });
  await composer(page).waitFor();
  assert.equal(await composer(page).inputValue(), "half a sentence");
});

test("the System panel says which types each node has, how they differ, and what failed", async t => {
  const fault = { plugin: "poll", why: "throws when it is loaded", where: "server.ts:12" };
  const failing = builtIn.map(plugin => (plugin.message.type === "status" ? telling(plugin, [fault]) : plugin));
  const there = await newNode(t, { NODE_NAME: "there" }, [...failing, server]);
  const here = await newNode(t, { NODE_NAME: "here", ...peer(there) });
  const page = await join(t, here.url, "Ana");
  const of = (name: string) =>
    page.locator(".status-figures").filter({ has: page.getByRole("heading", { level: 3, name }) });
  await of("there").getByText("note 1: not on every node").waitFor();
  await of("here").getByText("note: not on this node").waitFor();
  await of("here")
    .getByText(/presence \d+, redact \d+, status \d+, text \d+/)
    .waitFor();
  await of("there").getByText("poll: throws when it is loaded server.ts:12").waitFor();
  assert.equal(await of("here").getByText("Plugins that failed").count(), 0);
});

/** The status plugin of a node on which these plugins failed. */
function telling(status: AnyServerPlugin, faults: NodeFigures["faults"]): AnyServerPlugin {
  return {
    ...status,
    hooks: () => {
      const { tick, ...hooks } = status.hooks();
      return { ...hooks, tick: context => tick?.({ ...context, node: () => ({ ...context.node(), faults }) }) ?? [] };
    },
  };
}
