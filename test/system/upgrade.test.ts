/** Nodes of other versions in one cluster: played by hand over a real bus, since no other version runs here. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EMPTY_CHAIN, hashChain } from "../../core/chain.ts";
import { Bus } from "../../core/cluster/bus.ts";
import { CLUSTER_PROTOCOL } from "../../core/cluster/frames.ts";
import { ownHosts } from "../../core/cluster/seeds.ts";
import { decode, type Envelope, encode, toWire } from "../../core/envelope.ts";
import { defineMessage, defineServer } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { download, typesWithFile, upload } from "../helpers/file-type.ts";
import { command, converged, newNode, peer, spawnNode } from "../helpers/node.ts";
import { at, draft, written } from "../suites/samples.ts";

const HOST = "127.0.0.1";
const BEAT_MS = 200;

/** What a version says beyond what this one knows, or leaves out. */
type Dialect = { info?: object; more?: object };

/** A node of another version that names one of this version, and holds a stream. */
async function stranger(
  t: TestContext,
  node: { zmqPort: number },
  stream: readonly Envelope[],
  { info: changes = {}, more = {} }: Dialect = {},
) {
  const heard: string[] = [];
  const frame = (kind: string, payload: object) => encode([CLUSTER_PROTOCOL, kind, { ...payload, ...more }]);
  const bus = await Bus.open(
    {
      received({ bytes, answer }) {
        const [, kind, payload] = decode(bytes) as [number, string, { asks?: boolean; after: number; at: number }];
        heard.push(kind);
        if (kind === "hello" && payload.asks) answer?.(hello(false));
        if (kind === "snapshotPlease")
          answer?.(frame("snapshot", { id, delta: { boot, base: 0, version: 0, entries: [] } }));
        if (kind === "ping") answer?.(frame("pong", { id, at: payload.at }));
        if (kind === "pull")
          answer?.(frame("pulled", { id, origin, packed: encode(stream.slice(payload.after, held).map(toWire)) }));
      },
      unreachable() {},
      refused() {},
      estranged() {},
      shut() {},
    },
    { port: 0, pubPort: 0, keys: [] },
  );
  const [id, boot, origin] = ["stranger", "its only run", at(stream, 0).origin];
  const info = {
    id,
    boot,
    name: id,
    version: "9",
    hosts: ownHosts(),
    port: bus.port,
    pubPort: bus.pubPort,
    ...changes,
  };
  let held = 1;
  const chains: string[] = [];
  for (const envelope of stream) chains.push(hashChain(chains.at(-1) ?? EMPTY_CHAIN, envelope));
  const heads = () => [[origin, held, at(chains, held - 1)]];
  const hello = (asks: boolean) => frame("hello", { info, known: [], heads: heads(), asks });
  const address = { host: HOST, port: node.zmqPort };
  bus.dial(address);
  bus.request(address, hello(true));
  const beating = setInterval(() => bus.publish(frame("beat", { id, boot, heads: heads(), stateVersion: 0 })), BEAT_MS);
  let isClosed = false;
  const close = () => {
    clearInterval(beating);
    if (!isClosed) bus.close();
    isClosed = true;
  };
  cleanUp(t, close);
  return {
    id,
    heard,
    close,
    /** Publishes one frame, of whatever kind. */
    publish: (kind: string, payload: object) => bus.publish(frame(kind, payload)),
    /** Publishes the stream's next envelope. */
    write() {
      bus.publish(frame("batch", { id, envelopes: [toWire(at(stream, held))] }));
      held++;
    },
  };
}

/** A type whose first version read a text, and whose second reads whatever it is told by the version. */
function poll() {
  const versions: number[] = [];
  const message = defineMessage<string>({
    type: "poll",
    version: 1,
    kind: "log",
    parse: String,
    pack: text => Buffer.from(text),
    unpack(bytes, version) {
      versions.push(version);
      return `version ${version}: ${Buffer.from(bytes)}`;
    },
    summary: text => text,
  });
  return { types: [...plugins, defineServer(message, {})], versions };
}

const EXTRA = encode({ priority: 3, thread: "a field that this version does not know" });

function polls(count: number): Envelope[] {
  const body = Buffer.from("tea or coffee?");
  return written(
    ...Array.from({ length: count }, () =>
      draft({ type: "poll", version: 2, body, extra: EXTRA, hlc: Date.now() * 1024 }),
    ),
  );
}

