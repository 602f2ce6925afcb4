/** What a page makes of client halves that were dropped in: they are served here as a node would compile them. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as ask, createServer, type IncomingMessage } from "node:http";
import { connect as dial } from "node:net";
import { basename, join as pathOf } from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { type AnyServerPlugin, defineMessage, defineServer, type NodeFigures } from "../../core/plugin.ts";
import builtIn from "../../plugins/server.ts";
import { newPage } from "../helpers/browser.ts";
import { composer, enter, join, row, say } from "../helpers/chat.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer, type TestNode } from "../helpers/node.ts";

const MODULES: Record<string, { file: string }> = JSON.parse(
  readFileSync(pathOf(import.meta.dirname, "../../dist/ui/modules.json"), "utf8"),
);
/** As a script in assets/plugins/ names it. */
const shared = (name: string) => `../${basename(MODULES[name]?.file ?? "")}`;

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
  import { signal } from "${shared("@preact/signals")}";
  import { useState } from "${shared("preact/hooks")}";
  import { jsx } from "${shared("preact/jsx-runtime")}";
  import { Component } from "${shared("preact")}";
  import { defineClient, defineMessage, Reject } from "${shared("web-chat/plugin")}";
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

/** What a browser is served in front of a node: that node's own page, with `head` in it, and these scripts. */
async function front(t: TestContext, { port }: TestNode, scripts: Record<string, string> = {}) {
  const paths = Object.keys(scripts).map(name => `assets/plugins/${name}`);
  const served = { head: `<meta name="plugins" content="${paths.join(" ")}">` };
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => {
    const script = scripts[basename(request.url ?? "")];
    if (script !== undefined) return void response.setHeader("Content-Type", "text/javascript").end(script);
    const { "if-none-match": _, ...headers } = { ...request.headers, "accept-encoding": "identity" };
    const isPage = request.url === "/";
    const asked = ask({ port, path: request.url, method: request.method, headers }, async answer => {
      const { "content-length": _, etag: __, ...rest } = answer.headers;
      if (!isPage) return void answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers));
      const body = (await text(answer)).replace(/<meta name="(plugins|page)"[^>]*>/g, "");
      response.writeHead(200, rest).end(body.replace("</title>", `</title>${served.head}`));
    });
    request.pipe(asked.on("error", () => response.destroy()));
  });
  server.on("upgrade", ({ url, rawHeaders }: IncomingMessage, near: Duplex) => {
    const far = dial(port, "127.0.0.1");
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
    far.write(`GET ${url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => sockets.forEach(socket => void socket.destroy());
  cleanUp(t, () => {
    cut();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, served, cut };
}

async function joined(t: TestContext, node: TestNode, scripts: Record<string, string>, ignore: RegExp[] = []) {
  const { url } = await front(t, node, scripts);
  return join(t, url, "Ana", { ignore });
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
  const refused = [/content security policy/i, /eval/, /was not explicitly set/];
  const script = `globalThis.tried = (() => { try { return eval("1"); } catch (error) { return error.name; } })(); ${GOOD}`;
  const { url, served } = await front(t, node, { "note-1A2B3C4D.js": script });
  served.head += "<script>globalThis.inline = true</script>";
  const page = await newPage(t, url, { ignore: refused });
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
    const { url } = await front(t, node, { "broken-1A2B3C4D.js": script, "note-1A2B3C4D.js": GOOD });
    const page = await newPage(t, "about:blank", { ignore: [/broken:/] });
    const said: string[] = [];
    page.on("console", message => said.push(message.text()));
    await page.goto(url);
    await page.getByText("The plugin broken could not be loaded.").waitFor();
    await enter(page, "Ana");
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

test("a tool and a panel that throw say so where they were opened, and the dialog can be closed", async t => {
  const node = await newNode(t, {}, withNotes);
  const hooks = `{ Row, tool: { label: "jot", icon: "M0 0h16v16H0Z", Form() { throw new Error("no form"); } },
    panel: { title: "notes", Component() { throw new Error("no panel"); } }, strings: { en: { jot: "Jot", notes: "Notes" } } }`;
  const script = half("note", "return null;").replace(/\{ Row, Badge.*\}\);/, `${hooks});`);
  const page = await joined(t, node, { "note-1A2B3C4D.js": script }, [/^console: note: Error: no (form|panel)/]);
  const said = (where: "dialog" | "region", name: string) =>
    page.getByRole(where, { name }).getByRole("alert").getByText("The plugin note failed.").waitFor();
  await said("region", "Notes");
  const opener = page.getByRole("button", { name: "Jot" });
  await opener.click();
  const dialog = page.getByRole("dialog", { name: "Jot" });
  await said("dialog", "Jot");
  await dialog.getByRole("button", { name: "Close" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.ok(await opener.evaluate(opener => opener === document.activeElement), "it has the focus again");
  await say(page, "as ever");
  await row(page, "as ever").waitFor();
});

test("a command that fails without refusing says no more to its reader than that, and the text stays", async t => {
  const node = await newNode(t, {}, withNotes);
  const hooks = `{ Row, command: { takes: "takes", label: "jot", run: text => text.nothing.there },
    strings: { en: { takes: "text", jot: "Jot" } } }`;
  const script = half("note", "return null;").replace(/\{ Row, Badge.*\}\);/, `${hooks});`);
  const page = await joined(t, node, { "note-1A2B3C4D.js": script }, [/^console: note: TypeError/]);
  await say(page, "/note one");
  await page.getByText("The plugin note failed.").waitFor();
  assert.equal(await composer(page).inputValue(), "/note one");
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
  const { url, served, cut } = await front(t, node);
  let page = "old";
  const tell = (fingerprint: string) => {
    page = fingerprint;
    served.head = `<meta name="page" content="${fingerprint}">`;
  };
  tell("old");
  const tab = await newPage(t, "about:blank", { ignore: [/WebSocket/, /net::ERR_/] });
  await tab.routeWebSocket(/socket\.io/, route => {
    const wire = route.connectToServer();
    wire.onMessage(message => {
      const [, welcome] = /^42(\["welcome",.*)$/s.exec(String(message)) ?? [];
      if (!welcome) return route.send(message);
      const [event, payload] = JSON.parse(welcome);
      route.send(`42${JSON.stringify([event, { ...payload, page }])}`);
    });
  });
  await tab.goto(url);
  await enter(tab, "Ana");
  await composer(tab).fill("half a sentence");
  const offer = tab.getByText("The chat has been updated.");
  assert.equal(await offer.count(), 0, "nothing has changed yet");
  tell("new");
  cut();
  await offer.waitFor();
  await tab.getByRole("button", { name: "Reload" }).click();
  await offer.waitFor({ state: "detached" });
  await composer(tab).waitFor();
  assert.equal(await composer(tab).inputValue(), "half a sentence");
});

test("the System panel says which types each node has, how they differ, and what failed", async t => {
  const fault = { plugin: "poll", why: "throws when it is loaded", where: "server.ts:12" };
  const failing = builtIn.map(plugin => (plugin.message.type === "status" ? telling(plugin, [fault]) : plugin));
  const there = await newNode(t, { NODE_NAME: "north" }, [...failing, server]);
  const here = await newNode(t, { NODE_NAME: "south", ...peer(there) });
  const page = await join(t, here.url, "Ana");
  const of = (name: string) =>
    page.locator(".status-figures").filter({ has: page.getByRole("heading", { level: 3, name }) });
  await of("north").getByText("note 1: not on every node").waitFor();
  await of("south").getByText("note: not on this node").waitFor();
  await of("south")
    .getByText(/presence \d+, redact \d+, status \d+, text \d+/)
    .waitFor();
  await of("north").getByText("poll: throws when it is loaded server.ts:12").waitFor();
  assert.equal(await of("south").getByText("Plugins that failed").count(), 0);
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
