/** How much room a peer gets that makes things up: every list that grows by a peer's word alone has an end. */
import assert from "node:assert/strict";
import test from "node:test";
import { isElsewhere } from "../../core/addresses.ts";
import { Answers } from "../../core/cluster/answers.ts";
import { Early } from "../../core/cluster/early.ts";
import { Membership, type NodeInfo } from "../../core/cluster/membership.ts";
import { Replication } from "../../core/cluster/replication.ts";
import { Sender } from "../../core/cluster/sender.ts";
import { ClusterState } from "../../core/cluster/state.ts";
import { Turns } from "../../core/cluster/turns.ts";
import { Warnings } from "../../core/cluster/warnings.ts";
import { MAX_FRAME_BYTES } from "../../core/envelope.ts";
import { at, draft, written } from "../suites/samples.ts";

const node = (id: string, changes: Partial<NodeInfo> = {}): NodeInfo => ({
  id,
  boot: "boot",
  name: id,
  version: "1",
  hosts: ["10.0.0.9"],
  port: 6002,
  pubPort: 7002,
  ...changes,
});

test("nodes that nobody has met are dialed up to a number, and make room for one that is there", () => {
  const membership = new Membership(node("self", { hosts: ["10.0.0.1"] }));
  membership.seek([{ host: "10.0.0.2", port: 6002 }]);
  membership.introduced(node("bo"), 0, { host: "10.0.0.2", port: 6002 });
  const dialed = new Set<string>();
  const apply = (effects: ReturnType<Membership["seek"]>) => {
    for (const effect of effects)
      if (effect.do === "dial") dialed.add(`${effect.address.host}:${effect.address.port}`);
      else if (effect.do === "hangUp") dialed.delete(`${effect.address.host}:${effect.address.port}`);
  };
  for (let count = 0; count < 5_000; count++) {
    apply(membership.introduced(node(`nobody ${count}`, { port: 10_000 + count }), 0));
    apply(membership.heardOf([node(`rumour ${count}`, { port: 20_000 + count })], 0));
  }
  assert.equal(dialed.size, 256);
  assert.ok(membership.peers.size <= 256, String(membership.peers.size));
  assert.equal(membership.peers.get("bo")?.up, true, "who is there is kept");
  assert.deepEqual(membership.introduced(node("cy", { hosts: ["10.0.0.3"] }), 0), [], "none has had time to answer");
  for (let second = 0; second < 3; second++) membership.greet(0);
  const effects = membership.introduced(node("cy", { hosts: ["10.0.0.3"] }), 0);
  assert.deepEqual(
    effects.map(effect => effect.do),
    ["hangUp", "dial"],
  );
  assert.deepEqual(
    membership
      .introduced(node("cy", { hosts: ["10.0.0.3"] }), 0, { host: "10.0.0.3", port: 6002 })
      .map(({ do: what }) => what),
    ["welcome"],
  );
});

test("a peer cannot have this node dial itself, everybody, nobody, or what a cloud tells its machines", () => {
  const hosts = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "::",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "localhost",
    "a.LOCALHOST",
    "169.254.169.254",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
  ];
  for (const host of hosts) assert.ok(!isElsewhere(host), host);
  for (const host of [
    "10.0.0.1",
    "169.254.1.1",
    "203.0.113.7",
    "2001:db8::7",
    "fd00::1",
    "fe80::1",
    "chat-b",
    "localhost.example",
  ])
    assert.ok(isElsewhere(host), host);
  const membership = new Membership(node("self", { hosts: ["10.0.0.1"] }));
  assert.deepEqual(
    membership.introduced(node("bo", { hosts: [...hosts, "10.0.0.2"] }), 0).map(effect => effect.do),
    ["dial"],
  );
  assert.deepEqual(
    membership.introduced(node("cy", { hosts: ["10.0.0.1"], port: 6003 }), 0),
    [{ do: "dial", address: { host: "127.0.0.1", port: 6003 }, of: "cy" }],
    "but those of this very machine are at its loopback address",
  );
});

const origin = (count: number) => count.toString(36).padStart(16, "0");

function replication(append = async (): Promise<unknown[]> => []) {
  const asked: string[] = [];
  const clock = { now: 0 };
  const appended: number[] = [];
  const made = new Replication(
    {
      log: {
        origin: "self".padStart(16, "0"),
        append: async (envelopes: unknown[]) => {
          appended.push(envelopes.length);
          return append();
        },
        stream: () => assert.fail(),
      } as never,
      early: new Early({ mayTell: () => false, tell() {}, takeBack() {} }),
      pull: (peer, origin) => asked.push(`${peer} ${origin}`),
      differs: () => {},
      outgrown: () => {},
      missing: () => {},
      now: () => clock.now,
      warn: () => {},
    },
    {},
  );
  return { made, asked, appended, clock };
}

