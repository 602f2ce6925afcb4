/** What a person sees of a connection that breaks, and of what the node has to say about it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { Page, WebSocketRoute } from "playwright-core";
import { composer, join, row, rows, say } from "../helpers/chat.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";

const AWAY = [/net::ERR_/, /WebSocket connection/];

const bar = (page: Page) => page.getByText(/^Reconnecting to/);

/** A cable between browsers and a node, to be cut and mended. */
async function cable(t: TestContext, { port }: { port: number }) {
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer(near => {
    if (!whole) return near.destroy();
    const far = dial(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => sockets.delete(one));
      one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  cleanUp(t, () => {
    cut();
    server.close();
  });
  const { port: own } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${own}`,
    cut,
    mend() {
      whole = true;
    },
  };
}

test("while the connection is broken a bar says so, and what is written or said meanwhile arrives after it", async t => {
  const node = await newNode(t, { NODE_NAME: "node-a" });
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const line = await cable(t, node);
  const page = await join(t, line.url, "Ana", { ignore: AWAY });
  await raj.say("before");
  await row(page, "before").waitFor();
  assert.equal(await bar(page).count(), 0, "nothing is said while all is well");
  line.cut();
  await bar(page).filter({ hasText: "Reconnecting to node-a…" }).waitFor();
  await page.getByText("What you write is sent when it is back.").waitFor();
  await raj.say("said meanwhile");
  await say(page, "written meanwhile");
  await row(page, "written meanwhile").getByText("Waiting to be sent").waitFor({ state: "attached" });
  assert.equal(await composer(page).inputValue(), "");
  line.mend();
  await bar(page).waitFor({ state: "detached" });
  await row(page, "written meanwhile").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await row(page, "said meanwhile").waitFor();
  assert.deepEqual(await rows(page), ["before", "said meanwhile", "written meanwhile"]);
  const kept = (await raj.join("lobby", {})).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(kept, ["before", "said meanwhile", "written meanwhile"]);
});

test("a chat that cannot be reached on joining says so, and joins when it can", async t => {
  const node = await newNode(t);
  const line = await cable(t, node);
  const page = await join(t, line.url, "Ana", { ignore: AWAY });
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.getByRole("textbox").fill("Ana again");
  line.cut();
  await page.keyboard.press("Enter");
  await page.getByText("The chat cannot be reached. Trying again…").waitFor();
  assert.equal(await page.getByRole("button", { name: "Joining…" }).isDisabled(), true);
  line.mend();
  await page.getByRole("log").waitFor();
});

test("whose name was taken on the other side of a partition first is told the new one", async t => {
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const first = await connect(t, a, { name: "Ana" });
  first.socket.disconnect();
  await a.stop();
  const b = await newNode(t, { NODE_NAME: "node-b" });
  const page = await join(t, b.url, "Ana");
  await say(page, "I am Ana");
  await row(page, "I am Ana").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await newNode(t, { NODE_NAME: "node-a", DATA_DIR: a.dataDir, ...peer(b) });
  await page.getByText("Your name was taken on another node first. You are Ana 2 now.").waitFor();
  await page.getByRole("button", { name: /Ana 2.*Account and settings/ }).waitFor();
  await say(page, "and still I can write");
  await row(page, "and still I can write").filter({ hasText: "Ana 2" }).waitFor();
});

test("who was renamed while away is told on coming back", async t => {
  const a = await newNode(t, { NODE_NAME: "node-a" });
  const first = await connect(t, a, { name: "Ana" });
  first.socket.disconnect();
  const b = await newNode(t, { NODE_NAME: "node-b" });
  const line = await cable(t, b);
  const page = await join(t, line.url, "Ana", { ignore: AWAY });
  line.cut();
  await bar(page).waitFor();
  await a.stop();
  const again = await newNode(t, { NODE_NAME: "node-a", DATA_DIR: a.dataDir, ...peer(b) });
  await again.ready;
  // Node b has taken the older claim in as soon as "Ana 2" is taken, too.
  for (let free = ""; free !== "Ana 3"; )
    free = await connect(t, b, { name: "Ana" }).then(
      () => assert.fail("somebody is called Ana already"),
      (refusal: { suggestion?: string }) => refusal.suggestion ?? "",
    );
  line.mend();
  await page.getByText("Your name was taken on another node first. You are Ana 2 now.").waitFor();
});

test("when its node goes, a page goes on at another one, and back when that one goes: nothing lost, doubled or out of order", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready();
  const raj = await connect(t, b, { name: "Raj" });
  await raj.join("lobby");
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  const at = (name: string) => page.getByText(`Connected to ${name}`);
  await say(page, "one");
  await row(page, "one").getByText("Stored on another node too").waitFor({ state: "attached" });
  assert.equal(await at("attic").count(), 0, "nothing is said while all is well");
  await a.kill("SIGKILL");
  const goneAt = performance.now();
  await say(page, "two");
  await raj.say("from the kitchen");
  await at("kitchen").waitFor();
  t.diagnostic(`at another node after ${(performance.now() - goneAt).toFixed(0)} ms`);
  await say(page, "three");
  await row(page, "three")
    .getByText(/^S(ent|tored)/)
    .waitFor({ state: "attached" });
  await row(page, "from the kitchen").waitFor();
  const texts = async () => (await raj.join("lobby")).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(await rows(page), await texts());
  assert.deepEqual(
    (await texts()).filter(text => !text.startsWith("from")),
    ["one", "two", "three"],
  );

  const back = await spawnNode(t, { NODE_NAME: "attic", PORT: String(a.port), DATA_DIR: a.dataDir, ...peer(b) });
  await back.ready();
  const mia = await connect(t, back, { name: "Mia" });
  await mia.join("lobby");
  await b.kill("SIGKILL");
  await say(page, "four");
  await mia.say("from the attic");
  await at("kitchen").waitFor({ state: "detached" });
  await row(page, "four")
    .getByText(/^S(ent|tored)/)
    .waitFor({ state: "attached" });
  await row(page, "from the attic").waitFor();
  const there = (await mia.join("lobby")).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(await rows(page), there);
  assert.deepEqual(
    there.filter(text => !text.startsWith("from")),
    ["one", "two", "three", "four"],
  );
});

test("a node that does not answer is left for the next one, and each is tried before any is tried again", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "bath", ...peer(a) });
  const c = await spawnNode(t, { NODE_NAME: "cellar", ...peer(a) });
  await Promise.all([b.ready(), c.ready()]);
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  const knows = (name: string) =>
    page.waitForFunction(name => Object.values(localStorage).some(value => value.includes(name)), name);
  await Promise.all([knows("bath"), knows("cellar")]);
  const tried: string[] = [];
  page.on("websocket", socket => tried.push(new URL(socket.url()).host));
  process.kill(b.process.pid as number, "SIGSTOP");
  await a.kill("SIGKILL");
  await page.getByText("Connected to cellar").waitFor();
  assert.ok(tried.includes(`localhost:${b.port}`), String(tried));
  tried.length = 0;
  await c.kill("SIGKILL");
  while (new Set(tried).size === tried.length) await page.waitForTimeout(50);
  for (const { port } of [a, b, c]) assert.ok(tried.slice(0, -1).includes(`localhost:${port}`), String(tried));
  process.kill(b.process.pid as number, "SIGCONT");
  await page.getByText("Connected to bath").waitFor();
});

test("a page that came encrypted goes on at a node that is encrypted, too", async t => {
  const tls = { TLS: "self-signed" };
  const a = await newNode(t, { ...tls, NODE_NAME: "attic" });
  const b = await newNode(t, { ...tls, NODE_NAME: "kitchen", ...peer(a) });
  await newNode(t, { NODE_NAME: "plain", ...peer(a, b) });
  await b.ready;
  const page = await join(t, a.url, "Ana", { ignore: [...AWAY, /403/], trust: true });
  await page.waitForFunction(() => Object.values(localStorage).some(value => value.includes("kitchen")));
  await a.stop();
  await page.getByText("Connected to kitchen").waitFor();
  await say(page, "over TLS");
  await row(page, "over TLS")
    .getByText(/^S(ent|tored)/)
    .waitFor({ state: "attached" });
  const said = await connect(t, b, { name: "Raj" }, { url: b.url, ca: b.authority?.certificate ?? "" });
  assert.deepEqual(
    (await said.join("lobby")).messages.map(({ body }) => body),
    [{ text: "over TLS" }],
  );
});

test("what no second node had confirmed is given to the next one, and stands there once when the first is back", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic", ACK: "peer" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ACK: "peer", ...peer(a) });
  await b.ready();
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  await say(page, "zero");
  await row(page, "zero").getByText("Stored on another node too").waitFor({ state: "attached" });
  const raj = await connect(t, b, { name: "Raj" });
  await raj.join("lobby");
  process.kill(b.process.pid as number, "SIGSTOP");
  for (const text of ["one", "two"]) {
    await say(page, text);
    await row(page, text).getByText("Kept on this node").waitFor({ state: "attached" });
  }
  await a.kill("SIGKILL");
  process.kill(b.process.pid as number, "SIGCONT");
  await page.getByText("Connected to kitchen").waitFor();
  await raj.until(() => raj.messages().some(({ body }) => (body as { text: string }).text === "two"));
  await say(page, "three");
  await spawnNode(t, { NODE_NAME: "attic", ACK: "peer", PORT: String(a.port), DATA_DIR: a.dataDir, ...peer(b) });
  for (const text of ["one", "two", "three"])
    await row(page, text).getByText("Stored on another node too").waitFor({ state: "attached" });
  assert.deepEqual(await rows(page), ["zero", "one", "two", "three"]);
  const texts = (await raj.join("lobby")).messages.map(({ body }) => (body as { text: string }).text);
  assert.deepEqual(texts, ["zero", "one", "two", "three"]);
});

test("a page that is opened anew while it was at another node remembers that one", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready();
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  await say(page, "one");
  await row(page, "one").getByText("Stored on another node too").waitFor({ state: "attached" });
  // The page itself comes from the browser's cache, as it does where somebody goes back to it.
  await page.routeWebSocket(
    url => url.port === String(a.port),
    route => void route.close(),
  );
  await page.reload();
  await page.getByText("Connected to kitchen").waitFor();
  await row(page, "one").waitFor();
});

/** A node that knows nobody, at every address that is not the one given. */
async function withStrangers(page: Page, { port }: { port: number }): Promise<() => number> {
  let asked = 0;
  await page.routeWebSocket(
    url => url.port !== String(port),
    route => {
      route.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}');
      route.onMessage(message => {
        if (!String(message).startsWith("40")) return;
        asked++;
        const data = { code: "session-unknown", message: "the session's token is not, or no longer, valid" };
        route.send(`44${JSON.stringify({ message: data.message, data })}`);
      });
    },
  );
  return () => asked;
}

test("a node that does not know the person yet logs nobody out", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready();
  const page = await join(t, a.url, "Ana", { ignore: AWAY });
  await page.waitForFunction(() => Object.values(localStorage).some(value => value.includes("kitchen")));
  const asked = await withStrangers(page, a);
  await page.reload();
  await page.getByRole("log").waitFor();
  await a.kill("SIGKILL");
  await bar(page).waitFor();
  while (asked() < 2) await page.waitForTimeout(50);
  await say(page, "still me");
  const again = await spawnNode(t, { NODE_NAME: "attic", PORT: String(a.port), DATA_DIR: a.dataDir });
  await again.ready();
  await row(page, "still me")
    .getByText(/^S(ent|tored)/)
    .waitFor({ state: "attached" });
});

test("a session that has ended where the person was last is over, whatever other nodes there are", async t => {
  const a = await newNode(t, { NODE_NAME: "attic" });
  await (await newNode(t, { NODE_NAME: "kitchen", ...peer(a) })).ready;
  const page = await join(t, a.url, "Ana");
  const token = await page.evaluate(() => Object.entries(localStorage).find(([key]) => key.endsWith("token"))?.[1]);
  await (await connect(t, a, { token })).ask("chat:logout");
  await page.getByText("You are signed out here. Please join again.").waitFor();
});

/** Lets the test speak for the node, over the page's own connection. */
async function tapped(
  t: TestContext,
  node: { url: string },
): Promise<{ page: Page; tell(event: string): void; hangUp(): void }> {
  const page = await join(t, node.url, "Ana", { ignore: AWAY });
  let wire: WebSocketRoute | undefined;
  await page.routeWebSocket(/socket\.io/, route => {
    wire = route;
    const server = route.connectToServer();
    route.onMessage(message => server.send(message));
    server.onMessage(message => route.send(message));
  });
  await page.reload();
  await page.getByRole("log").waitFor();
  return {
    page,
    tell: event => wire?.send(`42${event}`),
    hangUp: () => void wire?.close(),
  };
}

test("a room whose cursor says nothing any more is loaded anew", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.say("one");
  const { page, tell } = await tapped(t, node);
  await row(page, "one").waitFor();
  const old = await row(page, "one").elementHandle();
  tell('["reset",{"room":"lobby"}]');
  await page.waitForFunction(row => !row?.isConnected, old);
  await row(page, "one").waitFor();
  await raj.say("two");
  await row(page, "two").waitFor();
  assert.deepEqual(await rows(page), ["one", "two"]);
  tell('["reset",{"room":"unheard-of"}]');
  tell('["nonsense",null]');
  await raj.say("three");
  await row(page, "three").waitFor();
});

test("where a node was put back to an earlier state, a page shows what stands there now, and still sends what it had to say", async t => {
  const node = await spawnNode(t, { NODE_NAME: "attic" });
  // Under any name but localhost: there Socket.IO does not hear that the browser is offline, and frames may hold up the end.
  const page = await join(t, `http://127.0.0.1:${node.port}`, "Ana", { ignore: AWAY });
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  await raj.say("kept");
  await row(page, "kept").waitFor();
  await node.kill("SIGTERM");
  const backup = temporaryDirectory(t);
  cpSync(node.dataDir, backup, { recursive: true });
  const restart = () => spawnNode(t, { NODE_NAME: "attic", PORT: String(node.port), DATA_DIR: node.dataDir });
  const second = await restart();
  await bar(page).waitFor({ state: "detached" });
  await say(page, "lost");
  await row(page, "lost").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await page.context().setOffline(true);
  await second.kill("SIGTERM");
  rmSync(node.dataDir, { recursive: true });
  cpSync(backup, node.dataDir, { recursive: true });
  const third = await restart();
  const again = await connect(t, third, { token: raj.welcome.token });
  await again.join("lobby");
  for (const text of ["other", "more"]) await again.say(text);
  await bar(page).waitFor();
  await say(page, "waiting");
  await page.context().setOffline(false);
  await row(page, "waiting").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.deepEqual(await rows(page), ["kept", "other", "more", "waiting"]);
});

test("a page that is cut off because it lagged comes back by itself, and misses nothing", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const { page, tell, hangUp } = await tapped(t, node);
  await raj.say("one");
  await row(page, "one").waitFor();
  tell('["lagging",{}]');
  hangUp();
  await raj.say("two");
  await raj.say("three");
  await row(page, "three").waitFor();
  assert.deepEqual(await rows(page), ["one", "two", "three"]);
});

