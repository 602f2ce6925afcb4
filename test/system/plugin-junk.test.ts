// biome-ignore-all lint/suspicious/noThenProperty: junk
/** Junk of every form that a hook may throw, return or deliver: it costs that one message, and the node says whose it was. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { encode } from "../../core/envelope.ts";
import { type AnyServerPlugin, type NodeFigures, Reject, type ServerContext, type Session } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { connect, type Joined } from "../helpers/client.ts";
import { converged, newNode, peer } from "../helpers/node.ts";

type Changes = { message?: object; hooks?: object };

/** A type that works but for what a test changes. */
function note({ message, hooks }: Changes, kind = "log", type = "note"): AnyServerPlugin {
  const sound = { type, version: 1, kind, parse: (input: unknown) => input, summary: () => "a note" };
  const made = Object.create({ receive: (input: unknown) => input }, Object.getOwnPropertyDescriptors(hooks ?? {}));
  return { message: { ...sound, ...(kind === "state" && { key: () => "k" }), ...message }, hooks: () => made } as never;
}

async function serving(t: TestContext, ...types: AnyServerPlugin[]) {
  const lines: string[] = [];
  const log = (_: object, line: string) => void lines.push(line);
  const node = await newNode(t, {}, [...plugins, ...types], { info() {}, warn: log, error: log });
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
const gone = () => {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
};
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
  ["pack gives what only looks like bytes", { message: { pack: () => Object.create(Uint8Array.prototype), unpack: () => ({}) } }],
  ["pack gives bytes that are gone", { message: { pack: gone, unpack: () => ({}) } }],
  ["pack is asynchronous", { message: { pack: late, unpack: () => ({}) } }],
  ["unpack throws", { message: { pack: () => encode(1), unpack: fail } }],
  ["unpack is asynchronous", { message: { pack: () => encode(1), unpack: late } }],
  ["unpack gives what no browser can be told", { message: { pack: () => encode(1), unpack: () => circle } }],
  ["unpack gives what fails when it becomes JSON", { message: { check: () => ({ toJSON: fail }) } }],
  ["unpack gives what becomes no JSON", { message: { check: () => ({ toJSON: () => 5n }) } }],
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

test("junk costs that message, and the node goes on", async t => {
  const types = JUNK.map(([, changes, kind], at) => note(changes, kind, `note${at}`));
  const { node, ana, lines } = await serving(t, ...types);
  const before = await node.log.digest();
  for (const [at, [what]] of JUNK.entries())
    await t.test(`where ${what}, it is refused`, async () => {
      const answer = await ana.ask(`note${at}`, { room: "lobby", body: { a: 1 } });
      assert.equal(answer.ok, false);
      assert.equal(answer.code, "plugin-failed", JSON.stringify(answer));
      assert.equal(answer.message, `“note${at}” failed on this node; nothing was stored`);
      assert.equal(await node.log.digest(), before, "nothing is stored");
      const told = lines.filter(line => line.includes(`“note${at}” failed`));
      assert.equal(told.length, 1, told.join("\n"));
    });
  assert.ok(await ana.say("still here"));
});

const REFUSED: [what: string, receive: () => unknown][] = [
  ["a function", () => ({ f() {} })],
  ["a BigInt", () => ({ n: 1n })],
  ["what refers to itself", () => circle],
  ["what no MessagePack can bring", () => ({ date: new Date(0) })],
];
test("what cannot be kept is refused as that, and the node goes on", async t => {
  const types = REFUSED.map(([, receive], at) => note({ hooks: { receive } }, "log", `note${at}`));
  const { ana } = await serving(t, ...types);
  for (const [at, [what]] of REFUSED.entries())
    assert.equal((await ana.ask(`note${at}`, { room: "lobby", body: {} })).code, "invalid", what);
  assert.ok(await ana.say("still here"));
});

test("messages that are packed into one buffer, and unpacked in place, are kept and replicated as they were", async t => {
  const buffer = Buffer.alloc(64);
  const masked = (bytes: Uint8Array) => {
    for (const [at, byte] of bytes.entries()) bytes[at] = byte ^ 0x55;
    return bytes;
  };
  const message = {
    pack: ({ text }: { text: string }) => masked(buffer.subarray(0, buffer.write(text))),
    unpack: (bytes: Uint8Array) => ({ text: Buffer.from(masked(bytes)).toString() }),
  };
  const { node, ana } = await serving(t, note({ message }));
  const other = await newNode(t, peer(node), [...plugins, note({ message })]);
  await Promise.all([node.ready, other.ready]);
  const raj = await connect(t, other, { name: "Raj" });
  await raj.join("lobby");
  const sent = [..."abcdefgh"].map(letter => ({ text: letter.repeat(5) }));
  const answers = await Promise.all(sent.map(body => ana.ask("note", { room: "lobby", body })));
  assert.ok(answers.every(({ ok }) => ok));
  await converged(node, other);
  for (const client of [ana, raj]) {
    const { messages } = (await client.ask("history", { room: "lobby" })) as unknown as Joined;
    assert.deepEqual(
      messages.map(({ body }) => body),
      sent,
    );
  }
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
  // Not for Ana, who may hear of it at any time after she came.
  const other = ({ person }: Session) => (person.name === "Ana" ? [] : [good]);
  const { ana, node } = await serving(
    t,
    note({ hooks: { joined: value } }),
    note({ hooks: { joined: other } }, "log", "other"),
  );
  let joined = 0;
  for (const [what, junk] of DELIVERIES) {
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

test("nobody takes the id that a plugin will give to a message", async t => {
  let given: string | undefined;
  const tick = ({ idFor }: ServerContext) => {
    given = idFor("the day after tomorrow");
    return isDue ? [{ body: { due: true }, to: { room: "lobby" }, id: given }] : [];
  };
  let isDue = false;
  const { ana } = await serving(t, note({ hooks: { tick } }));
  const id = await ana.until(() => given);
  const { code } = await ana.ask("text", { id, room: "lobby", body: { text: "mine" } });
  assert.equal(code, "invalid");
  isDue = true;
  await ana.until(() => ana.messages("lobby").some(message => message.id === id && message.type === "note"));
});
