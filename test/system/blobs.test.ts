/** Files that people send, and hostile ones: over HTTP, into messages, and off the disk again. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, utimesSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectTcp, createServer } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import * as v from "valibot";
import { defineMessage, defineServer, parseWith } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { filesIn, flipBit, hashOf, put, smallDisk, webm } from "../helpers/blobs.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { type Client, connect } from "../helpers/client.ts";
import { command, converged, type NodeProcess, newNode, peer, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { raw, request } from "../helpers/request.ts";

const MB = 1024 * 1024;
const blobsOf = ({ dataDir }: { dataDir: string }) => join(dataDir, "blobs");
const ticketOf = ({ welcome }: Client) => (welcome as unknown as { ticket: string }).ticket;

async function withAna(t: TestContext, settings = {}, types = plugins) {
  const node = await newNode(t, settings, types);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const { token } = ana.welcome;
  const get = (hash: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(`${node.url}/blobs/${hash}`, { method, headers: { Authorization: `Bearer ${token}`, ...headers } });
  return { node, ana, token, get, send: (bytes: Uint8Array, headers = {}) => put(node.url, token, bytes, headers) };
}

/** Two nodes that know each other. */
async function pair(t: TestContext) {
  const one = await newNode(t);
  const two = await newNode(t, peer(one));
  await Promise.all([one.ready, two.ready]);
  await until(() => one.nodes().length === 2 && two.nodes().length === 2, "they know each other");
  return [one, two] as const;
}

/** Resolves when `holds` is true. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not come about: ${what}`);
    await sleep(10);
  }
}

/** An upload of which a beginning is sent, and then nothing until the test says so. */
async function begun(t: TestContext, node: { port: number }, token: string, length: number, first: Uint8Array) {
  const sent = httpRequest({
    port: node.port,
    host: "127.0.0.1",
    path: "/blobs",
    method: "PUT",
    agent: false,
    headers: { Authorization: `Bearer ${token}`, "Content-Length": length },
  });
  cleanUp(t, () => sent.destroy());
  sent.on("error", () => {});
  const response = once(sent, "response").then(
    ([response]) => response as IncomingMessage,
    () => undefined,
  );
  sent.write(first);
  return { sent, response };
}

test("what one person sends another one gets, byte for byte, with its type, for ever", async t => {
  const { node, send, get } = await withAna(t);
  const bytes = webm(300_000);
  const hash = hashOf(bytes);
  const first = await send(bytes, { "Content-Type": "text/html" });
  assert.deepEqual([first.status, first.answer], [201, { ok: true, hash, size: 300_000, type: "video/webm" }]);
  const second = await send(bytes);
  assert.deepEqual([second.status, second.answer], [200, first.answer]);
  assert.deepEqual(filesIn(blobsOf(node)), [join(hash.slice(0, 2), hash)]);
  const bo = await connect(t, node, { name: "Bo" });
  const got = await fetch(`${node.url}/blobs/${hash}?ticket=${ticketOf(bo)}`);
  assert.equal(got.status, 200);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
  const headers = {
    "content-type": "video/webm",
    "content-length": "300000",
    etag: `"${hash}"`,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "content-disposition": "inline",
    "referrer-policy": "no-referrer",
  };
  for (const [name, value] of Object.entries(headers)) assert.equal(got.headers.get(name), value, name);
  const head = await get(hash, {}, "HEAD");
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  for (const [name, value] of Object.entries(headers)) assert.equal(head.headers.get(name), value, name);
});