test("what a newer node writes is kept with all its fields, passed on, and unpacked by its version", async t => {
  const { types, versions } = poll();
  const a = await newNode(t, { NODE_NAME: "a" }, types);
  const ana = await connect(t, a, { name: "Ana", types: ["poll"] });
  await ana.join("lobby");
  const stream = polls(3);
  const newer = await stranger(t, a, stream, { more: { later: { deep: [1, 2] }, urls: ["https://chat.example"] } });
  const shown = (envelope: Envelope) => ana.until(() => ana.messages().find(({ id }) => id === envelope.id));
  await shown(at(stream, 0));
  newer.write();
  await shown(at(stream, 1));
  newer.write();
  assert.equal((await shown(at(stream, 2))).body, "version 2: tea or coffee?");
  assert.deepEqual([...new Set(versions)], [2]);
  // A node that does not even have the type gets it whole.
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) });
  await converged(a, b);
  for (const node of [a, b])
    for (const { id } of stream) {
      const kept = await node.log.find(id);
      assert.deepEqual([kept?.version, Buffer.from(kept?.extra ?? [])], [2, Buffer.from(EXTRA)]);
    }
});

test("a kind of frame that a node does not know is passed over, with one line, and nothing else is", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  const stream = polls(2);
  const newer = await stranger(t, a, stream);
  await a.logged('"peer":"stranger"');
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  while (!newer.heard.includes("pull")) await new Promise(resolve => setTimeout(resolve, 20));
  for (let count = 0; count < 50; count++) newer.publish("later", { id: "stranger", later: [count] });
  newer.write();
  await ana.until(() => ana.messages().find(({ id }) => id === at(stream, 1).id));
  const lines = a.lines.filter(line => line.includes("unknown kind of frame"));
  assert.equal(lines.length, 1, a.lines.join("\n"));
  assert.ok(!a.lines.some(line => line.includes("a peer is down")));
});

test("a node of the first version, which says neither when it started nor what its clock shows, belongs to it", async t => {
  const a = await newNode(t, { NODE_NAME: "a" });
  const stream = polls(1);
  await stranger(t, a, stream, { info: { version: "0.1.0" } });
  const ana = await connect(t, a, { name: "Ana" });
  await ana.until(() =>
    [...ana.state.values()].some(({ type, body }) => {
      const [peer] = (body?.peers as { name: string; up: boolean; rttMs: number | null; clockMs: null }[]) ?? [];
      return type === "status" && peer?.name === "stranger" && peer.up && peer.rttMs !== null && peer.clockMs === null;
    }),
  );
  while (!(await a.log.find(at(stream, 0).id))) await new Promise(resolve => setTimeout(resolve, 20));
});

test("a forgotten node that does not understand that it is one talks to nobody", async t => {
  const a = await spawnNode(t, { NODE_NAME: "a" });
  const before = await stranger(t, a, polls(1));
  await a.logged('"peer":"stranger"');
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  before.close();
  await a.logged('"a peer is down"');
  assert.equal((await command(a.dataDir, "forget", before.id)).code, 0);
  const stream = polls(2);
  const after = await stranger(t, a, stream);
  after.write();
  await a.logged("still runs; nothing is taken from it");
  await ana.say("everybody else is heard");
  assert.ok(after.heard.includes("forgotten"));
  assert.equal(after.heard.includes("pull"), false);
  assert.equal(
    ana.messages().some(({ id }) => id === at(stream, 1).id),
    false,
  );
  assert.deepEqual(((await (await fetch(`${a.url}/healthz`)).json()) as { peers: [] }).peers, []);
});

test("a node that knows nothing of blobs is told nothing of them, and is asked for none", async t => {
  const a = await newNode(t, { NODE_NAME: "a" }, typesWithFile);
  const b = await newNode(t, { NODE_NAME: "b", ...peer(a) }, typesWithFile);
  const ana = await connect(t, a, { name: "Ana" });
  await ana.join("lobby");
  const older = await stranger(t, a, [
    ...written(draft({ hlc: Date.now() * 1024, type: "file", blobs: ["0".repeat(64)] })),
  ]);
  await ana.until(() => ana.messages().length === 1);
  const hash = await upload(a, ana);
  assert.equal((await ana.ask("file", { room: "lobby", body: { hashes: [hash] } })).ok, true);
  const bo = await connect(t, b, { name: "Bo" });
  assert.equal((await download(b, bo, hash)).status, 200);
  assert.equal((await download(a, ana, "0".repeat(64))).status, 404, "its own is not to be had from it");
  // It is asked for its state on the same way as it would be for blobs, and after them.
  const asked = () => older.heard.filter(kind => kind === "snapshotPlease").length;
  for (const before = asked(); asked() === before; await new Promise(resolve => setTimeout(resolve, 50)))
    older.publish("state", { id: older.id, delta: { boot: "another run", base: 7, version: 8, entries: [] } });
  assert.deepEqual(
    older.heard.filter(kind => kind.startsWith("blob")),
    [],
  );
});
