/** Peers that mean harm: with the cluster's secret, which lets them in, and without it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { Dealer } from "zeromq";
import { Bus } from "../../core/cluster/bus.ts";
import { decodeFrame, encodeFrame, type Frame, type Payload } from "../../core/cluster/frames.ts";
import { keysOf } from "../../core/cluster/keys.ts";
import type { NodeInfo } from "../../core/cluster/membership.ts";
import { ownHosts } from "../../core/cluster/seeds.ts";
import { digest } from "../../core/commands/digest.ts";
import { encode, toWire } from "../../core/envelope.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { type NodeProcess, peer, spawnNode } from "../helpers/node.ts";
import { rubbish } from "../suites/frames.ts";
import { at, draft, written } from "../suites/samples.ts";

const SECRET = "the one secret of this cluster";
const keys = [keysOf(SECRET)];
const HOST = "127.0.0.1";

/** Two honest nodes, as processes of their own. */
async function pair(t: TestContext): Promise<[NodeProcess, NodeProcess]> {
  const a = await spawnNode(t, { CLUSTER_SECRET: SECRET, NODE_NAME: "a" });
  const b = await spawnNode(t, { CLUSTER_SECRET: SECRET, NODE_NAME: "b", ...peer(a) });
  await Promise.all([a.logged('"peer":"b"'), b.logged('"peer":"a"')]);
  await hears(t, a, b);
  return [a, b];
}

let people = 0;

/** What is written on each of them is read on the other. */
async function hears(t: TestContext, a: NodeProcess, b: NodeProcess): Promise<void> {
  const [ana, bo] = [
    await connect(t, a, { name: `person ${people++}` }),
    await connect(t, b, { name: `person ${people++}` }),
  ];
  await Promise.all([ana.join("lobby"), bo.join("lobby")]);
  for (const [writer, reader] of [
    [ana, bo],
    [bo, ana],
  ] as const) {
    const { id } = await writer.say("still one chat");
    await reader.until(() => reader.messages().find(message => message.id === id));
  }
  assert.deepEqual(ana.welcome.rooms, bo.welcome.rooms);
  for (const client of [ana, bo]) client.socket.disconnect();
}

/** Resolves when all hold the same, with the hash of what they hold. */
async function digestOf(...nodes: NodeProcess[]): Promise<string> {
  for (;;) {
    const told = await Promise.all(nodes.map(({ dataDir }) => digest({ dataDir, name: "node" })));
    const [same = "", ...others] = new Set(told.map(({ digest }) => digest));
    if (others.length === 0) return same;
    await sleep(50);
  }
}

/** Resident memory in bytes. */
function memoryOf({ process }: NodeProcess): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(process.pid)], { encoding: "utf8" });
  return Number(stdout) * 1024;
}

