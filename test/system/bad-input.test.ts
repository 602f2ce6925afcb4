/** Whatever a stranger sends: a coded refusal, nothing stored, the process alive, and nobody else the wiser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { v7 as uuid } from "uuid";
import { Dealer, Publisher } from "zeromq";
import { encode } from "../../core/envelope.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { newNode, spawnNode } from "../helpers/node.ts";

const NESTED_ARRAYS = Buffer.concat(Array.from({ length: 20 }, () => Buffer.from([0xdd, 0x01, 0xff, 0xff, 0xff])));

test("each bad message is refused under its code, and nothing is stored", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Raj" })];
  await ana.join("lobby");
  await raj.join("lobby");
  await ana.ask("chat:room", { name: "ops" });
  const before = await node.log.digest();
  const text = (body: unknown, more: object = {}) => ["text", { room: "lobby", body, ...more }] as const;
  const cases: [string, readonly [string, unknown]][] = [
    ["unknown-type", ["no-such-type", { room: "lobby", body: {} }]],
    ["unknown-type", ["__proto__", { room: "lobby", body: {} }]],
    ["unknown-type", ["constructor", { room: "lobby", body: {} }]],
    ["unknown-type", ["toString", { room: "lobby", body: {} }]],
    ["unknown-type", ["", { room: "lobby", body: {} }]],
    ["unknown-type", ["x".repeat(10_000), { room: "lobby", body: {} }]],
    ["invalid", ["text", "no object"]],
    ["invalid", ["text", null]],
    ["invalid", ["text", [1, 2]]],
    ["invalid", text(undefined)],
    ["invalid", text("hello")],
    ["invalid", text({ text: 7 })],
    ["invalid", text({ text: "" })],
    ["invalid", text({ text: " \n\t " })],
    ["invalid", text({ text: "a\u0000b" })],
    ["invalid", text({ text: "lone \ud800 surrogate" })],
    ["invalid", text(JSON.parse('{"__proto__": {"text": "inherited"}}'))],
    ["too-large", text({ text: "x".repeat(8_001) })],
    ["too-large", text({ text: "字".repeat(100_000) })],
    ["too-large", text({ text: "😀".repeat(8_001) })],
    ["invalid", text({ text: "ok" }, { id: "no uuid" })],
    ["invalid", text({ text: "ok" }, { id: 5 })],
    ["invalid", text({ text: "ok" }, { ref: {} })],
    ["invalid", text({ text: "ok" }, { ref: "x".repeat(65) })],
    ["unknown-room", text({ text: "ok" }, { room: "no-such-room" })],
    ["unknown-room", text({ text: "ok" }, { room: "__proto__" })],
    ["unknown-room", text({ text: "ok" }, { room: "constructor" })],
    ["unknown-room", text({ text: "ok" }, { room: "chat:facts" })],
    ["unknown-room", text({ text: "ok" }, { room: 7 })],
    ["unknown-room", text({ text: "ok" }, { room: undefined })],
    ["not-in-room", text({ text: "ok" }, { room: "ops" })],
    ["not-allowed", ["status", { body: { id: "me" } }]],
    ["invalid", ["presence", { body: { status: "everywhere" } }]],
    ["invalid", ["typing", { room: "lobby", body: { typing: "yes" } }]],
    ["invalid", ["redact", { room: "lobby", ref: "no id", body: {} }]],
    ["invalid", ["redact", { room: "lobby", body: {} }]],
    ["unknown-room", ["join", { room: "nowhere" }]],
    ["unknown-room", ["join", { room: "chat:facts" }]],
    ["unknown-room", ["join", { room: "__proto__" }]],
    ["invalid", ["join", {}]],
    ["invalid", ["join", { room: "lobby", cursor: { short: 1 } }]],
    ["invalid", ["join", { room: "lobby", cursor: {}, last: { short: "x" } }]],
    ["invalid", ["join", { room: "lobby", cursor: {}, last: { aaaaaaaaaaaaaaaa: 1 } }]],
    ["invalid", ["join", { room: "lobby", cursor: {}, last: { aaaaaaaaaaaaaaaa: "x".repeat(65) } }]],
    ["invalid", ["join", { room: "lobby", cursor: {}, last: "x" }]],
    ["invalid", ["join", { room: "lobby", cursor: { aaaaaaaaaaaaaaaa: -1 } }]],
    ["invalid", ["join", { room: "lobby", cursor: { aaaaaaaaaaaaaaaa: 1.5 } }]],
    ["unknown-room", ["history", { room: "chat:facts" }]],
    ["invalid", ["history", { room: "lobby", limit: 1e9 }]],
    ["invalid", ["history", { room: "lobby", before: "a", after: "b" }]],
    ["not-found", ["history", { room: "lobby", before: "no such key" }]],
    ["not-found", ["history", { room: "lobby", ref: uuid() }]],
    ["invalid", ["chat:fault", { plugin: "text" }]],
    ["invalid", ["chat:fault", { plugin: ["text"], why: "no luck", stack: "" }]],
    ["invalid", ["chat:fault", { plugin: "text", why: "x".repeat(301), stack: "" }]],
    ["invalid", ["chat:fault", { plugin: "text", why: "no luck", stack: "x".repeat(8_193) }]],
    ["unknown-type", ["chat:fault", { plugin: "__proto__", why: "no luck", stack: "" }]],
  ];
  for (const [code, [event, payload]] of cases) {
    const answer = await ana.ask(event, payload);
    assert.deepEqual(
      [answer.ok, answer.code],
      [false, code],
      `${event.slice(0, 40)} ${JSON.stringify(payload).slice(0, 80)}`,
    );
    assert.ok(answer.message, "a refusal has words");
  }
  assert.equal(await node.log.digest(), before);
  assert.equal(raj.messages().length, 0);
});

/** JSON that is close to what the protocol asks for, and wrong in at least one place. */
function hostileEvents(): fc.Arbitrary<[string, unknown]> {
  const names = fc.constantFrom(
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "batch",
    "welcome",
    "state",
    "error",
    "ping",
  );
  const junk = fc.oneof({ weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, { weight: 1, arbitrary: names });
  const room = fc.oneof(fc.constant("lobby"), junk);
  const badText = fc.oneof(junk, fc.record({ text: fc.oneof(fc.constant(""), fc.integer(), fc.constant("\u0000")) }));
  return fc.oneof(
    fc.tuple(fc.oneof(names, fc.string()), junk),
    fc.tuple(fc.constant("text"), fc.record({ id: junk, room, body: badText, ref: junk }, { requiredKeys: [] })),
    fc.tuple(
      fc.constant("text"),
      fc.record({ id: fc.string(), room: fc.constant("lobby"), body: fc.constant({ text: "fine" }) }),
    ),
    fc.tuple(fc.constant("redact"), fc.record({ room, ref: junk, body: junk }, { requiredKeys: [] })),
    fc.tuple(fc.constantFrom("status", "presence", "typing"), fc.record({ room, body: junk }, { requiredKeys: [] })),
    fc.tuple(
      fc.constantFrom("join", "history"),
      fc.record({ room, cursor: junk, last: junk, before: junk, limit: junk }, { requiredKeys: [] }),
    ),
    fc.tuple(
      fc.constant("chat:room"),
      fc.record({
        name: fc.oneof(
          fc.integer(),
          fc.constant("\u202e"),
          names.map(() => "__proto__"),
        ),
      }),
    ),
    fc.tuple(
      fc.constant("chat:fault"),
      fc.record({ plugin: fc.oneof(fc.constant("text"), junk), why: fc.string(), stack: fc.oneof(fc.string(), junk) }),
    ),
    fc.tuple(fc.constantFrom("chat:link", "chat:logout"), fc.oneof(fc.integer(), fc.constant([]), fc.constant(null))),
  );
}

test("100,000 hostile events leave the process alive and the log as it was", async t => {
  const node = await newNode(t);
  const eve = await connect(t, node, { name: "Eve" });
  const ana = await connect(t, node, { name: "Ana" });
  await eve.join("lobby");
  await ana.join("lobby");
  const kept = await ana.say("before");
  await ana.until(() => ana.messages().length === 1);
  const before = await node.log.digest();
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const ours = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);
  let sent = 0;
  while (sent < 100_000) {
    const events = fc.sample(hostileEvents(), { numRuns: 200, seed: seed + sent });
    for (const [event, payload] of events) if (!ours.has(event)) eve.socket.emit(event, payload);
    sent += events.length;
    // An answer to the last one says that all before it were handled.
    const last = await eve.ask("text", { room: "lobby", body: { text: "" } });
    assert.equal(last.code, "invalid");
  }
  assert.equal(await node.log.digest(), before);
  assert.deepEqual(
    ana.messages().map(({ id }) => id),
    [kept.id],
  );
  await ana.say("after");
});

