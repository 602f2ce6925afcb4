/** A node behind proxies: under a path, told of the client's address, and through a real nginx. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { type TestContext, test } from "node:test";
import type { Given } from "../../core/settings.ts";
import { hashOf, put, webm } from "../helpers/blobs.ts";
import { newPage } from "../helpers/browser.ts";
import { issue } from "../helpers/certificates.ts";
import { join, row, say } from "../helpers/chat.ts";
import { type ConnectOptions, connect } from "../helpers/client.ts";
import { type Nginx, newNginx, noNginx } from "../helpers/nginx.ts";
import { newNode, peer, temporaryDirectory } from "../helpers/node.ts";
import { request } from "../helpers/request.ts";

const BASE = { BASE_PATH: "/chat" };
const TRUSTED = { TRUST_PROXY: "loopback" };

test("under a base path everything is below it, and the way there is shown", async t => {
  const node = await newNode(t, BASE);
  const root = `http://localhost:${node.port}`;
  assert.equal(node.url, `${root}/chat`);
  for (const [path, status, to] of [
    ["/", 307, "/chat/"],
    ["/?link=x", 307, "/chat/?link=x"],
    ["/chat", 307, "/chat/"],
    ["/chat?a=b", 307, "/chat/?a=b"],
    ["/chat/", 200],
    ["/chat/healthz", 200],
    ["/chat/readyz", 200],
    ["/chat/metrics", 200],
    ["/healthz", 200],
    ["/readyz", 200],
    ["/metrics", 200],
    ["/chatter", 404],
    ["/chat/chat/", 404],
    ["/index.html", 404],
    ["/socket.io/?EIO=4&transport=polling", 404],
    ["/%73ocket.io/", 404],
    ["//evil.example/chat", 307, "/chat/"],
    ["/chat/socket.io/?EIO=4&transport=polling", 200],
  ] as const) {
    const answer = await request(`${root}${path}`);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.location, to, path);
  }
  const page = await request(`${node.url}/`);
  const assets = [...page.body.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, asset]) => asset as string);
  assert.ok(assets.length > 2);
  for (const asset of assets) {
    assert.equal((await request(new URL(asset, `${node.url}/`).href)).status, 200, asset);
    assert.equal((await request(new URL(asset, `${root}/`).href)).status, 404, `${asset} at the root`);
  }
});

test("without a base path nothing is sent anywhere", async t => {
  const node = await newNode(t);
  for (const [path, status] of [
    ["", 200],
    ["/healthz", 200],
    ["/chat", 404],
    ["/%73ocket.io/", 404],
  ] as const)
    assert.equal((await request(`${node.url}${path}`)).status, status, path);
});

test("clients say the path under which Socket.IO is found", async t => {
  const node = await newNode(t, BASE);
  for (const transport of ["websocket", "polling"]) {
    const client = await connect(t, node, { name: transport }, { path: "/chat/socket.io/", transports: [transport] });
    await client.join("lobby");
    await client.say("hello");
  }
  await assert.rejects(connect(t, node, { name: "Ana" }, {}), "not at the root");
});

test("the authority of a node under a path is found under it, over plain HTTP, too", async t => {
  const node = await newNode(t, { ...BASE, TLS: "self-signed" });
  const plain = `http://localhost:${node.port}`;
  assert.equal((await request(`${plain}/chat/ca`)).status, 200);
  assert.equal((await request(`${plain}/chat/ca.crt`)).body, node.authority?.certificate);
  assert.equal((await request(`${plain}/ca`)).headers.location, `https://localhost:${node.port}/ca`);
});

/** Whether a second name can be claimed from the same address, when the header says that it is another. */
async function claimsTwice(t: TestContext, settings: Given, first: string, second: string): Promise<boolean> {
  const node = await newNode(t, { ...settings, CLAIM_LIMIT: "1" });
  const from = (forwarded: string): ConnectOptions => ({ headers: { "X-Forwarded-For": forwarded } });
  await connect(t, node, { name: "Ana" }, from(first));
  return connect(t, node, { name: "Ben" }, from(second)).then(
    () => true,
    (error: { code?: string }) => {
      assert.equal(error.code, "rate-limited");
      return false;
    },
  );
}

test("a trusted proxy says whose claims are counted", async t => {
  assert.equal(await claimsTwice(t, TRUSTED, "203.0.113.7", "203.0.113.8"), true);
  assert.equal(await claimsTwice(t, TRUSTED, "203.0.113.7", "203.0.113.7"), false);
});