/** A peer that has the secret and does as the test says, and nothing by itself but introduce itself and beat. */
async function newMallory(t: TestContext, node: NodeProcess, id = "mallory") {
  const address = { host: HOST, port: node.zmqPort };
  const last = new Map<Frame["kind"], Frame>();
  const waiting = new Set<() => void>();
  const bus = await Bus.open(
    {
      received({ bytes, answer }) {
        const frame = decodeFrame(bytes);
        // The other node finds her as well.
        const isOthers = frame.kind === "hello" && frame.payload.info.name !== "a";
        if (!isOthers) last.set(frame.kind, frame);
        if (frame.kind === "hello" && frame.payload.asks) answer?.(hello(false));
        for (const check of [...waiting]) check();
      },
      unreachable: () => {},
      refused: () => {},
      shut: () => {},
      estranged: () => {},
    },
    { port: 0, pubPort: 0, keys },
  );
  cleanUp(t, () => bus.close());
  const info: NodeInfo = {
    id,
    boot: "its only run",
    name: id,
    version: "1",
    hosts: ownHosts(),
    port: bus.port,
    pubPort: bus.pubPort,
    blobs: true,
  };
  const hello = (asks: boolean, changes: Partial<Payload<"hello">> = {}) =>
    encodeFrame("hello", { info, known: [], heads: {}, asks, ...changes });
  const until = (holds: () => boolean) =>
    new Promise<void>(resolve => {
      const check = () => {
        if (holds() && waiting.delete(check)) resolve();
      };
      waiting.add(check);
      check();
    });
  const beats = setInterval(
    () => bus.publish(encodeFrame("beat", { id, boot: info.boot, heads: {}, stateVersion: 0 })),
    300,
  );
  cleanUp(t, () => clearInterval(beats));
  bus.dial(address);
  bus.request(address, hello(true));
  await node.logged(`"peer":"${id}"`);
  const request = async (bytes: Uint8Array) => {
    while (bus.queued > 200) await turn();
    bus.request(address, bytes);
  };
  const publish = async (bytes: Uint8Array) => {
    bus.publish(bytes);
    while (bus.queued > 200) await turn();
  };
  /** Resolves when the node has read all that was asked of it and all that was published. */
  const heardOut = async () => {
    last.delete("pong");
    last.delete("snapshotPlease");
    await request(encodeFrame("ping", { at: 0 }));
    await until(() => last.has("pong"));
    // Of a run that it does not know it asks what that holds.
    const again = setInterval(() => {
      const delta = { boot: "another run", base: 7, version: 8, entries: [] };
      bus.publish(encodeFrame("state", { id, delta }));
    }, 100);
    await until(() => last.has("snapshotPlease")).finally(() => clearInterval(again));
  };
  return { bus, info, hello, last, request, publish, heardOut };
}

test("a peer that has the secret and sends rubbish harms nobody", async t => {
  const [a, b] = await pair(t);
  const before = await digestOf(a, b);
  const mallory = await newMallory(t, a);
  await mallory.heardOut();
  const memory = memoryOf(a);
  const seed = (Math.random() * 0x7fff_ffff) | 0;
  t.diagnostic(`SEED=${seed}`);
  let sent = 0;
  for (const { frames } of fc.sample(rubbish(64), { seed, numRuns: 80 }))
    for (const bytes of frames()) {
      await (sent++ % 2 === 0 ? mallory.request(bytes) : mallory.publish(bytes));
    }
  await mallory.heardOut();
  const growth = memoryOf(a) / memory;
  t.diagnostic(`${sent} frames, memory × ${growth.toFixed(2)}, lines logged ${a.lines.length}`);
  assert.equal(await digestOf(a, b), before);
  await hears(t, a, b);
  await digestOf(a, b);
  assert.ok(growth < 3, `memory grew ${growth} times`);
  // A cause is said once a minute, and twenty of them at most.
  assert.ok(a.lines.filter(line => line.includes("a frame was refused")).length <= 40);
  assert.ok(a.lines.every(line => line.length < 2_000));
});