test("streams that a peer only speaks of are asked for a few at a time, up to a number, and forgotten with the peer", () => {
  const { made, asked, clock } = replication();
  let count = 0;
  const heads = () => Object.fromEntries(Array.from({ length: 4_096 }, () => [origin(count++), { seq: 9, chain: "" }]));
  for (let round = 0; round < 20; round++) made.heard("mallory", heads(), { comparing: true });
  assert.equal(asked.length, 4, "who answers nothing is asked for little");
  made.heard("bo", { [origin(9_999_999)]: { seq: 1, chain: "" } }, { comparing: true });
  assert.equal(asked.length, 5, "and holds nobody else up");
  for (let round = 0; round < 2_000; round++) {
    clock.now += 2_100;
    made.tick();
  }
  assert.equal(new Set(asked.filter(ask => ask.startsWith("mallory"))).size, 1_024);
  made.lost("bo");
  for (let peer = 0; peer < 20; peer++) made.heard(`mallory ${peer}`, heads(), { comparing: true });
  made.heard("bo", { [origin(count)]: { seq: 1, chain: "" } }, { comparing: true });
  assert.ok(!asked.includes(`bo ${origin(count)}`), "there is no room for more");
  made.lost("mallory");
  for (let peer = 0; peer < 20; peer++) made.lost(`mallory ${peer}`);
  asked.length = 0;
  made.heard("bo", { [origin(count)]: { seq: 1, chain: "" } }, { comparing: true });
  assert.deepEqual(asked, [`bo ${origin(count)}`]);
});

test("what was asked for of streams that nobody speaks of any more holds nothing up", () => {
  const { made, asked } = replication();
  let count = 0;
  const heads = () => Object.fromEntries(Array.from({ length: 1_024 }, () => [origin(count++), { seq: 9, chain: "" }]));
  const mallories = Array.from({ length: 8 }, (_, index) => `mallory ${index}`);
  for (const mallory of mallories) made.heard(mallory, heads(), { comparing: true });
  assert.equal(asked.length, 8, "as much is asked for as there is room for");
  for (const mallory of mallories) made.heard(mallory, {}, { all: true });
  made.heard("bo", { [origin(count)]: { seq: 1, chain: "" } }, { comparing: true });
  assert.equal(asked.at(-1), `bo ${origin(count)}`);
});

test("nobody else's live batch goes on with this node's own stream", () => {
  const { made, appended } = replication();
  const envelope = at(written(draft()), 0);
  made.live("mallory", [{ ...envelope, origin: "self".padStart(16, "0"), seq: 1 }]);
  assert.deepEqual(appended, []);
  made.live("bo", [envelope]);
  assert.deepEqual(appended, [1]);
});

test("envelopes that came too early are kept without the frames that they came in", () => {
  const { made, appended } = replication();
  const [first, second] = written(draft(), draft());
  const frame = Buffer.alloc(MAX_FRAME_BYTES);
  const body = frame.subarray(0, second?.body?.length);
  body.set(second?.body ?? []);
  made.live("bo", [{ ...at([second], 0), body } as never]);
  frame.fill(0xff);
  made.live("bo", [first as never]);
  assert.deepEqual(appended, [2], "it is whole although the frame is gone");
});

test("a peer's state ends where some frames are full", () => {
  const state = new ClusterState("self", "boot", () => {});
  state.replace("mallory", { boot: "b", base: 0, version: 1, entries: [] });
  const entry = (key: string, bytes: number) => ({ type: "t", key, version: 1, body: new Uint8Array(bytes), at: 0 });
  let version = 1;
  let held = 0;
  const grow = (bytes: number) => {
    const entries = Array.from({ length: 4_096 }, (_, index) => entry(`${version} ${index}`, bytes));
    return state.apply("mallory", { boot: "b", base: version, version: ++version, entries });
  };
  while (grow(1) && held < 100) held++;
  assert.equal(held, 16);
  assert.equal(state.keys().length, 0, "whoever goes beyond it has none");
  version = 1;
  state.replace("mallory", { boot: "b", base: 0, version: 1, entries: [] });
  for (held = 0; grow(1_000) && held < 100; ) held++;
  assert.equal(held, 8);
  // The same value again and again is one value.
  state.replace("bo", { boot: "b", base: 0, version: 1, entries: [] });
  for (let again = 1; again < 200; again++)
    assert.ok(state.apply("bo", { boot: "b", base: again, version: again + 1, entries: [entry("one", 1_000_000)] }));
});

