/** What a router makes of many acks that wait for another node: the log and the time are held by the test. */
import assert from "node:assert/strict";
import test from "node:test";
import { Clock } from "../../core/clock.ts";
import type { Cluster } from "../../core/cluster/cluster.ts";
import { Early } from "../../core/cluster/early.ts";
import type { AckMode } from "../../core/config.ts";
import { ACK_WITHIN_MS } from "../../core/confirmations.ts";
import type { Draft, Envelope } from "../../core/envelope.ts";
import type { Reject } from "../../core/errors.ts";
import { Forgotten } from "../../core/forgotten.ts";
import type { Log } from "../../core/log/log.ts";
import { People } from "../../core/people.ts";
import { Registry } from "../../core/registry.ts";
import { Rooms } from "../../core/rooms.ts";
import { type Ack, type Outlet, Router } from "../../core/router.ts";
import { typesWithFile } from "../helpers/file-type.ts";
import { stillTime } from "../helpers/time.ts";
import { at, draft, written } from "../suites/samples.ts";

const ana = { id: "session", person: { id: "ana", name: "Ana" } };

function newRouter(ack: AckMode = "peer") {
  const still = stillTime();
  let seq = 0;
  const log = {
    origin: "o".repeat(16),
    assertOpen: () => {},
    append: async ([draft]: Draft[]) => [
      { status: "stored", envelope: { ...draft, origin: log.origin, n: 1, seq: ++seq } },
    ],
  };
  const router = new Router({
    registry: new Registry(typesWithFile),
    log: log as unknown as Log,
    clock: new Clock(() => 0),
    time: still.time,
    people: new People(),
    rooms: new Rooms(),
    blobs: {
      has: () => true,
      touch: () => true,
      info: async () => ({ size: 1, type: "any" }),
      read: async () => assert.fail("there are none"),
    },
    forgotten: new Forgotten(),
    ack,
    figures: () => assert.fail("nobody asked"),
    failed: (type, error) => assert.fail(`${type}: ${error}`),
  });
  const counts: Record<string, number> = {};
  const send = async (type = "text", body: object = { text: "hello" }) => {
    const commit = await router.accept(ana, type, { room: "lobby", body });
    const answer: Ack | Reject = await commit().catch(error => error);
    const code = "code" in answer ? answer.code : `copies: ${answer.copies}`;
    counts[code] = (counts[code] ?? 0) + 1;
  };
  return { router, still, send, codes: (): Record<string, number> => ({ ...counts }), written: () => seq };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

test("under ACK=peer a crowd without a peer is refused before it fills the memory, and nothing of that is stored", async () => {
  const { router, still, send, codes, written } = newRouter();
  for (let crowd = 0; crowd < 150; crowd++) {
    for (let index = 0; index < 100; index++) void send();
    await settled();
  }
  assert.deepEqual(codes(), { overloaded: 5_000 });
  assert.equal(written(), 10_000);
  assert.equal(still.running(), 1);
  still.pass(ACK_WITHIN_MS);
  await settled();
  assert.deepEqual(codes(), { overloaded: 5_000, unconfirmed: 10_000 });
  void send();
  await settled();
  router.holders.held("peer", written());
  await settled();
  assert.equal(codes()["copies: 2"], 1, "who comes later is served");
});

test("a peer that had committed a message before its ack was asked for confirms it at once", async () => {
  const { router, send, codes, still } = newRouter();
  router.holders.held("peer", 3);
  router.holders.held("other", 2);
  for (let index = 0; index < 4; index++) void send();
  await settled();
  assert.deepEqual(codes(), { "copies: 3": 2, "copies: 2": 1 });
  router.holders.stopWaiting();
  await settled();
  assert.equal(codes().unconfirmed, 1);
  assert.equal(still.running(), 0);
});

test("a message with blobs is confirmed when one and the same peer has committed it and holds all of them", async () => {
  const { router, send, codes, still } = newRouter();
  const hashes = ["a".repeat(64), "b".repeat(64)];
  const held = new Map<string, string[]>();
  const asked: (readonly string[])[] = [];
  const cluster: Pick<Cluster, "holdsBlobs" | "askForBlobs" | "fetchBlob" | "state"> = {
    holdsBlobs: (peer, blobs) => blobs.every(blob => held.get(peer)?.includes(blob)),
    fetchBlob: async () => true,
    askForBlobs: blobs => void asked.push(blobs),
    state: { keys: () => [] } as never,
  };
  router.connect(cluster as Cluster, { stored: () => {} } as unknown as Outlet);
  const gets = (peer: string, ...blobs: string[]) => {
    held.set(peer, blobs);
    router.holders.blobsHeld(blobs);
  };
  void send("file", { hashes });
  await settled();
  assert.deepEqual(asked, [hashes], "they may have said it before");
  router.holders.held("committed it", 1);
  gets("holds them", ...hashes);
  gets("committed it", hashes[0] as string);
  await settled();
  assert.deepEqual(codes(), {});
  gets("committed it", ...hashes);
  await settled();
  assert.deepEqual(codes(), { "copies: 2": 1 });
  void send("file", { hashes });
  await settled();
  router.holders.held("holds them", 2);
  await settled();
  assert.deepEqual(codes(), { "copies: 2": 2 });
  void send("file", { hashes: [] });
  void send("file", { hashes: ["c".repeat(64)] });
  await settled();
  router.holders.held("committed it", 4);
  await settled();
  assert.equal(codes()["copies: 2"], 3, "what has no blobs waits for none");
  still.pass(ACK_WITHIN_MS);
  await settled();
  assert.equal(codes().unconfirmed, 1);
});

test("under ACK=local an author is told of another node when it has the message and its blobs, in whatever order", async () => {
  const { router, send, codes } = newRouter("local");
  const hash = "a".repeat(64);
  const held = new Set<string>();
  const cluster: Pick<Cluster, "holdsBlobs" | "fetchBlob" | "state"> = {
    holdsBlobs: peer => held.has(peer),
    fetchBlob: async () => true,
    state: { keys: () => [] } as never,
  };
  const told: string[] = [];
  const stored: Outlet["stored"] = (author, messages) =>
    void told.push(...messages.map(({ copies }) => `${author}: ${copies}`));
  router.connect(cluster as Cluster, { stored } as unknown as Outlet);
  await send("file", { hashes: [hash] });
  assert.deepEqual(codes(), { "copies: 1": 1 });
  router.holders.held("peer", 1);
  assert.deepEqual(told, []);
  held.add("peer");
  router.holders.blobsHeld([hash]);
  assert.deepEqual(told, ["ana: 2"]);
  held.add("other");
  router.holders.blobsHeld([hash]);
  assert.deepEqual(told, ["ana: 2"]);
  router.holders.held("other", 1);
  assert.deepEqual(told, ["ana: 2", "ana: 3"]);
});

/** A router that is told what peers wrote, and what it told people of that. */
function hearing() {
  const { router } = newRouter();
  const early = new Early(router.early);
  const told: string[] = [];
  const cluster = { early, committed() {} } as unknown as Cluster;
  const outlet: Partial<Outlet> = {
    hears: () => true,
    messages: (_, messages) => void told.push(...messages.map(({ id }) => id)),
    reset: rooms => void told.push(`reset ${rooms}`),
  };
  router.connect(cluster, outlet as Outlet);
  const commit = (envelope: Envelope) =>
    router.committed({
      envelopes: [{ ...envelope, pos: 1 }],
      segments: [],
      heads: {},
      cut: [],
      freed: [],
      tookMs: 1,
    });
  return { router, early, told, commit };
}

test("what only a commit decides is told after it: erasures, files, facts, and what no plugin here is for", () => {
  const { early, told } = hearing();
  const kinds = [
    draft({ role: "erase", ref: "id-1" }),
    draft({ blobs: ["a".repeat(64)] }),
    draft({ role: "fact", room: "chat:facts" }),
    draft({ type: "unknown" }),
    draft({ role: "mark", ref: "id-1" }),
    draft(),
  ];
  for (const kind of kinds) {
    const [envelope] = written(kind);
    if (envelope) early.handed(envelope.origin, 0, [envelope]);
  }
  assert.deepEqual(
    told,
    kinds.slice(4).map(({ id }) => id),
  );
});

test("what was told early is found, and told no more; where it had been erased before it came, its room begins anew", async () => {
  const { router, early, told, commit } = hearing();
  const envelope = at(written(draft()), 0);
  early.handed(envelope.origin, 0, [envelope]);
  assert.equal((await router.find(envelope.id))?.id, envelope.id);
  assert.deepEqual(
    router.toldEarly("lobby").map(({ id }) => id),
    [envelope.id],
  );
  assert.deepEqual(told.splice(0), [envelope.id]);
  commit(envelope);
  assert.deepEqual(told, []);
  commit({ ...envelope, alt: null, body: null, salt: null });
  assert.deepEqual(told, ["reset lobby"]);
});
