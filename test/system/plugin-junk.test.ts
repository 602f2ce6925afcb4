// biome-ignore-all lint/suspicious/noThenProperty: junk
/** Plugins that throw, return junk, wait for ever or take long: they cost one message, and the node says which and where. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { encode } from "../../core/envelope.ts";
import { type AnyServerPlugin, type NodeFigures, Reject, type ServerContext } from "../../core/plugin.ts";
import { Calls, GIVE_UP_MS, HOOKS, SLOW_MS } from "../../core/plugins/calls.ts";
import { Faults } from "../../core/plugins/faults.ts";
import { CALL, CALLS, newMarks } from "../../core/plugins/marks.ts";
import { Registry, type Type } from "../../core/registry.ts";
import plugins from "../../plugins/server.ts";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";
import { stillTime } from "../helpers/time.ts";

type Changes = { message?: object; hooks?: object };

/** A type that works but for what a test changes. */
function note({ message, hooks }: Changes, kind = "log"): AnyServerPlugin {
  const sound = { type: "note", version: 1, kind, parse: (input: unknown) => input, summary: () => "a note" };
  const made = Object.create({ receive: (input: unknown) => input }, Object.getOwnPropertyDescriptors(hooks ?? {}));
  return { message: { ...sound, ...(kind === "state" && { key: () => "k" }), ...message }, hooks: () => made } as never;
}

async function serving(t: TestContext, plugin: AnyServerPlugin, more: AnyServerPlugin[] = []) {
  const lines: string[] = [];
  const log = (_: object, line: string) => void lines.push(line);
  const node = await newNode(t, {}, [...plugins, plugin, ...more], { info() {}, warn: log, error: log });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  return { node, ana, lines };
}

const fail = () => {
  throw new TypeError("secret");
};
const circle: { self?: object } = {};
circle.self = circle;
const hostile = new Proxy({}, { get: fail, ownKeys: fail, has: fail, getPrototypeOf: fail });
const late = async () => fail();
const thenable = () => ({ then: fail });

// biome-ignore format: a table
const JUNK: [what: string, changes: Changes, kind?: string][] = [
  ["parse throws", { message: { parse: fail } }],
  ["parse throws undefined", { message: { parse: () => { throw undefined; } } }],
  ["parse throws a proxy from hell", { message: { parse: () => { throw hostile; } } }],
  ["parse throws a refusal of no code", { message: { parse: () => { throw new Reject("secret" as "invalid"); } } }],
  ["parse throws a refusal with a BigInt in it", { message: { parse: () => { throw new Reject("invalid", "secret", { retryAfterMs: 5n as never }); } } }],
  ["parse is asynchronous", { message: { parse: late } }],
  ["parse returns a thenable", { message: { parse: thenable } }],
  ["parse returns a proxy from hell", { message: { parse: () => hostile } }],
  ["check throws", { message: { check: fail } }],
  ["check is asynchronous", { message: { check: late } }],
  ["summary throws", { message: { summary: fail } }],
  ["summary is no text", { message: { summary: () => ({}) } }],
  ["summary is asynchronous", { message: { summary: late } }],
  ["pack throws", { message: { pack: fail, unpack: () => ({}) } }],
  ["pack gives no bytes", { message: { pack: () => "secret", unpack: () => ({}) } }],
  ["pack gives nothing", { message: { pack: () => undefined, unpack: () => ({}) } }],
  ["pack is asynchronous", { message: { pack: late, unpack: () => ({}) } }],
  ["unpack throws", { message: { pack: () => encode(1), unpack: fail } }],
  ["unpack is asynchronous", { message: { pack: () => encode(1), unpack: late } }],
  ["unpack gives what no browser can be told", { message: { pack: () => encode(1), unpack: () => circle } }],
  ["blobs throws", { message: { blobs: fail } }],
  ["blobs is no list", { message: { blobs: () => "secret" } }],
  ["blobs is asynchronous", { message: { blobs: late } }],
  ["blobs is nothing", { message: { blobs: () => undefined } }],
  ["receive throws", { hooks: { receive: fail } }],
  ["receive rejects", { hooks: { receive: late } }],
  ["receive returns nothing", { hooks: { receive: () => undefined } }],
  ["receive returns nothing, later", { hooks: { receive: async () => undefined } }],
  ["receive returns a thenable", { hooks: { receive: thenable } }],
  ["receive returns a promise of hell", { hooks: { receive: () => Object.assign(late(), { then: fail }) } }],
  ["a signal's body is a BigInt", { hooks: { receive: () => 1n }, message: { pack: () => encode(1), unpack: () => 1 } }, "signal"],
  ["a signal's pack throws", { message: { pack: fail, unpack: () => 1 } }, "signal"],
  ["key throws", { message: { key: fail } }, "state"],
  ["key is an object", { message: { key: () => ({}) } }, "state"],
  ["key is asynchronous", { message: { key: late } }, "state"],
  ["key is nothing", { message: { key: () => undefined } }, "state"],
];