test("a cause is said once a minute, and twenty of one subject", () => {
  let now = 0;
  const said: object[] = [];
  const warnings = new Warnings(
    details => said.push(details),
    () => now,
  );
  for (let count = 0; count < 1_000; count++) warnings.say("stranger", `10.0.0.${count}`, { count }, "refused");
  assert.equal(said.length, 20);
  warnings.say("frame", "other", {}, "another subject has its own twenty");
  assert.equal(said.length, 21);
  now = 59_999;
  warnings.say("stranger", "10.0.0.1", {}, "too soon");
  assert.equal(said.length, 21);
  now = 60_000;
  warnings.say("stranger", "10.0.0.1", { again: true }, "refused");
  assert.deepEqual(said.slice(21), [{ again: true, unsaid: 980 }]);
});

test("who asks for much waits behind who asks for little, what is asked twice is done once, and too much is not taken", async () => {
  const done: string[] = [];
  const turns = new Turns(run => void setImmediate(run));
  for (let count = 0; count < 5_000; count++)
    turns.take("mallory", `pull ${count}`, async () => void done.push(`mallory ${count}`));
  for (let count = 0; count < 10; count++) turns.take("bo", "pull", async () => void done.push("bo"));
  await new Promise<void>(resolve => {
    const check = () => (done.length >= 1_024 + 4 + 1 ? setTimeout(resolve, 20) : setImmediate(check));
    check();
  });
  assert.equal(done.length, 1_024 + 4 + 1);
  assert.equal(done.filter(who => who === "bo").length, 1);
  assert.ok(done.indexOf("bo") < 8, String(done.indexOf("bo")));
});

test("answers that wait for a peer that does not read are bounded, and the others get theirs", async () => {
  const sent: string[] = [];
  let isFull = true;
  const retries: (() => void)[] = [];
  const socket = {
    closed: false,
    async send([peer, bytes]: Uint8Array[]) {
      if (String(peer) === "slow" && isFull) throw Object.assign(new Error("full"), { code: "EAGAIN" });
      if (String(peer) === "gone") throw Object.assign(new Error("gone"), { code: "EHOSTUNREACH" });
      sent.push(`${peer} ${bytes?.length}`);
    },
  };
  const answers = new Answers(socket, run => retries.push(run));
  for (let count = 0; count < 100; count++) answers.push(Buffer.from("slow"), new Uint8Array(1024 * 1024));
  answers.push(Buffer.from("gone"), new Uint8Array(1));
  answers.push(Buffer.from("quick"), new Uint8Array(7));
  await new Promise(setImmediate);
  assert.deepEqual(sent, ["quick 7"]);
  assert.deepEqual([answers.queued, answers.dropped], [32, 68]);
  isFull = false;
  for (const retry of retries) retry();
  await new Promise(setImmediate);
  assert.equal(sent.length, 33);
  assert.equal(answers.queued, 0);
});

test("what waits for a socket is bounded in bytes, too", () => {
  const sender = new Sender({ closed: false, send: () => new Promise(() => {}) });
  for (let count = 0; count < 100; count++) sender.push([new Uint8Array(1024 * 1024)]);
  assert.ok(sender.queued <= 65 && sender.dropped >= 34, `${sender.queued} ${sender.dropped}`);
});

test("what peers publish faster than the log takes it waits up to a number, and the rest is asked for later", async () => {
  const disk = Promise.withResolvers<unknown[]>();
  const { made, asked, appended } = replication(() => disk.promise);
  const stream = written(...Array.from({ length: 30_000 }, () => draft({ body: null, alt: null })));
  made.heard("bo", { [at(stream, 0).origin]: { seq: stream.length, chain: "" } });
  for (let from = 0; from < stream.length; from += 250) made.live("bo", stream.slice(from, from + 250));
  const { live, liveBytes, liveDropped } = made.queues;
  assert.ok(live >= 10_000 && live <= 20_250, `${live} wait`);
  assert.ok(liveBytes <= 33 * 1024 * 1024, `${liveBytes} bytes wait`);
  assert.equal(
    live,
    appended.reduce((sum, count) => sum + count),
  );
  assert.ok(liveDropped > 0);
  assert.deepEqual(asked, [], "while so much waits");
  disk.resolve(Array.from({ length: 250 }, () => ({ status: "stored" })));
  await disk.promise;
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(made.queues.live, 0);
  made.committed({ [at(stream, 0).origin]: { seq: live, chain: "" } });
  made.heard("bo", { [at(stream, 0).origin]: { seq: stream.length, chain: "" } }, { comparing: true });
  assert.equal(asked.length, 1, "what was dropped is pulled");
});