test("what is delivered twice is shown once, and where something is missing it is fetched", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const page = await join(t, node.url, "Ana");
  const frames: string[] = [];
  let lose = false;
  let wire: WebSocketRoute | undefined;
  await page.routeWebSocket(/socket\.io/, route => {
    wire = route;
    const server = route.connectToServer();
    route.onMessage(message => server.send(message));
    server.onMessage(message => {
      const batch = String(message).startsWith('42["batch"');
      if (batch) frames.push(String(message));
      if (!(batch && lose)) route.send(message);
    });
  });
  await page.reload();
  await page.getByRole("log").waitFor();
  await raj.say("one");
  await row(page, "one").waitFor();
  lose = true;
  await raj.say("two");
  await raj.say("three");
  lose = false;
  await raj.say("four");
  await row(page, "four").waitFor();
  for (const frame of frames) wire?.send(frame);
  await raj.say("five");
  await row(page, "five").waitFor();
  assert.deepEqual(await rows(page), ["one", "two", "three", "four", "five"]);
});

test("where a proxy breaks WebSocket, a page sends and receives by long polling", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  let broken = 0;
  const proxy = createServer(near => {
    const far = dial(node.port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    far.pipe(near);
    near.on("data", piece => {
      if (!piece.includes("transport=websocket")) return void far.write(piece);
      broken++;
      near.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  cleanUp(t, () => proxy.close());
  const { port } = proxy.address() as { port: number };
  const page = await join(t, `http://127.0.0.1:${port}`, "Ana", { ignore: AWAY });
  await raj.say("said there");
  await row(page, "said there").waitFor();
  await say(page, "written here");
  await row(page, "written here").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  assert.ok(broken > 0, "nothing broke");
});