test("a peer that has the secret and makes things up gets no room for them", async t => {
  const [a, b] = await pair(t);
  const mallory = await newMallory(t, a);
  await mallory.heardOut();
  const before = await digestOf(a, b);
  const memory = memoryOf(a);
  const { info, last } = mallory;
  const known = last.get("hello") as Extract<Frame, { kind: "hello" }>;
  const [a_, b_] = [
    known.payload.info,
    at(
      known.payload.known.filter(({ name }) => name === "b"),
      0,
    ),
  ];
  let made = 0;
  const origin = () => (made++).toString(36).padStart(16, "0");
  const flood = async (count: number, frame: (index: number) => Uint8Array, send = mallory.request) => {
    for (let index = 0; index < count; index++) await send(frame(index));
  };

  // Nodes that are none, at addresses where nobody is, and some that are none to dial.
  const nobody = (index: number) => ({ ...info, id: `nobody ${index}`, port: 20_000 + (index % 10_000), pubPort: 1 });
  await flood(100, round =>
    mallory.hello(false, { known: Array.from({ length: 256 }, (_, index) => nobody(round * 256 + index)) }),
  );
  await flood(2_000, index => mallory.hello(false, { info: nobody(index) }));
  await flood(10, () =>
    mallory.hello(true, { known: [{ ...nobody(1), hosts: ["127.0.0.1", "169.254.169.254", "::1"] }] }),
  );
  // Itself, and others, in their names.
  await flood(50, () => mallory.hello(true, { info: a_ }));
  await flood(
    50,
    () => encodeFrame("beat", { id: b_.id, boot: "no run of it", heads: {}, stateVersion: 2 ** 53 - 1 }),
    mallory.publish,
  );
  await flood(5, () => encodeFrame("bye", { id: b_.id, boot: b_.boot }), mallory.publish);
  // Streams that nobody ever delivers.
  const heads = () =>
    Object.fromEntries(Array.from({ length: 4_096 }, () => [origin(), { seq: 2 ** 53 - 1, chain: "0".repeat(32) }]));
  await flood(30, () => encodeFrame("heads", { id: info.id, heads: heads() }), mallory.publish);
  // Envelopes that come before all others of their streams, and never end; and those of the node's own stream.
  const envelope = at(written(draft({ body: new Uint8Array(200_000) })), 0);
  await flood(
    400,
    index => encodeFrame("batch", { id: info.id, envelopes: [{ ...envelope, origin: origin(), seq: 2 + index }] }),
    mallory.publish,
  );
  const own = Object.entries(known.payload.heads).map(([origin, { seq }]) => ({ ...envelope, origin, seq: seq + 5 }));
  await flood(20, () => encodeFrame("batch", { id: info.id, envelopes: own }), mallory.publish);
  await flood(20, () =>
    encodeFrame("pulled", { id: info.id, origin: at(own, 0).origin, packed: encode(own.map(toWire)) }),
  );
  await flood(
    20,
    () => encodeFrame("batch", { id: info.id, envelopes: [{ ...envelope, alt: "forged" }] }),
    mallory.publish,
  );
  // State without end.
  const entries = (round: number) =>
    Array.from({ length: 500 }, (_, index) => ({
      type: "presence",
      key: `${round} ${index}`,
      version: 1,
      body: new Uint8Array(1_000),
      at: index,
    }));
  await flood(
    100,
    round =>
      encodeFrame("state", {
        id: info.id,
        delta: { boot: info.boot, base: 0, version: 2 ** 53 - 1 - round, entries: entries(round) },
      }),
    mallory.publish,
  );
  // Files that nobody asked for, or has, or that are said to be damaged.
  const hash = () => (made++).toString(16).padStart(64, "0");
  const hashes = () => Array.from({ length: 256 }, hash);
  await flood(500, () => encodeFrame("blobs", { id: info.id, hashes: hashes(), lacks: [], heads: {} }));
  await flood(200, () =>
    encodeFrame("blobPart", { id: info.id, hash: hash(), offset: 0, size: 2 ** 52, bytes: new Uint8Array(256 * 1024) }),
  );
  await flood(5_000, index => encodeFrame("blobPlease", { hash: hash(), offset: index * 1_000 }));
  await flood(500, () => encodeFrame("blobsPlease", { hashes: hashes() }));
  await flood(2_000, () => encodeFrame("blobDoubted", { hash: hash() }));
  // Questions without end.
  await flood(10_000, index => encodeFrame("pull", { origin: at(own, 0).origin, after: index % 300 }));
  await flood(2_000, index => encodeFrame("chainsPlease", { origin: at(own, 0).origin, seqs: [index, 2 ** 53 - 1] }));
  await flood(5_000, () => encodeFrame("snapshotPlease", {}));
  await flood(5_000, index => encodeFrame("ping", { at: index }));
  await flood(
    2_000,
    index =>
      encodeFrame("signal", {
        id: info.id,
        type: "typing",
        version: 1,
        room: `room ${index}`,
        author: "nobody",
        authorName: "Nobody",
        at: 0,
        body: new Uint8Array(100),
      }),
    mallory.publish,
  );
  await mallory.heardOut();

  const growth = memoryOf(a) / memory;
  t.diagnostic(`memory × ${growth.toFixed(2)}: ${Math.round(memoryOf(a) / 1e6)} MB`);
  assert.equal(await digestOf(a, b), before);
  await hears(t, a, b);
  await digestOf(a, b);
  assert.ok(growth < 6, `memory grew ${growth} times`);
});

