/** What the wire relies on inside of Socket.IO, Engine.IO and ws: an upgrade that changes it fails here. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket as NetSocket } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import * as ws from "ws";
import { releaseMemory } from "../../core/memory.ts";
import { framesOf, Packets, Shared } from "../../core/packets.ts";
import { MAX_BACKLOG_BYTES, type Reply, type Wire, Wires } from "../../core/wire.ts";
import { cleanUp } from "../helpers/cleanup.ts";

type Received = { wire: Wire; event: string; args: unknown[]; reply: Reply };

/** A server whose connections are wires, and what its clients sent. */
async function newServer(
  t: TestContext,
  { backlog = (_: Wire, __: number) => {}, attached: attach = (_: Wire) => {} } = {},
) {
  const http = createServer();
  const server = new Server(http, { serveClient: false, transports: ["polling", "websocket"] });
  cleanUp(t, () => server.close());
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const wires = new Wires(server, {
    received(wire, event, args, reply) {
      received.push({ wire, event, args, reply });
      for (const check of waiting) check();
    },
    backlog,
  });
  const attached: Wire[] = [];
  const connections: NetSocket[] = [];
  http.on("connection", socket => connections.push(socket));
  server.on("connection", socket => {
    const wire = wires.attach(socket);
    attached.push(wire);
    attach(wire);
    for (const check of waiting) check();
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const { port } = http.address() as AddressInfo;
  const until = (holds: () => boolean) =>
    new Promise<void>(resolve => {
      const check = () => {
        if (holds() && waiting.delete(check)) resolve();
      };
      waiting.add(check);
      check();
    });
  return { http, port, received, attached, connections, until };
}

type TestServer = Awaited<ReturnType<typeof newServer>>;

/** A Socket.IO client, the wire to it, and what it was told. */
async function newClient(t: TestContext, server: TestServer, transports = ["websocket"]) {
  const socket = io(`http://127.0.0.1:${server.port}`, { transports, forceNew: true, reconnection: false });
  cleanUp(t, () => socket.disconnect());
  const told: unknown[][] = [];
  const waiting = new Set<() => void>();
  const before = server.attached.length;
  socket.onAny((...args) => {
    told.push(args);
    for (const check of waiting) check();
  });
  await Promise.all([
    new Promise(resolve => socket.once("connect", () => resolve(undefined))),
    server.until(() => server.attached.length > before),
  ]);
  const wire = server.attached[before] as Wire;
  const hears = (count: number) =>
    new Promise<unknown[][]>(resolve => {
      const check = () => {
        if (told.length >= count && waiting.delete(check)) resolve(told);
      };
      waiting.add(check);
      check();
    });
  return { socket, wire, told, hears };
}

test("of a client that sends much at once no more is read in one turn than one piece from the system", async t => {
  const server = await newServer(t);
  const { socket } = await newClient(t, server);
  const perTurn: number[] = [];
  let [isOver, seen] = [false, 0];
  const counting = (async () => {
    while (!isOver) {
      await turn();
      perTurn.push(server.received.length - seen);
      seen = server.received.length;
    }
  })();
  // 400 KB in small events, written before the server reads any of it.
  const count = 8_000;
  for (let index = 0; index < count; index++) socket.emit("much", { index, text: "x".repeat(20) });
  await server.until(() => server.received.length === count);
  isOver = true;
  await counting;
  assert.deepEqual(
    server.received.map(({ args }) => (args[0] as { index: number }).index),
    Array.from({ length: count }, (_, index) => index),
  );
  const most = Math.max(...perTurn);
  assert.ok(most <= 65_536 / 50 + 64, `${most} in one turn`);
});

test("a client whose reading was paused for good stays so, however much it had sent", async t => {
  const server = await newServer(t);
  const { socket, wire } = await newClient(t, server);
  for (let index = 0; index < 8_000; index++) socket.emit("much", { text: "x".repeat(20) });
  await server.until(() => server.received.length >= 64);
  wire.pause();
  await turn();
  const read = server.received.length;
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(server.received.length, read);
  wire.resume();
  await server.until(() => server.received.length === 8_000);
});

const BOTH = [["websocket"], ["polling"]];

test("the versions are those whose insides the wire was written for", () => {
  const versions = ["socket.io", "socket.io-parser", "engine.io", "engine.io-parser", "ws"].map(name => {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")) as { version: string };
    return `${name} ${version}`;
  });
  assert.deepEqual(
    versions,
    ["socket.io 4.8.4", "socket.io-parser 4.2.7", "engine.io 6.6.12", "engine.io-parser 5.2.3", "ws 8.21.3"],
    "read core/wire.ts and core/packets.ts beside the new version's source, then change this line",
  );
});

test("frames are those that ws makes, of every length and alphabet", () => {
  const { Sender } = ws as unknown as {
    Sender: { frame(data: Buffer, options: object): Buffer[] };
  };
  for (const text of [
    "",
    "2[]",
    "消息 👋🏽 é",
    ...[124, 125, 126, 65_534, 65_535, 65_536, 200_000].map(n => "x".repeat(n)),
  ]) {
    const frames = Sender.frame(Buffer.from(`4${text}`), { fin: true, opcode: 1, mask: false, readOnly: true });
    assert.ok(framesOf([text]).equals(Buffer.concat(frames)), `${text.length} characters`);
  }
});

for (const transports of BOTH) {
  const over = `over ${transports}`;

  test(`events, answers and what is told to many come in the order of telling ${over}`, async t => {
    const server = await newServer(t);
    const { socket, wire, hears, told } = await newClient(t, server, transports);
    const answered = socket.emitWithAck("ask", { a: "消息" }, 2).then(answer => told.push(["answer", answer]));
    await server.until(() => server.received.length > 0);
    const [{ event, args, reply }] = server.received as [Received];
    assert.deepEqual([event, args], ["ask", [{ a: "消息" }, 2]]);
    wire.tell("one", { text: "é" });
    reply({ ok: true });
    wire.tellAlike(new Packets(['2["two",{}]', '2["three",{"text":"消息"}]']));
    wire.tellWith("four", { of: "one" }, "shared", new Shared([{ text: "消息" }]));
    socket.onAnyOutgoing(() => {});
    wire.tell("five", {});
    await hears(5);
    await answered;
    assert.deepEqual(
      told.filter(([event]) => event !== "answer"),
      [
        ["one", { text: "é" }],
        ["two", {}],
        ["three", { text: "消息" }],
        ["four", { of: "one", shared: [{ text: "消息" }] }],
        ["five", {}],
      ],
    );
    assert.deepEqual(
      told.find(([event]) => event === "answer"),
      ["answer", { ok: true }],
    );
  });

  test(`an event that Socket.IO refuses ends the connection ${over}`, async t => {
    for (const packet of ['2["disconnect"]', "2[oops", '2{"an":"object"}']) {
      const server = await newServer(t);
      const { socket, wire } = await newClient(t, server, transports);
      const ended = new Promise(resolve => socket.once("disconnect", resolve));
      (socket.io.engine as unknown as { write(data: string): void }).write(packet);
      await ended;
      assert.equal(wire.isOpen, false);
      assert.deepEqual(server.received, []);
    }
  });
}

test("what is told before the end of a connection arrives before it", async t => {
  const server = await newServer(t);
  const { socket, wire, told } = await newClient(t, server);
  const ended = new Promise(resolve => socket.once("disconnect", resolve));
  wire.tell("last", {});
  wire.socket.disconnect(true);
  wire.tell("too late", {});
  assert.equal(await ended, "io server disconnect");
  assert.deepEqual(told, [["last", {}]]);
});

test("what is told in one turn leaves in one write", async t => {
  const server = await newServer(t);
  const { wire, hears } = await newClient(t, server);
  await turn();
  const [connection] = server.connections as [NetSocket];
  const write = t.mock.method(connection, "write");
  for (let count = 0; count < 100; count++) wire.tell("event", { count });
  wire.tellAlike(new Packets(['2["shared",{}]']));
  wire.socket.emit("by Socket.IO", {});
  assert.equal(write.mock.callCount(), 0);
  const told = await hears(102);
  assert.equal(write.mock.callCount(), 1);
  assert.deepEqual(told.slice(99), [
    ["event", { count: 99 }],
    ["shared", {}],
    ["by Socket.IO", {}],
  ]);
});

test("a large piece that many are told is written as it is, and small ones around it are one", async t => {
  const server = await newServer(t);
  const { wire, hears } = await newClient(t, server);
  await turn();
  const [connection] = server.connections as [NetSocket];
  const write = t.mock.method(connection, "write");
  const large = Packets.of("large", JSON.stringify("x".repeat(100_000)));
  for (let count = 0; count < 10; count++) wire.tell("before", {});
  wire.tellAlike(large);
  for (let count = 0; count < 10; count++) wire.tell("after", {});
  await hears(21);
  assert.equal(write.mock.callCount(), 3);
  assert.equal(write.mock.calls[1]?.arguments[0], large.frames);
});

test("nothing is lost, doubled or out of order while a client goes from polling to WebSocket", async t => {
  let count = 0;
  const transports = new Set<string>();
  const server = await newServer(t, {
    attached(wire) {
      const telling = setInterval(() => {
        wire.tell("count", count++);
        wire.tellAlike(Packets.of("count", String(count++)));
        transports.add(wire.socket.conn.transport.name);
        if (transports.has("websocket") && count >= 200) clearInterval(telling);
      });
      cleanUp(t, () => clearInterval(telling));
      for (let more = 0; more < 50; more++) wire.tell("count", count++);
      transports.add(wire.socket.conn.transport.name);
    },
  });
  const { told, hears } = await newClient(t, server, ["polling", "websocket"]);
  await hears(200);
  await hears(count);
  assert.deepEqual([...transports], ["polling", "websocket"]);
  assert.deepEqual(
    told.map(([, at]) => at),
    Array.from({ length: count }, (_, at) => at),
  );
});

test("what waits for a client that stops reading is told in bytes, and is let go of when it is cut", async t => {
  const lags: number[] = [];
  const over = Promise.withResolvers<number>();
  const server = await newServer(t, {
    backlog(_, bytes) {
      lags.push(bytes);
      if (bytes > MAX_BACKLOG_BYTES) over.resolve(bytes);
    },
  });
  const { wire } = await newClient(t, server);
  const [connection] = server.connections as [NetSocket];
  // As little as the system takes: nobody reads.
  connection.cork();
  const piece = Packets.of("piece", JSON.stringify("x".repeat(256 * 1024)));
  while (wire.waiting <= MAX_BACKLOG_BYTES) {
    wire.tellAlike(piece);
    await turn();
  }
  assert.ok((await over.promise) <= MAX_BACKLOG_BYTES + piece.frames.length);
  assert.ok((lags[0] ?? 0) > MAX_BACKLOG_BYTES / 2);
  assert.ok((lags[0] ?? 0) <= MAX_BACKLOG_BYTES / 2 + piece.frames.length);
  const closed = once(connection, "close");
  wire.cut();
  await closed;
  assert.equal(wire.isOpen, false);
  assert.equal(wire.waiting, 0);
});

test("what waits for a client that does not poll is told in bytes", async t => {
  let most = 0;
  const server = await newServer(t, {
    backlog(wire, bytes) {
      most = bytes;
      if (bytes > MAX_BACKLOG_BYTES) wire.cut();
    },
  });
  const { socket, wire } = await newClient(t, server, ["polling"]);
  const piece = Packets.of("piece", JSON.stringify("x".repeat(256 * 1024)));
  // In one turn of the loop, in which no poll comes.
  while (wire.isOpen && most < 2 * MAX_BACKLOG_BYTES) wire.tellAlike(piece);
  assert.ok(most > MAX_BACKLOG_BYTES && most <= MAX_BACKLOG_BYTES + piece.frames.length, `${most}`);
  assert.equal(wire.isOpen, false);
  socket.disconnect();
});

test("an answer of any size is no backlog", async t => {
  const server = await newServer(t, { backlog: (_, bytes) => assert.fail(`${bytes} bytes are too many`) });
  const { socket } = await newClient(t, server);
  const asking = socket.emitWithAck("ask", {});
  await server.until(() => server.received.length > 0);
  server.received[0]?.reply({ text: "x".repeat(3 * MAX_BACKLOG_BYTES) });
  server.received[0]?.wire.tell("event", {});
  assert.equal(((await asking) as { text: string }).text.length, 3 * MAX_BACKLOG_BYTES);
});

test("answers that were read excuse no backlog, also where something is always left to read", async t => {
  const waited: number[] = [];
  const server = await newServer(t, { backlog: wire => void waited.push(wire.waiting) });
  const { socket, wire } = await newClient(t, server);
  const asking = socket.emitWithAck("ask", {});
  await server.until(() => server.received.length > 0);
  server.received[0]?.reply({ text: "x".repeat(3 * MAX_BACKLOG_BYTES) });
  await asking;
  const [connection] = server.connections as [NetSocket];
  connection.cork();
  const piece = Packets.of("piece", JSON.stringify("x".repeat(256 * 1024)));
  while (waited.length === 0 && wire.waiting <= 2 * MAX_BACKLOG_BYTES) {
    wire.tellAlike(piece);
    await turn();
  }
  assert.ok((waited[0] ?? Infinity) <= MAX_BACKLOG_BYTES / 2 + 2 * piece.frames.length, `${waited[0]} bytes`);
  connection.uncork();
});

for (const transports of BOTH)
  test(`events with binary parts are taken and answered as all others, by ${transports}`, async t => {
    const server = await newServer(t);
    const { socket } = await newClient(t, server, transports);
    const answer = socket.emitWithAck("ask", { bytes: Buffer.from([1, 2, 3]) });
    await server.until(() => server.received.length > 0);
    const [{ event, args, reply }] = server.received as [Received];
    assert.deepEqual([event, args], ["ask", [{ bytes: Buffer.from([1, 2, 3]) }]]);
    reply({ ok: true });
    assert.deepEqual(await answer, { ok: true });
  });

test("a connection keeps nothing of the request that it began with", async t => {
  const server = await newServer(t);
  const requests: WeakRef<IncomingMessage>[] = [];
  server.http.prependListener("upgrade", request => requests.push(new WeakRef(request)));
  const { wire } = await newClient(t, server);
  assert.equal(requests.length, 1);
  // A reference that was followed holds until the turn ends.
  await turn();
  releaseMemory();
  assert.equal(requests[0]?.deref(), undefined);
  assert.equal(wire.socket.rooms.size, 0);
  assert.equal(wire.isOpen, true);
});
