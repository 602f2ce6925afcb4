/** More than a node can do, from many at once: what it acks is kept, the rest is refused at the door, and others are served. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { v7 as uuid } from "uuid";
import { type Answer, type Client, connect } from "../helpers/client.ts";
import { everything } from "../helpers/load.ts";
import { type NodeProcess, spawnNode } from "../helpers/node.ts";

const PRODUCERS = 3;
/** Together more than may wait where the disk has stood still. */
const UNANSWERED = 2_000;
const FLOOD_MS = 3_000;
/** Longer than drafts are to wait. */
const STALL_MS = 300;

/** The second where what waits for a producer is more than it reads. */
const EXPECTED = new Set<string | undefined>(["overloaded", "rate-limited"]);
/** What figures are never above. */
const BOUNDS: Readonly<Record<string, number>> = {
  chat_drafts_limit: 10_000,
  chat_drafts_waiting: 10_000,
  chat_requests_waiting: (PRODUCERS + 1) * 256,
  chat_client_buffered_bytes_max: 4 * 1024 * 1024,
  chat_messages_held: 1_000_000,
  chat_reads: 4_112,
};

type Producer = { client: Client; room: string; sent: Set<string>; answers: Map<string, Answer> };

async function newProducer(t: TestContext, node: NodeProcess, index: number): Promise<Producer> {
  const client = await connect(t, node, { name: `Producer ${index}`, batch: true, types: ["text"] });
  // Each hears itself alone, and need not remember it.
  const made = (await client.ask("chat:room", { name: `room ${index}` })) as Answer & { room: { id: string } };
  await client.join(made.room.id);
  client.socket.offAny();
  return { client, room: made.room.id, sent: new Set(), answers: new Map() };
}

/** Has as much as it may under way, whatever the node says, until it is told to stop or the connection ends. */
async function flood({ client: { socket }, room, sent, answers }: Producer, goesOn: () => boolean): Promise<void> {
  while (goesOn() && socket.connected) {
    while (sent.size - answers.size < UNANSWERED) {
      const id = uuid();
      sent.add(id);
      socket.emit("text", { id, room, body: { text: id } }, (answer: Answer) => answers.set(id, answer));
    }
    await new Promise(resolve => setImmediate(resolve));
  }
}

const acked = ({ answers }: Producer) => [...answers].flatMap(([id, { ok }]) => (ok ? [id] : []));
const refused = ({ answers }: Producer) => [...answers].flatMap(([id, { ok }]) => (ok ? [] : [id]));

/** On a thread of its own: what this one has to do must not make a stall longer than the node bears. */
const STALLING = `
  const { workerData: { path, stallMs, end } } = require("node:worker_threads");
  const db = new (require("node:sqlite").DatabaseSync)(path, { timeout: 10_000 });
  const pause = ms => Atomics.wait(end, 0, 0, ms) === "timed-out";
  do {
    db.exec("BEGIN IMMEDIATE");
    pause(stallMs);
    db.exec("COMMIT");
  } while (pause(10));
  db.close();
`;

/** A disk that stands still again and again, until so many were refused. */
async function stall(node: NodeProcess, producers: readonly Producer[], refusals: number): Promise<void> {
  const end = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { path: join(node.dataDir, "log.db"), stallMs: STALL_MS, end };
  const disk = new Worker(STALLING, { eval: true, workerData });
  const ended = once(disk, "exit");
  while (producers.flatMap(refused).length < refusals) await sleep(10);
  Atomics.store(end, 0, 1);
  Atomics.notify(end, 0);
  await ended;
}

async function assertWithinBounds(node: NodeProcess): Promise<void> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  for (const [name, most] of Object.entries(BOUNDS)) {
    const [, value] = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics) ?? [];
    assert.ok(Number(value) <= most, `${name} is ${value}, and never more than ${most}`);
  }
}

/** What a room holds is what was acked there, each once, and of what was refused nothing. */
async function assertKept(reader: Client, producer: Producer): Promise<void> {
  const ids = (await everything(reader, producer.room)).map(({ id }) => id);
  const kept = new Set(ids);
  assert.equal(kept.size, ids.length, "nothing is there twice");
  const [lost, stored] = [acked(producer).filter(id => !kept.has(id)), refused(producer).filter(id => kept.has(id))];
  assert.deepEqual([lost, stored, ids.filter(id => !producer.sent.has(id))], [[], [], []]);
}

test("under a flood what is acked is kept, the rest is refused at the door, and others still read and write", async t => {
  const node = await spawnNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const { id: before } = await raj.say("before");
  const producers = await Promise.all(Array.from({ length: PRODUCERS }, (_, index) => newProducer(t, node, index)));
  const until = performance.now() + FLOOD_MS;
  let hasStalled = false;
  const goesOn = () => !hasStalled || performance.now() < until;
  const flooding = producers.map(producer => flood(producer, goesOn));
  const stalling = stall(node, producers, 100).then(() => {
    hasStalled = true;
  });
  while (goesOn()) {
    const history = await raj.ask("history", { room: "lobby" });
    const [first] = (history.messages ?? []) as { id: string }[];
    assert.deepEqual([history.ok, first?.id], [true, before]);
    assert.equal((await raj.join("lobby")).ok, true);
    await assertWithinBounds(node);
  }
  await Promise.all([stalling, ...flooding]);
  while (producers.some(({ sent, answers }) => answers.size < sent.size)) await sleep(10);
  const answers = producers.flatMap(({ answers }) => [...answers.values()]);
  const codes = new Set(answers.flatMap(({ ok, code }) => (ok ? [] : [code])));
  t.diagnostic(`${producers.flatMap(acked).length} of ${answers.length} acked`);
  assert.ok(codes.has("overloaded") && [...codes].every(code => EXPECTED.has(code)), [...codes].join(" "));
  for (const { ok, retryAfterMs = 0 } of answers) assert.ok(ok || retryAfterMs > 0);
  // Nothing waits any more: whoever comes now is served.
  await raj.say("after");
  for (const producer of producers) await assertKept(raj, producer);
});

test("kill -9 under a flood, after a stall: what was acked is there, once", async t => {
  const node = await spawnNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  const producers = await Promise.all(Array.from({ length: PRODUCERS }, (_, index) => newProducer(t, node, index)));
  const flooding = producers.map(producer => flood(producer, () => true));
  await stall(node, producers, 100);
  const enough = producers.flatMap(acked).length + 500;
  while (producers.flatMap(acked).length < enough) await sleep(10);
  await node.kill("SIGKILL");
  await Promise.all(flooding);
  const again = await spawnNode(t, { DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: raj.welcome.token });
  for (const producer of producers) await assertKept(back, producer);
  await back.join("lobby");
  await back.say("after");
});