test("what a client writes into the header itself is not believed: neither before a proxy's word nor without a proxy", async t => {
  assert.equal(await claimsTwice(t, TRUSTED, "198.51.100.1, 203.0.113.7", "198.51.100.2, 203.0.113.7"), false);
  assert.equal(await claimsTwice(t, {}, "203.0.113.7", "203.0.113.8"), false);
  assert.equal(await claimsTwice(t, { TRUST_PROXY: "10.0.0.0/8" }, "203.0.113.7", "203.0.113.8"), false);
});

test("rooms are counted by the same address", async t => {
  const node = await newNode(t, { ...TRUSTED, CLAIM_LIMIT: "2" });
  const ana = await connect(t, node, { name: "Ana" }, { headers: { "X-Forwarded-For": "203.0.113.7" } });
  const ben = await connect(t, node, { name: "Ben" }, { headers: { "X-Forwarded-For": "203.0.113.8" } });
  assert.equal((await ana.ask("chat:room", { name: "one" })).ok, true);
  assert.equal((await ana.ask("chat:room", { name: "two" })).code, "rate-limited");
  assert.equal((await ben.ask("chat:room", { name: "three" })).ok, true);
});

test("a page of the host that a proxy was asked for comes in, if the proxy is trusted", async t => {
  const options = {
    origin: "https://chat.example",
    headers: { "X-Forwarded-Host": "chat.example", "X-Forwarded-Proto": "https" },
  };
  const trusting = await newNode(t, TRUSTED);
  const other = await newNode(t);
  for (const transports of [["websocket"], ["polling"]]) {
    await connect(t, trusting, { name: transports.join() }, { ...options, transports });
    await assert.rejects(connect(t, other, { name: transports.join() }, { ...options, transports }));
    await assert.rejects(
      connect(t, trusting, { name: "Eve" }, { ...options, transports, origin: "https://evil.example" }),
    );
  }
});

/** The recommended configuration with the prefix taken off before the node sees it. */
const stripped = (text: string) =>
  text
    .replace("location /chat {", "location /chat/ {")
    .replace("proxy_pass http://127.0.0.1:5002;", "proxy_pass http://127.0.0.1:5002/;");
const withoutUpgrade = (text: string) => text.replace(/^ *proxy_set_header (Upgrade|Connection) .*\n/gm, "");

const WAYS: [what: string, settings: Given, edit: (text: string) => string][] = [
  ["keeps the path", BASE, text => text],
  ["strips the path", {}, stripped],
];

for (const [what, settings, edit] of WAYS) {
  test(`nginx that ${what}: both transports, probes, and only pages of its own`, { skip: noNginx }, async t => {
    const node = await newNode(t, { ...settings, ...TRUSTED });
    const { port } = await newNginx(t, node.port, edit);
    const url = `http://127.0.0.1:${port}`;
    const options = { url, path: "/chat/socket.io/", origin: url };
    for (const transport of ["websocket", "polling"]) {
      const client = await connect(t, node, { name: transport }, { ...options, transports: [transport] });
      assert.equal(client.socket.io.engine.transport.name, transport);
      await client.join("lobby");
      await client.say(`over ${transport}`);
      const evil = { ...options, transports: [transport], origin: "http://evil.example" };
      await assert.rejects(connect(t, node, { name: "Eve" }, evil));
    }
    assert.equal((await request(`${url}/chat/readyz`)).status, 200);
    const redirected = await request(`${url}/chat`);
    assert.equal(new URL(redirected.headers.location ?? "", `${url}/chat`).href, `${url}/chat/`);
  });

  test(`a page behind nginx that ${what} is whole, and comes back after nginx did`, { skip: noNginx }, async t => {
    const node = await newNode(t, { ...settings, ...TRUSTED });
    const nginx = await newNginx(t, node.port, edit);
    await livesThroughARestart(t, nginx, node);
  });
}

/** Everything that a person does in a page under /chat has to be found there. */
async function livesThroughARestart(
  t: TestContext,
  nginx: Nginx,
  node: { port: number; zmqPort: number },
): Promise<void> {
  const url = `http://127.0.0.1:${nginx.port}/chat/`;
  const page = await join(t, url, "Ana", { ignore: [/WebSocket connection/, /net::ERR_/] });
  const elsewhere = await newNode(t, peer(node));
  const ben = await connect(t, elsewhere, { name: "Ben" });
  await ben.join("lobby");
  const heard = (text: string) =>
    ben.until(() => ben.messages().find(({ body }) => (body as { text: string }).text === text));
  await say(page, "Hello from below");
  await heard("Hello from below");
  await ben.say("Hello from elsewhere");
  await row(page, "Hello from elsewhere").waitFor();

  await page.getByRole("button", { name: "Ana" }).first().click();
  await page.getByRole("button", { name: "Link another device" }).click();
  await page.getByRole("img", { name: /QR/ }).locator("path").waitFor();
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  assert.ok(link.startsWith(`${url}#link=`), link);
  await page.keyboard.press("Escape");
  const phone = await newPage(t, link, { language: "zh-CN", ignore: [/WebSocket connection/, /net::ERR_/] });
  await row(phone, "Hello from elsewhere").waitFor();
  assert.equal(phone.url(), url);

  await nginx.stop();
  await page.getByText(/^Reconnecting to/).waitFor();
  await say(page, "Written in between");
  await nginx.start();
  await heard("Written in between");
  await ben.say("And back");
  for (const each of [page, phone]) await row(each, "And back").waitFor();
  await page.reload();
  await row(page, "And back").waitFor();
}