test("a part is answered with 206, what lies outside with 416, and what is known with 304", async t => {
  const { send, get } = await withAna(t);
  const bytes = webm(1_000);
  const { hash } = (await send(bytes)).answer;
  for (const [range, from, to] of [
    ["bytes=0-0", 0, 1],
    ["bytes=100-199", 100, 200],
    ["bytes=900-", 900, 1_000],
    ["bytes=-10", 990, 1_000],
    ["bytes=990-5000", 990, 1_000],
  ] as const) {
    const got = await get(hash, { Range: range });
    assert.equal(got.status, 206, range);
    assert.equal(got.headers.get("content-range"), `bytes ${from}-${to - 1}/1000`);
    assert.equal(got.headers.get("content-length"), String(to - from));
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), Buffer.from(bytes.subarray(from, to)));
  }
  for (const range of [
    "bytes=1000-",
    "bytes=-0",
    "bytes=--1",
    "bytes=20-10",
    "bytes=-5-5",
    `bytes=${"9".repeat(400)}-`,
  ]) {
    const got = await get(hash, { Range: range });
    assert.equal(got.status, 416, range);
    assert.equal(got.headers.get("content-range"), "bytes */1000");
    assert.equal(got.headers.get("cache-control"), "no-store");
    assert.equal(((await got.json()) as { code: string }).code, "invalid");
  }
  for (const range of ["bytes=0-1,5-6", "bytes=0-500,250-750", `bytes=${"0-,".repeat(3_000)}0-`, "items=0-1"]) {
    const got = await get(hash, { Range: range });
    assert.deepEqual([got.status, (await got.arrayBuffer()).byteLength], [200, 1_000], range.slice(0, 30));
  }
  const tooMany = await get(hash, { Range: `bytes=${"0-,".repeat(10_000)}0-` });
  assert.equal(tooMany.status, 431);
  for (const known of [`"${hash}"`, `W/"${hash}"`, `"other", "${hash}"`, "*"]) {
    const got = await get(hash, { "If-None-Match": known });
    assert.deepEqual([got.status, await got.text(), got.headers.get("etag")], [304, "", `"${hash}"`], known);
  }
  assert.equal((await get(hash, { "If-None-Match": '"other"' })).status, 200);
  assert.equal((await get(hash, { "If-Range": `"${hash}"`, Range: "bytes=0-1" })).status, 206);
  assert.equal((await get(hash, { "If-Range": '"other"', Range: "bytes=0-1" })).status, 200);
  const head = await get(hash, { Range: "bytes=0-1" }, "HEAD");
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "1000"]);
});

test("without a session nobody sends or gets anything, and a ticket opens blobs only, as long as its session lasts", async t => {
  const { node, ana, token, send } = await withAna(t);
  const { hash } = (await send(webm())).answer;
  const ticket = ticketOf(ana);
  const status = async (path: string, init: RequestInit = {}) => (await fetch(`${node.url}${path}`, init)).status;
  assert.match(ticket, /^[0-9a-f]{64}$/);
  assert.notEqual(ticket, token);
  assert.equal(await status(`/blobs/${hash}?ticket=${ticket}`), 200);
  for (const query of [
    "",
    "?ticket=",
    `?ticket=${"0".repeat(64)}`,
    `?ticket=${token}`,
    "?ticket=__proto__",
    `?token=${token}`,
  ])
    assert.equal(await status(`/blobs/${hash}${query}`), 401, query);
  for (const authorization of [
    "Bearer",
    "Bearer nobody",
    `Basic ${token}`,
    `Bearer ${ticket}`,
    `Bearer ${"x".repeat(5_000)}`,
  ])
    assert.equal(await status(`/blobs/${hash}`, { headers: { Authorization: authorization } }), 401, authorization);
  assert.equal(await status(`/blobs?ticket=${ticket}`, { method: "PUT", body: webm() as unknown as BodyInit }), 401);
  const refused = await fetch(`${node.url}/blobs/${hash}`);
  assert.equal(refused.headers.get("www-authenticate"), "Bearer");
  assert.equal(((await refused.json()) as { code: string }).code, "session-unknown");
  await assert.rejects(connect(t, node, { token: ticket }), { code: "session-unknown" });
  await ana.ask("chat:logout");
  assert.equal(await status(`/blobs/${hash}?ticket=${ticket}`), 401);
  assert.equal(await status(`/blobs/${hash}`, { headers: { Authorization: `Bearer ${token}` } }), 401);
});

