// biome-ignore-all lint/suspicious/noThenProperty: junk
/** What plugins answer below `/x/<type>`, asked over real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type TestContext, test } from "node:test";
import { v5 as uuidOf } from "uuid";
import {
  type Delivery,
  defineMessage,
  defineServer,
  Reject,
  type WebAnswer,
  type WebRequest,
} from "../../core/plugin.ts";
import { ANSWER_WITHIN_MS, MAX_BODY_BYTES } from "../../core/webhooks.ts";
import plugins from "../../plugins/server.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer } from "../helpers/node.ts";
import { raw, request } from "../helpers/request.ts";

type Answering = (request: WebRequest) => unknown;

/** A type whose route does what a test says. */
function noteWith(answer: Answering, type = "note") {
  const message = defineMessage<{ text: string }>({
    type,
    version: 1,
    kind: "log",
    parse(input) {
      if (typeof (input as { text?: unknown })?.text !== "string") throw new Reject("invalid", "a note has a text");
      return { text: (input as { text: string }).text };
    },
    summary: ({ text }) => text,
  });
  return defineServer(message, { request: asked => answer(asked) as WebAnswer });
}

const mute = defineServer(
  defineMessage({ type: "mute", version: 1, kind: "signal", parse: () => ({}), summary: () => "nothing" }),
  {},
);

async function serving(t: TestContext, answer: Answering, settings: Record<string, string> = {}) {
  const lines: [object, string][] = [];
  const log = (details: object, line: string) => void lines.push([details, line]);
  const logger = { info() {}, warn: log, error: log };
  const node = await newNode(t, settings, [...plugins, noteWith(answer), mute], logger);
  return { node, lines, at: (path: string) => `${node.url}/x/note${path}` };
}

test("a plugin is told of a request all but its cookies, and answers as a sandboxed text that nobody keeps", async t => {
  const seen: WebRequest[] = [];
  const { at } = await serving(t, asked => {
    seen.push(asked);
    return { status: 201, body: "héllo" };
  });
  const answer = await request(at("/deep/er?a=1&a=2"), {
    method: "PATCH",
    headers: { Cookie: "token=secret", Authorization: "Bearer abc", "X-Thing": "1", "Content-Length": "4" },
    body: "body",
  });
  assert.equal(answer.status, 201);
  assert.equal(answer.body, "héllo");
  const { headers } = answer;
  assert.equal(headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["content-security-policy"], "sandbox");
  assert.equal(headers["cache-control"], "no-store");
  assert.equal(headers["set-cookie"], undefined);
  const [asked] = seen as [WebRequest];
  assert.equal(asked.method, "PATCH");
  assert.equal(asked.path, "/deep/er");
  assert.deepEqual(asked.query.getAll("a"), ["1", "2"]);
  assert.equal(Buffer.from(asked.body).toString(), "body");
  assert.equal(asked.headers.cookie, undefined);
  assert.equal(asked.headers.authorization, "Bearer abc");
  assert.equal(asked.headers["x-thing"], "1");
});

test("any method comes through, the bare address is “/”, and 204 with nothing is answered unless said", async t => {
  const seen: string[] = [];
  const { at } = await serving(t, ({ method, path }) => {
    seen.push(`${method} ${path}`);
    return {};
  });
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"]) {
    const { status, body, headers } = await request(at(""), { method });
    assert.deepEqual([status, body, headers["content-type"]], [204, "", undefined], method);
  }
  assert.deepEqual(seen, ["GET /", "HEAD /", "POST /", "PUT /", "DELETE /", "OPTIONS /", "PROPFIND /"]);
});

test("below a base path the route is found there, and nowhere else", async t => {
  const { node } = await serving(t, ({ path }) => ({ body: path }), { BASE_PATH: "/chat" });
  const { origin } = new URL(node.url);
  assert.equal((await request(`${origin}/chat/x/note/a`)).body, "/a");
  assert.equal((await request(`${origin}/x/note/a`)).status, 404);
});

test("a type that is unknown, or answers nothing, is not found", async t => {
  const { node } = await serving(t, () => ({}));
  for (const path of ["/x/", "/x/nobody", "/x/mute", "/x/mute/a", "/x/__proto__", "/x/constructor/", "/x//note"]) {
    const { status, body } = await request(node.url + path, { method: "POST", body: "{}" });
    assert.equal(status, 404, path);
    assert.equal(JSON.parse(body).code, "not-found", path);
  }
});