for (const [what, changes, kind] of JUNK)
  test(`where ${what}, that message is refused, and the node goes on`, async t => {
    const { node, ana, lines } = await serving(t, note(changes, kind));
    const before = await node.log.digest();
    const answer = await ana.ask("note", { room: "lobby", body: { a: 1 } });
    assert.equal(answer.ok, false);
    assert.equal(answer.code, "plugin-failed", JSON.stringify(answer));
    assert.equal(answer.message, "“note” failed on this node; nothing was stored");
    assert.equal(await node.log.digest(), before, "nothing is stored");
    const told = lines.filter(line => line.includes("“note” failed"));
    assert.equal(told.length, 1, told.join("\n"));
    assert.ok(await ana.say("still here"));
  });

const REFUSED: [what: string, receive: () => unknown][] = [
  ["a function", () => ({ f() {} })],
  ["a BigInt", () => ({ n: 1n })],
  ["what refers to itself", () => circle],
  ["what no MessagePack can bring", () => ({ date: new Date(0) })],
];
for (const [what, receive] of REFUSED)
  test(`where receive returns ${what}, that message is refused as a form that cannot be kept`, async t => {
    const { ana } = await serving(t, note({ hooks: { receive } }));
    assert.equal((await ana.ask("note", { room: "lobby", body: {} })).code, "invalid");
    assert.ok(await ana.say("still here"));
  });

test("a merge that fails costs that value, and neither the others nor the node", async t => {
  let merge: () => unknown = () => ({ merged: true });
  const { ana, node } = await serving(t, note({ message: { merge: () => merge() } }, "state"));
  let names = 0;
  for (const junk of [fail, () => undefined, late, () => ({ n: 1n }), () => circle, () => hostile]) {
    merge = junk;
    assert.equal((await ana.ask("note", { body: {} })).ok, true);
    const { state } = (await connect(t, node, { name: `Raj ${++names}` })).welcome;
    assert.equal(
      state.some(({ type }) => type === "note"),
      false,
    );
    assert.ok(
      state.some(({ type }) => type === "presence"),
      "others are there",
    );
  }
});

// biome-ignore format: a table
const DELIVERIES: [what: string, delivered: unknown][] = [
  ["no list", { body: 1 }],
  ["nothing", undefined],
  ["a promise", late],
  ["a thenable", thenable],
  ["a list of nothing", [null, undefined, 5, "secret"]],
  ["no address", [{ body: {} }]],
  ["an address that is none", [{ body: {}, to: "lobby" }, { body: {}, to: { room: 5 } }, { body: {}, to: { room: "lobby", session: "a" } }]],
  ["a room that there is none of", [{ body: {}, to: { room: "nowhere" } }, { body: {}, to: { room: "__proto__" } }]],
  ["a log message to all", [{ body: {}, to: "all" }, { body: {}, to: { session: "any" } }]],
  ["an id that is none", [{ body: {}, to: { room: "lobby" }, id: "1" }, { body: {}, to: { room: "lobby" }, id: 1 }]],
  ["a ref that is none", [{ body: {}, to: { room: "lobby" }, ref: "1" }]],
  ["the end of a value that is none", [{ body: null, key: "k" }, { body: {}, key: 5 }]],
  ["a body that cannot be kept", [{ body: circle, to: { room: "lobby" } }, { body: hostile, to: { room: "lobby" } }]],
  ["a proxy from hell", [hostile]],
];

test("junk that is delivered is a fault, and costs neither what is delivered beside it nor other plugins", async t => {
  let delivered: unknown = [];
  const value = () => (typeof delivered === "function" ? delivered() : delivered);
  const good = { body: { good: true }, to: { room: "lobby" } };
  const { ana, node, lines } = await serving(t, note({ hooks: { joined: value } }), [
    { ...note({ hooks: { joined: () => [good] } }), message: { ...note({}).message, type: "other" } },
  ]);
  let joined = 0;
  for (const [what, junk] of DELIVERIES) {
    lines.length = 0;
    delivered = Array.isArray(junk) ? [good, ...junk, good] : junk;
    const before = ana.messages("lobby").length;
    const raj = await connect(t, node, { name: `Raj ${++joined}` });
    const expected = Array.isArray(junk) ? ["note", "note", "other"] : ["other"];
    await ana.until(() => ana.messages("lobby").length >= before + expected.length, what);
    assert.deepEqual(
      ana
        .messages("lobby")
        .slice(before)
        .map(({ type }) => type),
      expected,
      what,
    );
    raj.socket.disconnect();
  }
  const figures = await figuresOf(ana);
  assert.ok(figures.faults.some(({ plugin, why }) => plugin === "note" && why.startsWith("joined of “note”: ")));
});

test("a mark that is delivered without a ref is a fault", async t => {
  const mark = { body: {}, to: { room: "lobby" } };
  const { ana } = await serving(t, note({ message: { role: "mark" }, hooks: { joined: () => [mark] } }));
  const { faults } = await figuresOf(ana);
  assert.match(faults.find(({ plugin }) => plugin === "note")?.why ?? "", /no ref/);
});