test("pages of this cluster may ask from wherever they came, and pages of others may not", async t => {
  const { node, token, send } = await withAna(t, { PUBLIC_URL: "https://chat.example" });
  const { hash } = (await send(webm())).answer;
  for (const [path, methods] of [
    ["/blobs", "PUT"],
    [`/blobs/${hash}`, "GET, HEAD"],
  ] as const)
    for (const origin of [new URL(node.url).origin, "https://chat.example"]) {
      const { status, headers } = await request(`${node.url}${path}`, {
        method: "OPTIONS",
        headers: { Origin: origin },
      });
      assert.equal(status, 204);
      assert.equal(headers["access-control-allow-origin"], origin);
      assert.equal(headers["access-control-allow-methods"], methods);
      assert.match(String(headers["access-control-allow-headers"]), /authorization.*range/);
      assert.equal(headers.vary, "Origin");
    }
  const authorization = { Authorization: `Bearer ${token}` };
  const own = await request(`${node.url}/blobs/${hash}`, {
    headers: { ...authorization, Origin: "https://chat.example" },
  });
  assert.deepEqual([own.status, own.headers["access-control-allow-origin"]], [200, "https://chat.example"]);
  assert.match(String(own.headers["access-control-expose-headers"]), /Content-Range/);
  for (const method of ["OPTIONS", "GET", "PUT"])
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
      const path = method === "PUT" ? "/blobs" : `/blobs/${hash}`;
      const { status, headers, body } = await request(`${node.url}${path}`, {
        method,
        headers: { ...authorization, Origin: origin },
      });
      assert.equal(status, 403, `${method} ${origin}`);
      assert.equal(headers["access-control-allow-origin"], undefined);
      assert.equal(JSON.parse(body).code, "not-allowed");
    }
  assert.equal(filesIn(blobsOf(node)).length, 1);
});

test("a session, its ticket and its page are good on every node", async t => {
  const [one, two] = await pair(t);
  const ana = await connect(t, one, { name: "Ana" });
  await converged(one, two);
  const { hash } = (await put(two.url, ana.welcome.token, webm())).answer;
  assert.equal((await fetch(`${two.url}/blobs/${hash}?ticket=${ticketOf(ana)}`)).status, 200);
  const { urls } = ana.welcome.nodes.find(({ id }) => id === one.id) as { urls: string[] };
  for (const Origin of urls.map(url => new URL(url).origin)) {
    const { status, headers } = await request(`${two.url}/blobs`, { method: "OPTIONS", headers: { Origin } });
    assert.deepEqual([status, headers["access-control-allow-origin"]], [204, Origin]);
  }
  await ana.ask("chat:logout");
  await converged(one, two);
  assert.equal((await fetch(`${two.url}/blobs/${hash}?ticket=${ticketOf(ana)}`)).status, 401);
});

test("a node that does not know yet who has a session says so, and not that there is none", async t => {
  // Nobody answers there, and nobody refuses: it waits.
  const mute = createServer(() => {}).listen(0, "127.0.0.1");
  cleanUp(t, () => mute.close());
  await once(mute, "listening");
  const node = await newNode(t, peer({ zmqPort: (mute.address() as { port: number }).port }));
  const ask = () => fetch(`${node.url}/blobs/${"a".repeat(64)}`, { headers: { Authorization: "Bearer somebody" } });
  const early = await ask();
  assert.deepEqual([early.status, ((await early.json()) as { code: string }).code], [503, "not-ready"]);
  await node.ready;
  assert.equal((await ask()).status, 401);
});