test("a body may have 1 MB; one that says more is refused at once, and one that has more before its end", async t => {
  let called = 0;
  const { node, at } = await serving(t, ({ body }) => {
    called++;
    return { body: String(body.length) };
  });
  const whole = await fetch(at("/"), { method: "POST", body: Buffer.alloc(MAX_BODY_BYTES) });
  assert.equal(await whole.text(), String(MAX_BODY_BYTES));

  const declared = connectTcp(node.port, "127.0.0.1");
  cleanUp(t, () => declared.destroy());
  declared.write(`POST /x/note HTTP/1.1\r\nHost: a\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`);
  const [refusal] = await once(declared, "data");
  assert.match(String(refusal), /^HTTP\/1\.1 413 .*too-large/s);

  const endless = connectTcp(node.port, "127.0.0.1");
  cleanUp(t, () => endless.destroy());
  endless.on("error", () => {});
  endless.write("POST /x/note HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const chunk = Buffer.alloc(65_536, "x");
  for (let sent = 0; sent <= MAX_BODY_BYTES; sent += chunk.length) endless.write(`10000\r\n${chunk}\r\n`);
  const [late] = await once(endless, "data");
  assert.match(String(late), /^HTTP\/1\.1 413 .*too-large/s);
  assert.equal(called, 1, "the plugin hears of what it can have whole only");
});

test("who asks before sending is told to go on, and is refused without where the body is too large", async t => {
  const { node } = await serving(t, ({ body }) => ({ body: String(body.length) }));
  const socket = connectTcp(node.port, "127.0.0.1");
  cleanUp(t, () => socket.destroy());
  socket.write("PUT /x/note HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 100 /);
  socket.write("ab");
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 200 /);
  const refused = await raw(
    node.port,
    `PUT /x/note HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${2 * MAX_BODY_BYTES}\r\n\r\n`,
  );
  assert.match(refused, /^HTTP\/1\.1 413 /);
});

test("what it sends is committed before the answer goes out, on every node, and once under one id", async t => {
  const id = uuidOf("one", uuidOf.URL);
  const { node, at } = await serving(t, ({ query }) => {
    const note = (text: string, more: object = {}): Delivery => ({ body: { text }, to: { room: "lobby" }, ...more });
    return { status: 202, send: query.has("twice") ? [note("first", { id })] : [note("a"), note("b"), note("c")] };
  });
  const other = await newNode(t, peer(node), [...plugins, noteWith(() => ({}))]);
  const raj = await connect(t, other, { name: "Raj" });
  await raj.join("lobby");
  assert.equal((await request(at("/"), { method: "POST" })).status, 202);
  const ana = await connect(t, node, { name: "Ana" });
  const { messages } = await ana.join("lobby");
  assert.deepEqual(
    messages.map(({ body }) => (body as { text: string }).text),
    ["a", "b", "c"],
  );
  assert.deepEqual(messages[0]?.author, { id: "plugin:note", name: "note" });
  for (let again = 0; again < 3; again++) assert.equal((await request(at("/?twice"))).status, 202);
  await raj.until(() => raj.messages("lobby").length === 4);
  const texts = raj.messages("lobby").map(({ alt, body }) => alt ?? (body as { text: string }).text);
  assert.deepEqual(texts, ["a", "b", "c", "first"]);
});

test("a refusal of the hook is answered as it is, under the status of its code", async t => {
  const { at } = await serving(t, ({ query }) => {
    throw new Reject(query.get("code") as "invalid", "not like this", { retryAfterMs: 1_500 });
  });
  const table = {
    invalid: 400,
    "not-allowed": 403,
    "not-found": 404,
    "unknown-room": 404,
    "too-large": 413,
    "rate-limited": 429,
    "name-required": 400,
    overloaded: 503,
  };
  for (const [code, status] of Object.entries(table)) {
    const answer = await request(at(`/?code=${code}`));
    assert.equal(answer.status, status, code);
    assert.deepEqual(JSON.parse(answer.body), { ok: false, code, message: "not like this", retryAfterMs: 1_500 });
    assert.equal(answer.headers["retry-after"], "2");
    assert.equal(answer.headers["content-security-policy"], "sandbox");
  }
});

const endless = {
  get status(): number {
    throw new Error("secret");
  },
};
// biome-ignore format: a table
const JUNK: [what: string, answer: Answering][] = [
  ["throws", () => { throw new TypeError("secret"); }],
  ["throws nothing", () => { throw undefined; }],
  ["throws what cannot be shown", () => { throw { toString() { throw 1; } }; }],
  ["rejects", async () => { throw new Error("secret"); }],
  ["refuses under a code that there is none of", () => { throw new Reject("secret" as "invalid"); }],
  ["answers nothing", () => undefined],
  ["answers nothing, later", async () => null],
  ["answers a text", () => "secret"],
  ["answers a status that is none", () => ({ status: 1000 })],
  ["answers a status on the way", () => ({ status: 101 })],
  ["answers a status that is no number", () => ({ status: "200" })],
  ["answers a body that is an object", () => ({ body: { secret: 1 } })],
  ["answers a type with a line feed", () => ({ body: "x", type: "text/html\r\nSet-Cookie: a=secret" })],
  ["answers a type that is none", () => ({ body: "x", type: "secret" })],
  ["answers with a getter that throws", () => endless],
  ["answers a thenable", () => ({ then() { throw new Error("secret"); } })],
  ["answers a thenable that never ends, later", () => ({ then(done: (self: object) => void) { done(this); } })],
  ["sends no list", () => ({ send: { body: 1 } })],
  ["sends nothing to nobody", () => ({ send: [null] })],
  ["sends to a room that there is none of", () => ({ send: [{ body: { text: "x" }, to: { room: "secret" } }] })],
  ["sends to all", () => ({ send: [{ body: { text: "x" }, to: "all" }] })],
  ["sends to nobody", () => ({ send: [{ body: { text: "x" } }] })],
  ["sends under an id that is none", () => ({ send: [{ body: { text: "x" }, to: { room: "lobby" }, id: "secret" }] })],
  ["refers to what is no id", () => ({ send: [{ body: { text: "x" }, to: { room: "lobby" }, ref: "secret" }] })],
  ["sends a body that its type refuses", () => ({ send: [{ body: { text: 1 }, to: { room: "lobby" } }] })],
  ["sends one that is good, and one that is not", () => ({ send: [{ body: { text: "x" }, to: { room: "lobby" } }, {}] })],
];

test("whatever else a hook does is its plugin's failure: nothing of it is sent, told to outsiders, or harms the node", async t => {
  let answer: Answering = () => ({});
  const { node, lines, at } = await serving(t, asked => answer(asked));
  const before = await node.log.digest();
  for (const [what, junk] of JUNK) {
    answer = junk;
    const answered = await request(at("/"), { method: "POST", body: "{}" });
    assert.equal(answered.status, 500, what);
    const { code, message } = JSON.parse(answered.body);
    assert.equal(code, "plugin-failed", what);
    assert.match(message, /“note”/);
    assert.doesNotMatch(answered.body, /secret/, what);
    assert.equal(answered.headers["set-cookie"], undefined);
  }
  answer = () => ({ body: "well" });
  assert.equal((await request(at("/"))).body, "well");
  assert.equal(await node.log.digest(), before);
  const told = lines.filter(([, line]) => line.startsWith("“note” failed in request"));
  assert.ok(told.length > 0 && told.length < JUNK.length, "in the log, and not each time");
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  const counted = metrics.split("\n").filter(line => line.startsWith("chat_plugin_failures_total{"));
  assert.deepEqual(counted, [`chat_plugin_failures_total{type="note",hook="request"} ${JUNK.length}`]);
});

test("a hook that does not settle is given up after 10 s, and so is a body that does not come", {
  timeout: 60_000,
}, async t => {
  const { node, at } = await serving(t, ({ query }) => (query.has("hang") ? new Promise(() => {}) : {}));
  const began = performance.now();
  const slow = connectTcp(node.port, "127.0.0.1");
  cleanUp(t, () => slow.destroy());
  slow.write("POST /x/note HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  const [hanging, [stalled]] = await Promise.all([request(at("/?hang")), once(slow, "data")]);
  assert.equal(hanging.status, 500);
  assert.equal(JSON.parse(hanging.body).code, "plugin-failed");
  assert.match(String(stalled), /^HTTP\/1\.1 408 /);
  assert.ok(performance.now() - began >= ANSWER_WITHIN_MS - 100);
  assert.equal((await request(at("/"))).status, 204);
});

test("only so many requests are answered at a time, and whoever comes then is told to come again", async t => {
  const waiting: (() => void)[] = [];
  const { at } = await serving(t, () => new Promise(resolve => waiting.push(() => resolve({}))));
  const refused = Promise.withResolvers<void>();
  const answers: number[] = [];
  const crowd = Array.from({ length: 40 }, async () => {
    const { status, headers } = await request(at("/"));
    if (status === 429) assert.equal(headers["retry-after"], "1");
    answers.push(status);
    if (answers.length === 24) refused.resolve();
  });
  await Promise.race([refused.promise, Promise.all(crowd)]);
  assert.deepEqual(answers, Array(24).fill(429));
  for (const go of waiting) go();
  await Promise.all(crowd);
  assert.deepEqual(answers.slice(24), Array(16).fill(204));
  assert.equal(waiting.length, 16);
});

test("what the disk refuses is answered with 503, and so the program that asks comes again", async t => {
  const { node, at } = await serving(t, () => ({ send: [{ body: { text: "x" }, to: { room: "lobby" } }] }));
  await node.log.close();
  const { status, body } = await request(at("/"), { method: "POST" });
  assert.equal(status, 503, body);
  assert.equal(JSON.parse(body).ok, false);
});