test("frames that are no frames end their own connection and no other", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const junk: (string | Uint8Array<ArrayBuffer>)[] = [
    "9",
    "4",
    "42",
    "42[",
    '42["text"',
    '42["text",{"room":"lobby"},"no function"]',
    '42{"a":1}',
    "451-[]",
    '40{"name":7}',
    '42["__proto__"]',
    '42[["text"],{}]',
    "x".repeat(1_000),
    "\u0000",
    new Uint8Array([0xdd, 1, 255, 255, 255]),
    `42${"[".repeat(5_000)}`,
  ];
  for (const frame of junk) {
    const socket = new WebSocket(`ws://127.0.0.1:${node.port}/socket.io/?EIO=4&transport=websocket`);
    cleanUp(t, () => socket.close());
    await new Promise(resolve => socket.addEventListener("open", resolve));
    socket.send('40{"name":"Junk"}');
    socket.send(frame);
    socket.send("3");
  }
  await assert.rejects(connect(t, node, { name: [] }), { code: "invalid" });
  await assert.rejects(connect(t, node, { name: "Eve", types: Array(300).fill("x") }), { code: "invalid" });
  await ana.say("still here");
  await ana.until(() => ana.messages().length === 1);
});

test("a frame of 10 MB costs its sender the connection, and nobody else anything", async t => {
  const node = await newNode(t);
  const [ana, eve] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Eve" })];
  await ana.join("lobby");
  eve.socket.emit("text", { room: "lobby", body: { text: "x".repeat(10 * 1024 * 1024) } });
  await eve.until(() => eve.events.some(([event]) => event === "disconnect"));
  assert.equal(ana.socket.connected, true);
  await ana.say("fine");
});

