/**
 * What a gateway tells its clients when rooms are to be joined anew, or they do not read: a real one, with what stands
 * behind it held still.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Gateway, type GatewayParts } from "../../core/gateway.ts";
import { Listener, type ListenerParts } from "../../core/listener.ts";
import { releaseMemory } from "../../core/memory.ts";
import type { Message } from "../../core/plugin.ts";
import { Registry } from "../../core/registry.ts";
import { Rooms } from "../../core/rooms.ts";
import { MAX_BACKLOG_BYTES } from "../../core/wire.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";

/** `reads` are called in turn, one for each join or page. */
async function newGateway(t: TestContext, reads: (() => Promise<unknown>)[] = [], http: Server = createServer()) {
  const counts = new Map<string, number>();
  const read = () => (reads.shift() ?? (async () => EMPTY))();
  const parts: Partial<Record<keyof GatewayParts, unknown>> = {
    http,
    path: "/socket.io/",
    router: { toldEarly: () => [], deliveries: { joined() {}, left() {} }, state: () => [] },
    reading: { join: read, history: read },
    signIn: { enter: async ({ name }: { name: string }) => ({ person: { id: name, name }, token: name }) },
    registry: new Registry([]),
    rooms: new Rooms(),
    log: { pos: 0 },
    rate: { perSecond: 0, burst: 0 },
    ack: "local",
    addressOf: () => "127.0.0.1",
    isFromOwnPage: () => true,
    visitorOf: () => ({ host: "localhost", from: "here", encrypted: false }),
    node: () => ({ id: "node", name: "node", version: "test" }),
    nodes: () => [],
    failed: (what: string, error: unknown) => assert.fail(`${what}: ${error}`),
    count: (what: string, amount: number) => counts.set(what, (counts.get(what) ?? 0) + amount),
  };
  const gateway = new Gateway(parts as GatewayParts);
  cleanUp(t, () => gateway.close());
  await once(http.listen(0, "127.0.0.1"), "listening");
  return { gateway, counts, port: (http.address() as AddressInfo).port };
}

const EMPTY = { messages: [], cursor: {}, last: {}, more: false, older: false };
const message = (id: string) => ({ type: "text", id, room: "lobby", key: id, origin: "o", n: 1 }) as unknown as Message;

test("who has joined a room that is reset is told, and hears nothing of it until joining again", async t => {
  const { gateway, port } = await newGateway(t);
  const [ana, raj] = [await connect(t, { port }, { name: "Ana" }), await connect(t, { port }, { name: "Raj" })];
  assert.equal((await ana.join("lobby")).ok, true);
  gateway.reset(["hall", "lobby"]);
  gateway.messages("lobby", [message("unheard")]);
  await ana.until(() => ana.events.some(([event]) => event === "reset"));
  assert.deepEqual(
    ana.events.filter(([event]) => event === "reset"),
    [["reset", { room: "lobby" }]],
  );
  await ana.join("lobby");
  gateway.messages("lobby", [message("heard")]);
  await ana.until(() => ana.messages().length > 0);
  assert.deepEqual(
    ana.messages().map(({ id }) => id),
    ["heard"],
  );
  assert.deepEqual(
    raj.events.map(([event]) => event).filter(event => event !== "welcome"),
    [],
    "who has not joined is told nothing",
  );
});

/** A gateway whose first read waits: `read` resolves when it is asked for, with what answers it. */
async function newWaitingGateway(t: TestContext) {
  const asked = Promise.withResolvers<(answer: unknown) => void>();
  const read = Promise.withResolvers<unknown>();
  const reads = [
    () => {
      asked.resolve(read.resolve);
      return read.promise;
    },
  ];
  return { ...(await newGateway(t, reads)), read: asked.promise };
}

test("a join with a cursor whose answer was read before a reset is refused, and the next one is answered", async t => {
  const { gateway, port, read } = await newWaitingGateway(t);
  const ana = await connect(t, { port }, { name: "Ana" });
  const joining = ana.join("lobby", { abcdefghijklmnop: 1 });
  const answer = await read;
  gateway.reset(["lobby"]);
  answer(EMPTY);
  assert.equal((await joining).code, "reset");
  assert.equal((await ana.join("lobby")).ok, true);
});

test("a join without a cursor is read again after a reset, and hears what comes then", async t => {
  const { gateway, port, read } = await newWaitingGateway(t);
  const ana = await connect(t, { port }, { name: "Ana" });
  const joining = ana.join("lobby");
  const answer = await read;
  gateway.reset(["lobby"]);
  answer({ ...EMPTY, messages: [message("taken back")] });
  const { ok, messages } = await joining;
  assert.deepEqual([ok, messages], [true, []]);
  gateway.messages("lobby", [message("new")]);
  await ana.until(() => ana.messages("lobby").find(({ id }) => id === "new"));
});