test("whatever stands where a hash belongs is refused, and so is every other method", async t => {
  const { node, token, get } = await withAna(t);
  const authorization = `Authorization: Bearer ${token}\r\n`;
  for (const path of [
    "/blobs/",
    "/blobs/x",
    "/blobs/../log.db",
    "/blobs/%2e%2e%2flog.db",
    "/blobs/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/blobs//etc/passwd",
    "/blobs/incoming",
    `/blobs/${"A".repeat(64)}`,
    `/blobs/${"a".repeat(64)}%00`,
    `/blobs/${"a".repeat(64)}/..`,
    `/blobs/aa/${"a".repeat(64)}`,
    `/blobs/${"a".repeat(63)}%0a`,
    "/blobs/__proto__",
    "/blobs/%ff",
  ]) {
    const answer = await raw(node.port, `GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization}Connection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 40[045] /, path);
    assert.ok(!answer.includes("SQLite") && !answer.includes("root:"), path);
  }
  const unknown = await get("a".repeat(64));
  assert.equal(unknown.status, 404);
  assert.equal(((await unknown.json()) as { code: string }).code, "not-found");
  assert.equal(unknown.headers.get("cache-control"), "no-store");
  for (const [method, path] of [
    ["GET", "/blobs"],
    ["POST", "/blobs"],
    ["DELETE", `/blobs/${"a".repeat(64)}`],
    ["PUT", `/blobs/${"a".repeat(64)}`],
  ] as const)
    assert.equal((await fetch(`${node.url}${path}`, { method })).status, 405, `${method} ${path}`);
});

test("hostile files are kept as what they are, and never as a page", async t => {
  const { send, get } = await withAna(t);
  const bomb = gzipSync(Buffer.alloc(50 * MB));
  const cases: [what: string, bytes: Buffer, disposition: string][] = [
    ["a page that is called WebM", Buffer.from("<!doctype html><script>alert(1)</script>"), "attachment"],
    [
      "a picture with a script in it",
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
      "attachment",
    ],
    ["a GIF that is a script, too", Buffer.from("GIF89a/*\x01\x00*/=1;alert(1)//"), "inline"],
    ["WebM with a page behind it", Buffer.concat([webm(100), Buffer.from("<script>alert(1)</script>")]), "inline"],
    ["a bomb", bomb, "attachment"],
    ["WebM that was cut short", webm(40).subarray(0, 20), "attachment"],
    ["a program", Buffer.from("\x7fELF\x02\x01\x01"), "attachment"],
    ["one byte", Buffer.from("x"), "attachment"],
  ];
  for (const [what, bytes, disposition] of cases) {
    const { status, answer } = await send(bytes, { "Content-Type": "video/webm" });
    assert.equal(status, 201, what);
    assert.equal(answer.size, bytes.length, what);
    const got = await get(answer.hash);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes, what);
    assert.equal(got.headers.get("content-type"), answer.type);
    assert.doesNotMatch(answer.type, /html|javascript/, what);
    assert.equal(got.headers.get("content-disposition"), disposition, `${what}, ${answer.type}`);
    assert.equal(got.headers.get("x-content-type-options"), "nosniff");
    assert.equal(got.headers.get("content-security-policy"), "sandbox; default-src 'none'");
  }
  assert.equal((await send(Buffer.alloc(0))).answer.code, "invalid");
});

test("a gigabyte against a limit of 16 MB is refused, before a byte of it or soon after, and leaves nothing", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const { token } = ana.welcome;
  const before = memoryOf(node);
  const { sent, response } = await begun(t, node, token, 1024 * MB, Buffer.alloc(1));
  const refused = await response;
  assert.equal(refused?.statusCode, 413);
  assert.equal(((await json(refused as IncomingMessage)) as { code: string }).code, "too-large");
  sent.destroy();

  async function* gigabyte() {
    for (let megabytes = 0; megabytes < 1_024; megabytes++) {
      yield Buffer.alloc(MB);
      sentMb = megabytes + 1;
    }
  }
  let sentMb = 0;
  const streamed = httpRequest({
    port: node.port,
    path: "/blobs",
    method: "PUT",
    agent: false,
    headers: { Authorization: `Bearer ${token}` },
  });
  streamed.on("error", () => {});
  const answered = once(streamed, "response") as Promise<[IncomingMessage]>;
  const over = Promise.race([answered, once(streamed, "close")]);
  let isOver = false;
  void over.then(() => (isOver = true));
  for await (const piece of gigabyte()) {
    if (isOver) break;
    if (!streamed.write(piece)) await Promise.race([new Promise(resolve => streamed.once("drain", resolve)), over]);
  }
  const [answer] = await answered;
  assert.equal(answer.statusCode, 413);
  assert.equal(((await json(answer)) as { code: string }).code, "too-large");
  streamed.destroy();
  assert.ok(sentMb < 1_024, "it was told before it had sent all");
  const grown = memoryOf(node) - before;
  t.diagnostic(`${sentMb} MB were sent; memory grew by ${(grown / MB).toFixed(1)} MB`);
  assert.ok(grown < 100 * MB);
  assert.deepEqual(filesIn(blobsOf(node)), []);
  assert.equal((await put(node.url, token, webm(16 * MB))).status, 201, "the largest that is allowed");
});

test("200 uploads at the same time from one address: 32 are taken, the others told to wait, and what is cut off leaves nothing", async t => {
  const node = await spawnNode(t);
  const tokens: string[] = [];
  for (let index = 0; index < 50; index++) {
    const { welcome, socket } = await connect(t, node, { name: `person ${index}` });
    tokens.push(welcome.token);
    socket.disconnect();
  }
  const before = memoryOf(node);
  const uploads = await Promise.all(
    Array.from({ length: 200 }, (_, index) => begun(t, node, tokens[index % 50] as string, 8 * MB, webm(MB))),
  );
  let refused = 0;
  for (const { response } of uploads)
    void response.then(answer => {
      if (answer?.statusCode === 429 && answer.headers["retry-after"] === "1") refused++;
    });
  await until(() => refused === 168, "168 are refused");
  const incoming = join(blobsOf(node), "incoming");
  await until(() => readdirSync(incoming).length === 32, "32 are on the disk");
  const grown = memoryOf(node) - before;
  t.diagnostic(`memory grew by ${(grown / MB).toFixed(1)} MB`);
  assert.ok(grown < 150 * MB);
  assert.match(await (await fetch(`${node.url}/metrics`)).text(), /^chat_uploads 32$/m);
  for (const { sent } of uploads) sent.destroy();
  await until(() => readdirSync(incoming).length === 0, "nothing is left");
  assert.deepEqual(filesIn(blobsOf(node)), []);
  assert.equal((await put(node.url, tokens[0] as string, webm())).status, 201);
  assert.ok(!node.lines.some(line => line.includes("failed")), "and that is nobody's failure");
  assert.match(await (await fetch(`${node.url}/metrics`)).text(), /^chat_blobs 1$/m);
});

test("who goes away in the middle of a file, or before it begins, leaves nothing open, and nobody has failed", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const { token } = ana.welcome;
  const { hash } = (await put(node.url, token, webm(16 * MB))).answer;
  const opened = () =>
    readdirSync(`/proc/${node.process.pid}/fd`).filter(fd => {
      try {
        return readlinkSync(`/proc/${node.process.pid}/fd/${fd}`).endsWith(hash);
      } catch {
        return false;
      }
    }).length;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const asked = httpRequest(`${node.url}/blobs/${hash}`, {
        agent: false,
        headers: { Authorization: `Bearer ${token}` },
      });
      asked.on("error", () => {}).end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      await once(response, "data");
      response.destroy();
    }),
  );
  for (let index = 0; index < 50; index++) {
    const socket = connectTcp(node.port, "127.0.0.1").on("error", () => {});
    await once(socket, "connect");
    socket.write(`GET /blobs/${hash}?ticket=${ticketOf(ana)} HTTP/1.1\r\nHost: chat\r\n\r\n`);
    socket.resetAndDestroy();
  }
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
  if (process.platform === "linux") await until(() => opened() === 0, "its files are closed");
  assert.ok(!node.lines.some(line => line.includes("failed")), node.lines.join("\n"));
});

test("a person is sent so many files at a time, and the others are sent theirs", async t => {
  const { node, ana, send, get } = await withAna(t);
  const { hash } = (await send(webm(8 * MB))).answer;
  const held = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const socket = connectTcp(node.port, "127.0.0.1").on("error", () => {});
      cleanUp(t, () => socket.destroy());
      socket.write(`GET /blobs/${hash}?ticket=${ticketOf(ana)} HTTP/1.1\r\nHost: chat\r\n\r\n`);
      // Its head has come; the rest is not taken.
      await once(socket, "readable");
      return socket;
    }),
  );
  const refused = await get(hash);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "1"]);
  const bo = await connect(t, node, { name: "Bo" });
  const headers = { Range: "bytes=0-9", Authorization: `Bearer ${bo.welcome.token}` };
  assert.equal((await fetch(`${node.url}/blobs/${hash}`, { headers })).status, 206);
  held[0]?.destroy();
  let status = 429;
  while (status === 429) status = (await get(hash, { Range: "bytes=0-9" })).status;
  assert.equal(status, 206);
});

test("folders that are removed under a node that runs are made anew", async t => {
  const { node, send, get } = await withAna(t);
  await send(webm());
  rmSync(join(blobsOf(node), "incoming"), { recursive: true });
  const { status, answer } = await send(webm());
  assert.equal(status, 201);
  rmSync(blobsOf(node), { recursive: true });
  assert.equal((await get(answer.hash)).status, 404);
  const again = await send(webm());
  assert.deepEqual([again.status, (await get(again.answer.hash)).status], [201, 200]);
});

test("a node that is killed while files come in has none of them after, and takes them anew", async t => {
  const node = await spawnNode(t);
  const { token } = (await connect(t, node, { name: "Ana" })).welcome;
  const kept = (await put(node.url, token, webm(200_000))).answer.hash;
  const bytes = webm(2 * MB);
  await begun(t, node, token, bytes.length, bytes.subarray(0, MB));
  const incoming = join(blobsOf(node), "incoming");
  await until(() => existsSync(incoming) && readdirSync(incoming).length === 1, "it comes in");
  await node.kill("SIGKILL");
  assert.equal(readdirSync(incoming).length, 1);
  const again = await spawnNode(t, { DATA_DIR: node.dataDir });
  assert.deepEqual(filesIn(blobsOf(node)), [join(kept.slice(0, 2), kept)]);
  const { status, answer } = await put(again.url, token, bytes);
  assert.deepEqual([status, answer.hash], [201, hashOf(bytes)]);
});

test("a file is synced to the disk before its sender is answered, as the kernel saw it", async t => {
  if (!existsSync("/usr/bin/strace")) return t.skip("strace is not on this machine");
  const trace = join(temporaryDirectory(t), "trace");
  const calls = "trace=fdatasync,fsync,rename,renameat,renameat2,write,writev,sendto,sendmsg";
  const node = await spawnNode(t, {}, ["strace", "-f", "-y", "-s", "2000", "-e", calls, "-o", trace]);
  const { token } = (await connect(t, node, { name: "Ana" })).welcome;
  const { hash } = (await put(node.url, token, webm())).answer;
  await node.kill("SIGTERM");
  const lines = readFileSync(trace, "utf8").split("\n");
  const at = (pattern: RegExp) => lines.findIndex(line => pattern.test(line));
  const [file, named, folder, answered] = [
    at(/f(data)?sync\(\d+<[^>]*\/blobs\/incoming\/[0-9a-f]{32}>/),
    at(new RegExp(`rename.*incoming.*${hash}`)),
    at(new RegExp(`fsync\\(\\d+<[^>]*/blobs/${hash.slice(0, 2)}>`)),
    at(new RegExp(`\\\\"hash\\\\":\\\\"${hash}`)),
  ];
  assert.ok(file >= 0 && file < named, "the bytes, then the name");
  assert.ok(named < folder && folder < answered, "the folder, then the answer");
});

test("on a disk that is nearly full a file is refused, and leaves nothing; messages are still kept", async t => {
  const disk = smallDisk(t, 24);
  if (!disk) return t.skip("mounting a small disk is not allowed here");
  const { node, ana, send } = await withAna(t, { DATA_DIR: join(disk, "data") });
  assert.equal((await send(webm(10 * MB))).status, 201);
  const refused = await send(webm(15 * MB));
  assert.deepEqual([refused.status, refused.answer.code], [507, "no-space"]);
  assert.equal(filesIn(blobsOf(node)).length, 1);
  await ana.say("still here");
  assert.equal((await send(webm(MB))).status, 201);
});

test("so much an hour is a person's; a wrong setting is refused in one line", async t => {
  const { send } = await withAna(t, { BLOB_LIMIT: "1MB", BLOB_QUOTA: "2MB" });
  assert.equal((await send(webm(MB))).status, 201);
  assert.equal((await send(webm(MB))).status, 201);
  const { status, headers, answer } = await send(webm(MB / 2));
  assert.deepEqual([status, answer.code], [429, "rate-limited"]);
  assert.ok(Number(headers.get("retry-after")) > 800 && Number(headers.get("retry-after")) <= 900);
  const told = await command(temporaryDirectory(t), "serve", "--blob-limit", "1MB", "--blob-quota", "1KB");
  assert.match(told.error, /^web-chat: BLOB_QUOTA is “1024”, and has to be 0, or BLOB_LIMIT \(1048576\) or more/);
});

test("who waits for a word before sending is told to go on, or why not", async t => {
  const { node, token } = await withAna(t, { BLOB_LIMIT: "1KB", BLOB_QUOTA: "0" });
  const ask = (length: number) =>
    `PUT /blobs HTTP/1.1\r\nHost: 127.0.0.1:${node.port}\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
  for (const [length, first] of [
    [1_000, /^HTTP\/1\.1 100 Continue\r\n\r\n$/],
    [2_000, /^HTTP\/1\.1 413 /],
  ] as const) {
    const socket = connectTcp(node.port, "127.0.0.1");
    cleanUp(t, () => socket.destroy());
    socket.write(ask(length));
    const [heard] = (await once(socket, "data")) as [Buffer];
    assert.match(heard.toString(), first);
    if (length > 1_024) continue;
    socket.write(webm(length));
    const [kept] = (await once(socket, "data")) as [Buffer];
    assert.match(kept.toString(), /^HTTP\/1\.1 201 /);
  }
});

const Clip = v.object({ blob: v.string() });
const clip = defineMessage<v.InferOutput<typeof Clip>>({
  type: "clip",
  version: 1,
  kind: "log",
  parse: parseWith(Clip),
  summary: () => "a clip",
  blobs: ({ blob }) => [blob, blob],
});

test("a message refers to files that are here, its plugin reads them, and the log says which", async t => {
  const seen: unknown[] = [];
  const plugin = defineServer(clip, {
    async receive(body, { blob }) {
      const stored = await blob(body.blob);
      seen.push(stored && [stored.hash, stored.size, stored.type, Buffer.from(await stored.read(10, 20))]);
      return body;
    },
  });
  const { node, ana, send } = await withAna(t, {}, [...plugins, plugin]);
  const bytes = webm();
  const { hash } = (await send(bytes)).answer;
  const say = (blob: string) => ana.ask("clip", { room: "lobby", body: { blob } });
  assert.equal((await say("f".repeat(64))).code, "not-found");
  assert.equal((await say("../log.db")).code, "invalid");
  const longAgo = new Date("2020-01-01");
  utimesSync(join(blobsOf(node), hash.slice(0, 2), hash), longAgo, longAgo);
  const { ok, id } = await say(hash);
  assert.equal(ok, true);
  assert.deepEqual(seen, [
    undefined,
    undefined,
    [hash, bytes.length, "video/webm", Buffer.from(bytes.subarray(10, 20))],
  ]);
  assert.deepEqual((await node.log.find(id as string))?.blobs, [hash]);
  const [{ blobs, pos } = { blobs: [], pos: 0 }] = await node.log.blobsReferenced(0, 10);
  assert.deepEqual(blobs, [hash]);
  assert.deepEqual(await node.log.blobsReferenced(pos, 10), []);
});

test("a file that is damaged on the only disk that has it is kept and not served; whoever sends it again puts it right", async t => {
  const found: boolean[] = [];
  const plugin = defineServer(clip, {
    async receive(body, { blob }) {
      found.push((await blob(body.blob)) !== undefined);
      return body;
    },
  });
  const { node, ana, send, get } = await withAna(t, {}, [...plugins, plugin]);
  const bytes = webm(300_000);
  const { hash } = (await send(bytes)).answer;
  assert.equal((await get(hash)).status, 200);
  const path = join(blobsOf(node), hash.slice(0, 2), hash);
  const damaged = flipBit(path);
  for (const headers of [{}, { Range: "bytes=0-9" }, { "If-None-Match": `"${hash}"` }] as Record<string, string>[]) {
    const refused = await get(hash, headers);
    assert.deepEqual([refused.status, refused.headers.get("cache-control")], [503, "no-store"]);
    assert.equal(refused.headers.get("etag"), null);
    assert.equal(((await refused.json()) as { code: string }).code, "blob-damaged");
  }
  assert.equal((await get(hash, {}, "HEAD")).status, 503);
  assert.equal((await ana.ask("clip", { room: "lobby", body: { blob: hash } })).code, "not-found");
  assert.deepEqual(readFileSync(path), damaged);
  const again = await send(bytes);
  assert.deepEqual([again.status, again.answer.hash], [201, hash]);
  assert.deepEqual(Buffer.from(await (await get(hash)).arrayBuffer()), bytes);
  assert.equal((await ana.ask("clip", { room: "lobby", body: { blob: hash } })).ok, true);
  assert.deepEqual(found, [false, true]);
});

test("a file that the disk cannot read any more is damaged", async t => {
  if (!existsSync("/usr/bin/strace")) return t.skip("strace is not on this machine");
  const bytes = webm(300_000);
  const hash = hashOf(bytes);
  const dataDir = temporaryDirectory(t);
  const whole = await newNode(t, { DATA_DIR: dataDir });
  const { token } = (await connect(t, whole, { name: "Ana" })).welcome;
  assert.equal((await put(whole.url, token, bytes)).status, 201);
  await whole.stop();
  const path = join(dataDir, "blobs", hash.slice(0, 2), hash);
  const failing = ["-f", "-P", path, "-e", "inject=read,pread64,preadv:error=EIO"];
  const node = await spawnNode(t, { DATA_DIR: dataDir }, ["strace", "-o", join(dataDir, "trace"), ...failing]);
  const refused = await fetch(`${node.url}/blobs/${hash}`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(((await refused.json()) as { code: string }).code, "blob-damaged");
  await node.kill("SIGTERM");
});

const clips = [...plugins, defineServer(clip, { receive: body => body })];

test("export, import and backup take along what messages refer to, and nothing that is damaged", async t => {
  const { node, ana, token, send } = await withAna(t, {}, clips);
  const [long, short, damaged, orphan] = [webm(700_000), webm(10), webm(), webm()];
  const hashes = [long, short, damaged, orphan].map(hashOf);
  for (const bytes of [long, short, damaged, orphan]) assert.equal((await send(bytes)).status, 201);
  for (const blob of [...hashes.slice(0, 3), hashes[0]])
    assert.equal((await ana.ask("clip", { room: "lobby", body: { blob } })).ok, true);
  const pathOf = (hash = "") => join(blobsOf(node), hash.slice(0, 2), hash);
  truncateSync(pathOf(hashes[2]), 5_000);

  const file = join(temporaryDirectory(t), "archive");
  const exported = await command(node.dataDir, "export", file);
  assert.match(exported.error, /envelopes, 2 blobs exported; not on this node: 1\n$/);
  const empty = temporaryDirectory(t);
  const running = await newNode(t, {}, clips);
  for (const dataDir of [empty, running.dataDir, running.dataDir]) {
    const imported = await command(dataDir, "import", file);
    assert.equal(imported.code, 0, imported.error);
  }
  flipBit(join(blobsOf(running), hashes[0]?.slice(0, 2) ?? "", hashes[0] ?? ""));
  assert.equal((await command(running.dataDir, "import", file)).code, 0);
  const folder = join(temporaryDirectory(t), "copy");
  const backedUp = await command(node.dataDir, "backup", folder);
  assert.match(backedUp.out, /log\.db: \d+ bytes\n.*blobs: 710010 bytes\n$/, backedUp.error);
  assert.equal(filesIn(join(folder, "blobs")).length, 3);

  await node.stop();
  for (const there of [
    running,
    await newNode(t, { DATA_DIR: empty }, clips),
    await newNode(t, { DATA_DIR: folder }, clips),
  ]) {
    const got = await Promise.all(
      hashes.slice(0, 3).map(async hash => {
        const answer = await fetch(`${there.url}/blobs/${hash}`, { headers: { Authorization: `Bearer ${token}` } });
        return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : answer.status;
      }),
    );
    assert.deepEqual(got, [long, short, 404]);
  }
});

/** Resident memory in bytes. */
function memoryOf({ process }: NodeProcess): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(process.pid)], { encoding: "utf8" });
  return Number(stdout) * 1024;
}