test("where nginx passes no upgrade on, a page gets along by polling", { skip: noNginx }, async t => {
  const node = await newNode(t, { ...BASE, ...TRUSTED });
  const { port } = await newNginx(t, node.port, withoutUpgrade);
  const page = await join(t, `http://127.0.0.1:${port}/chat/`, "Ana", { ignore: [/WebSocket connection/] });
  const ben = await connect(t, node, { name: "Ben" }, { path: "/chat/socket.io/" });
  await ben.join("lobby");
  await say(page, "the slow way");
  await ben.until(() => ben.messages().length > 0);
  await ben.say("and back");
  await row(page, "and back").waitFor();
});

test("behind nginx it is its clients whose claims are counted, whatever they write of themselves", {
  skip: noNginx,
}, async t => {
  const node = await newNode(t, { ...BASE, TRUST_PROXY: "127.0.0.1", CLAIM_LIMIT: "1" });
  const { port } = await newNginx(t, node.port);
  let claims = 0;
  const claim = (localAddress: string, forged: string) => {
    const options = { url: `http://127.0.0.1:${port}`, path: "/chat/socket.io/", localAddress };
    return connect(t, node, { name: `guest ${++claims}` }, { ...options, headers: { "X-Forwarded-For": forged } });
  };
  await claim("127.0.0.2", "203.0.113.7");
  await claim("127.0.0.3", "203.0.113.7");
  await assert.rejects(claim("127.0.0.2", "203.0.113.8"), { code: "rate-limited" });
});

test("nginx may speak TLS for the node", {
  skip: noNginx,
}, async t => {
  const pair = await issue();
  const directory = temporaryDirectory(t);
  for (const name of ["cert", "key"] as const) writeFileSync(joinPath(directory, `${name}.pem`), pair[name]);
  const node = await newNode(t, { ...BASE, ...TRUSTED });
  const { port } = await newNginx(t, node.port, text =>
    text.replace(
      "listen 80;",
      `listen 80 ssl; ssl_certificate ${directory}/cert.pem; ssl_certificate_key ${directory}/key.pem;`,
    ),
  );
  const url = `https://localhost:${port}`;
  const options = { url: `https://127.0.0.1:${port}`, path: "/chat/socket.io/", ca: pair.ca };
  const origin = `https://127.0.0.1:${port}`;
  for (const transports of [["websocket"], ["polling"]]) {
    const client = await connect(t, node, { name: transports.join() }, { ...options, origin, transports });
    await client.join("lobby");
    const evil = { ...options, transports, origin: "https://evil.example" };
    await assert.rejects(connect(t, node, { name: "Eve" }, evil));
  }
  const page = await join(t, `${url}/chat/`, "Ana", { trust: true });
  await say(page, "Nobody reads along");
  assert.equal(await page.evaluate(() => isSecureContext), true);
});

test("behind a real nginx files come in and go out, larger ones than it takes unless told, and parts of them", {
  skip: noNginx,
}, async t => {
  const node = await newNode(t, { ...BASE, ...TRUSTED });
  const { port } = await newNginx(t, node.port);
  const url = `http://127.0.0.1:${port}/chat`;
  const { welcome } = await connect(
    t,
    node,
    { name: "Ana" },
    { url: `http://127.0.0.1:${port}`, path: "/chat/socket.io/" },
  );
  const bytes = webm(16 * 1024 * 1024);
  const { status, answer } = await put(url, welcome.token, bytes, { Origin: `http://127.0.0.1:${port}` });
  assert.deepEqual([status, answer.hash], [201, hashOf(bytes)]);
  const headers = { Authorization: `Bearer ${welcome.token}`, Range: "bytes=-100" };
  const part = await fetch(`${url}/blobs/${answer.hash}`, { headers });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), Buffer.from(bytes.subarray(-100)));
});