test("a peer that asks for everything and reads nothing is not waited for, and costs no more than its share", async t => {
  const [a, b] = await pair(t);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  for (let count = 0; count < 300; count += 50)
    await Promise.all(Array.from({ length: 50 }, (_, index) => ana.say(`${count + index} ${"x".repeat(3_900)}`)));
  await digestOf(a, b);
  const mallory = await newMallory(t, a);
  const known = mallory.last.get("hello") as Extract<Frame, { kind: "hello" }>;
  const streams = Object.entries(known.payload.heads);
  const [origin] = at(
    streams.sort((one, other) => other[1].seq - one[1].seq),
    0,
  );
  const [own] = keys;
  const memory = memoryOf(a);
  const silent = new Dealer({
    linger: 0,
    receiveHighWaterMark: 1,
    curvePublicKey: own?.publicKey ?? null,
    curveSecretKey: own?.secretKey ?? null,
    curveServerKey: own?.publicKey ?? null,
  });
  cleanUp(t, () => silent.close());
  silent.connect(`tcp://${HOST}:${a.zmqPort}`);
  for (let index = 0; index < 10_000; index++) await silent.send(encodeFrame("pull", { origin, after: index % 150 }));
  await mallory.heardOut();
  await hears(t, a, b);
  const growth = memoryOf(a) - memory;
  t.diagnostic(`${Math.round(growth / 1e6)} MB more`);
  assert.ok(growth < 400e6, `${growth} bytes more`);
});

test("strangers that hold the ports open and say nothing, or begin what they never end, keep nobody out", async t => {
  const [a, b] = await pair(t);
  const before = await digestOf(a, b);
  const memory = memoryOf(a);
  const greeting = Buffer.concat([
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
    Buffer.from("CURVE"),
    Buffer.alloc(47),
  ]);
  // A command of four exabytes, and one that is just admitted.
  const [huge, large] = ["063fffffffffffffff", "060000000000400000"].map(head =>
    Buffer.concat([greeting, Buffer.from(head, "hex"), Buffer.alloc(100)]),
  ) as [Buffer, Buffer];
  const beginnings = [
    Buffer.alloc(0),
    Buffer.from([0xff]),
    greeting,
    huge,
    large,
    Buffer.from("GET /"),
    Buffer.alloc(64, 0xff),
  ];
  const sockets: Socket[] = [];
  cleanUp(t, () => {
    for (const socket of sockets) socket.destroy();
  });
  const mallory = await newMallory(t, a);
  const { pubPort } = (mallory.last.get("hello") as Extract<Frame, { kind: "hello" }>).payload.info;
  for (let count = 0; count < 500; count++) {
    const socket = connectTcp(count % 2 ? a.zmqPort : pubPort, HOST);
    socket.on("error", () => {});
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(at(beginnings, count % beginnings.length));
  }
  const c = await spawnNode(t, { CLUSTER_SECRET: SECRET, NODE_NAME: "c", ...peer(a) });
  await a.logged('"peer":"c"');
  await hears(t, a, b);
  await hears(t, a, c);
  const growth = memoryOf(a) / memory;
  t.diagnostic(`memory × ${growth.toFixed(2)}`);
  assert.ok(growth < 3, `memory grew ${growth} times`);
  assert.notEqual(await digestOf(a, b, c), before);
  const named = a.lines.filter(line => line.includes('"code":"stranger"'));
  assert.ok(named.length >= 1 && named.length <= 3, named.join("\n"));
});