test("who stops reading lags, and is cut off before its backlog fills the memory; the others hear everything", async t => {
  const { gateway, counts, port } = await newGateway(t);
  const [slow, raj] = [await connect(t, { port }, { name: "Slow" }), await connect(t, { port }, { name: "Raj" })];
  for (const client of [slow, raj]) await client.join("lobby");
  const { ws } = slow.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } };
  ws.pause();
  const large = { ...message("large"), body: { text: "x".repeat(512 * 1024) } } as Message;
  let [sent, most] = [0, 0];
  for (; counts.get("cut") === undefined && sent < 200; sent++) {
    gateway.messages("lobby", [large]);
    await raj.until(() => raj.messages().length === sent + 1);
    await turn();
    most = Math.max(most, gateway.backlog.most);
  }
  assert.equal(counts.get("cut"), 1);
  assert.ok(most > MAX_BACKLOG_BYTES / 2 && most <= MAX_BACKLOG_BYTES, `${most} bytes waited`);
  assert.equal(gateway.backlog.total, 0);
  assert.equal(gateway.size, 1);
  assert.equal(counts.get("delivered"), 2 * sent);
  gateway.messages("lobby", [message("after it")]);
  await raj.until(() => raj.messages().at(-1)?.id === "after it");
});

for (const request of ["join", "history"])
  test(`who has not read the last pages is given no further one: ${request}`, async t => {
    const page = { ...EMPTY, messages: [{ ...message("large"), body: "x".repeat(8 * 1024 * 1024) }] };
    const { gateway, counts, port } = await newGateway(
      t,
      Array.from({ length: 20 }, () => async () => page),
    );
    const ana = await connect(t, { port }, { name: "Ana" });
    const { ws } = ana.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } };
    ws.pause();
    const asked = Array.from({ length: 20 }, () => ana.ask(request, { room: "lobby" }));
    while (counts.get("refused") === undefined) await turn();
    ws.resume();
    const answers = await Promise.all(asked);
    assert.equal(answers[0]?.ok, true);
    assert.ok(answers.some(({ code }) => code === "rate-limited"));
    assert.equal(counts.get("cut"), undefined);
    assert.equal(gateway.size, 1);
  });

/** A WebSocket that sends packets as they are given, and what it was told. */
async function newRaw(t: TestContext, port: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  cleanUp(t, () => socket.close());
  const told: string[] = [];
  const waiting = new Set<() => void>();
  socket.addEventListener("message", ({ data }) => {
    told.push(String(data));
    for (const check of waiting) check();
  });
  const hears = (start: string) =>
    new Promise<string>(resolve => {
      const check = () => {
        const found = told.find(text => text.startsWith(start));
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });
  await hears("0{");
  return { socket, told, hears };
}

test("a connection is for one session, whenever another one is asked for", async t => {
  const { gateway, port } = await newGateway(t);
  const { socket, told, hears } = await newRaw(t, port);
  socket.send('40{"name":"Ana"}');
  socket.send('40{"name":"Raj"}');
  assert.match(await hears("44"), /"code":"invalid"/);
  await hears('42["welcome"');
  assert.equal(gateway.size, 1);
  socket.send('421["leave",{"room":"hall"}]');
  await hears('431[{"ok":true');
  assert.equal(told.filter(text => text.startsWith("431")).length, 1, "it is handled once");
  socket.send("41");
  while (gateway.size > 0) await turn();
  told.length = 0;
  socket.send('40{"name":"Ana"}');
  assert.match(await hears("44"), /"code":"invalid"/);
  const raj = await connect(t, { port }, { name: "Raj" });
  assert.equal((await raj.join("lobby")).ok, true);
});

test("who leaves while a join is read is not seated by it", async t => {
  const { gateway, port, read } = await newWaitingGateway(t);
  const { socket, hears } = await newRaw(t, port);
  socket.send('40{"name":"Ana"}');
  await hears('42["welcome"');
  socket.send('421["join",{"room":"lobby"}]');
  const answer = await read;
  assert.equal(gateway.hears("lobby"), true);
  socket.send("41");
  while (gateway.size > 0) await turn();
  answer(EMPTY);
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(gateway.hears("lobby"), false);
});

test("nothing is kept of a connection that has ended", async t => {
  const listener = new Listener({ answer: (_, response) => void response.end() } as ListenerParts);
  const connections: WeakRef<object>[] = [];
  listener.http.on("connection", connection => connections.push(new WeakRef(connection)));
  const { gateway, port } = await newGateway(t, [], listener.http as Server);
  for (const name of ["Ana", "Raj", "Cy"]) (await connect(t, { port }, { name })).socket.disconnect();
  while (gateway.size > 0) await turn();
  // What Node itself still knows of the last one is let go of with the next.
  await connect(t, { port }, { name: "Di" });
  releaseMemory();
  assert.equal(connections[0]?.deref(), undefined);
});

test("only so many requests of one client wait for one before them, and the others are told when to come again", async t => {
  const read = Promise.withResolvers<unknown>();
  const { gateway, port } = await newGateway(t, [() => read.promise]);
  const ana = await connect(t, { port }, { name: "Ana" });
  const answers = [ana.join("lobby"), ...Array.from({ length: 300 }, () => ana.ask("leave", { room: "hall" }))];
  const refused = await Promise.all(answers.slice(256));
  for (const { code, retryAfterMs } of refused) assert.deepEqual([code, retryAfterMs], ["rate-limited", 1_000]);
  assert.equal(gateway.requests, 256);
  read.resolve(EMPTY);
  for (const { ok } of await Promise.all(answers.slice(0, 256))) assert.equal(ok, true);
  assert.equal(gateway.requests, 0);
});