test("what a hook delivers is kept in its order", async t => {
  const sent = Array.from({ length: 50 }, (_, n) => ({ body: { n }, to: { room: "lobby" } }));
  const { node, ana } = await serving(t, note({ hooks: { joined: () => sent } }));
  await connect(t, node, { name: "Raj" });
  await ana.until(() => ana.messages("lobby").length >= 50);
  const last = ana
    .messages("lobby")
    .slice(-50)
    .map(({ body }) => (body as { n: number }).n);
  assert.deepEqual(
    last,
    sent.map((_, n) => n),
  );
});

/** What the node says of itself in the cluster's state. */
async function figuresOf(client: Awaited<ReturnType<typeof connect>>): Promise<NodeFigures> {
  return client.until(() => {
    const value = [...client.state.values()].find(({ type, body }) => type === "status" && body);
    const figures = value?.body as NodeFigures | undefined;
    return figures && figures.faults.length > 0 && figures;
  }, "the node says that there are faults");
}

/** A type of a registry in which time passes only as the test says. */
function still(changes: Changes) {
  const { time, pass } = stillTime();
  let elapsed = 0;
  const faults = new Faults();
  const lines: string[] = [];
  const slow: [string, string, number][] = [];
  const calls = new Calls({
    faults,
    time: { elapsed: () => elapsed, after: time.after },
    warn: (_, line) => void lines.push(line),
    slow: (type, hook, ms) => void slow.push([type, hook, ms]),
  });
  const take = (ms: number) => {
    elapsed += ms;
  };
  return { calls, faults, lines, slow, take, pass, type: new Registry([note(changes)], calls).get("note") as Type };
}

test("each call that keeps the node waiting is counted, told at most once a minute, and the longest is kept", () => {
  let tookMs = 0;
  const { faults, lines, slow, take, type } = still({ message: { parse: () => take(tookMs) } });
  for (tookMs of [SLOW_MS, 80, 300, 60]) type.parse({});
  assert.deepEqual(slow, [
    ["note", "parse", 80],
    ["note", "parse", 300],
    ["note", "parse", 60],
  ]);
  assert.deepEqual(lines, ["“note” kept this node waiting for 80 ms in parse"]);
  assert.deepEqual(faults.list(), [{ plugin: "note", why: "parse of “note” took 300 ms" }]);
  take(60_000);
  type.parse({});
  assert.equal(lines.length, 2);
});

test("a hook that does not settle within 10 s is given up, unless the node is fetching something for it", async () => {
  const { type, pass, faults } = still({ hooks: { receive: () => new Promise(() => {}) } });
  let fetching = true;
  const given = assert.rejects(type.hooks.receive?.({}, {} as never, () => fetching) as Promise<unknown>, {
    code: "plugin-failed",
  });
  pass(GIVE_UP_MS);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(faults.list(), []);
  fetching = false;
  pass(GIVE_UP_MS);
  await given;
  assert.match(faults.list()[0]?.why ?? "", /did not settle within 10000 ms/);
});

test("what fails again and again is told once a minute, with its place in the plugin's own sources", () => {
  const { type, lines, faults, take } = still({ message: { parse: inPlugin } });
  for (let again = 0; again < 100; again++) assert.throws(() => type.parse({}), { code: "plugin-failed" });
  assert.deepEqual(lines, ["“note” failed in parse (plugins/note/message.ts:12): broken"]);
  assert.deepEqual(faults.list(), [
    { plugin: "note", why: "parse of “note”: broken", where: "plugins/note/message.ts:12" },
  ]);
  take(60_000);
  assert.throws(() => type.parse({}));
  assert.equal(lines.length, 2);
});

function inPlugin() {
  const error = new Error("broken");
  error.stack = `Error: broken\n    at helper (/srv/chat/core/values.ts:3:1)\n    at parse (file:///srv/chat/plugins/note/message.ts:12:9)`;
  throw error;
}

test("the list of faults keeps the newest of each plugin and hook, and 64 at most", () => {
  const faults = new Faults();
  for (let n = 0; n < 100; n++) faults.add({ plugin: `p${n % 80}`, hook: "parse", why: `${n}` });
  const kept = faults.list();
  assert.equal(kept.length, 64);
  assert.deepEqual(kept.at(-1), { plugin: "p19", why: "99" });
  assert.equal(kept.filter(({ plugin }) => plugin === "p19").length, 1);
});

test("another thread sees which call runs, also within another, and how many began", () => {
  const seen: unknown[] = [];
  const look = (where: string) => {
    const { [CALL]: call = 0, [CALLS]: begun } = marks;
    seen.push([where, call === 0 ? undefined : HOOKS[(call - 1) % HOOKS.length], begun]);
  };
  const marks = newMarks();
  const { calls, type } = still({
    message: { parse: () => look("in parse") },
    hooks: {
      receive() {
        type.parse({});
        look("in receive");
        return 1;
      },
    },
  });
  calls.seenBy({ marks, types: () => {} });
  type.parse({});
  look("between");
  type.hooks.receive?.({}, {} as ServerContext as never, () => false);
  look("after");
  assert.deepEqual(seen, [
    ["in parse", "parse", 1],
    ["between", undefined, 1],
    ["in parse", "parse", 3],
    ["in receive", "receive", 3],
    ["after", undefined, 3],
  ]);
});