test("hostile frames on the bus are refused, and the node serves on", async t => {
  const node = await spawnNode(t);
  await node.ready();
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("before");
  const dealer = new Dealer({ linger: 0 });
  const publisher = new Publisher({ linger: 0 });
  cleanUp(t, () => {
    dealer.close();
    publisher.close();
  });
  dealer.connect(`tcp://127.0.0.1:${node.zmqPort}`);
  const hello = encode([
    1,
    "hello",
    {
      info: { id: "x", boot: "y", name: "z", version: "1", hosts: ["::bad::"], port: 1, pubPort: 1 },
      known: [],
      heads: [],
      asks: true,
    },
  ]);
  const frames: Uint8Array[] = [
    Buffer.alloc(0),
    Buffer.from("junk"),
    NESTED_ARRAYS,
    Buffer.from([0xc6, 0x06, 0x40, 0x00, 0x00]),
    Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(1024 * 1024, 0x91),
    hello.subarray(0, hello.length - 3),
    hello,
    encode([99, "hello", {}]),
    encode([1, "__proto__", {}]),
    encode([1, "constructor", {}]),
    encode([1, "batch", { id: "x", envelopes: [[1, 2, 3]] }]),
    encode([1, "pull", { origin: "x".repeat(63), after: 0 }]),
    encode([1, "pulled", { id: "x", origin: "y", envelopes: "none" }]),
    encode([
      1,
      "signal",
      { id: "x", type: "typing", version: 1, room: "lobby", author: "a", authorName: "b", at: 1, body: NESTED_ARRAYS },
    ]),
    encode([1, "state", { id: "x", delta: { boot: "b", base: -1, version: 1, entries: [] } }]),
    encode([1, "snapshotPlease", {}]),
    encode([1, "bye", { id: "x", boot: "y" }]),
  ];
  for (const frame of frames) await dealer.send(frame);
  await dealer.send(encode([1, "ping", { at: 1 }]));
  // The answer to the last one says that all before it were handled.
  const answers: string[] = [];
  for await (const [answer] of dealer) {
    answers.push(String(answer));
    if (String(answer).includes("pong")) break;
  }
  assert.ok(answers.length >= 1);
  await node.logged("a frame was refused");
  assert.equal((await ana.join("lobby")).messages.length, 1);
  await ana.say("after");
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
});
