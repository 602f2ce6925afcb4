import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { hashChain } from "../../core/chain.ts";
import { Early } from "../../core/cluster/early.ts";
import { decodeFrame, encodeFrame, encodePulled, type Frame } from "../../core/cluster/frames.ts";
import { PULL_MAX_BYTES, PULL_MAX_COUNT } from "../../core/cluster/pulls.ts";
import { type Heads, Replication } from "../../core/cluster/replication.ts";
import { type Draft, type Envelope, unpackEnvelopes } from "../../core/envelope.ts";
import { Reject } from "../../core/errors.ts";
import type { Outcome } from "../../core/log/log.ts";
import { type Segment, Store, type Taken } from "../../core/log/store.ts";
import { at, draft, holds, packed, unpacked, withoutPos, written } from "../suites/samples.ts";

/** A frame under way between two nodes. */
type InFlight = { from: string; to: string; bytes: Uint8Array };

/** Nodes without sockets, clocks or threads: what is under way waits until the test delivers or loses it. */
class Network {
  now = 0;
  readonly nodes = new Map<string, Node>();
  readonly frames: InFlight[] = [];
  readonly warnings: string[] = [];

  add(id: string): Node {
    const node = new Node(id, this);
    this.nodes.set(id, node);
    return node;
  }

  get all(): Node[] {
    return [...this.nodes.values()];
  }

  publish(from: string, bytes: Uint8Array): void {
    for (const to of this.nodes.keys()) if (to !== from) this.frames.push({ from, to, bytes });
  }

  /** Lets promises that are settled take effect. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  }

  async deliver(index: number, { keep = false } = {}): Promise<void> {
    const frame = keep ? this.frames[index] : this.frames.splice(index, 1)[0];
    if (!frame) return;
    this.nodes.get(frame.to)?.receive(frame.from, decodeFrame(frame.bytes));
    await this.settle();
  }

  /** Everything gets through from now on, until nothing changes any more. */
  async heal({ rounds = 60 } = {}): Promise<void> {
    for (const node of this.all) node.failing = false;
    for (let round = 0; round < rounds; round++) {
      for (const node of this.all) node.beat();
      for (let delivered = 0; delivered < 5_000; delivered++) {
        for (const node of this.all) await node.commitAll();
        if (this.frames.length === 0) break;
        await this.deliver(0);
      }
      assert.equal(this.frames.length, 0, "the nodes come to rest");
      if (new Set(this.all.map(({ store }) => store.digest())).size === 1) return;
      this.now += 100;
      for (const node of this.all) node.replication.tick();
      await this.settle();
    }
  }
}

/** The log, the replication and the part of the cluster that connects them. */
class Node {
  readonly id: string;
  readonly store = new Store(":memory:");
  readonly #network: Network;
  replication: Replication;
  #early = this.#newEarly();
  /** How far somebody here has heard each stream, who reads the log anew when something is taken back. */
  heard: Record<string, number> = {};
  /** Appends that are not committed yet. */
  #waiting: (
    | { items: readonly (Draft | Envelope)[]; resolve(o: Outcome[]): void; reject(e: Error): void }
    | { segment: Segment; resolve(t: Taken): void; reject(e: Error): void }
  )[] = [];
  failing = false;
  /** Each commit in order, as `origin seq`. */
  readonly committed: string[] = [];
  pulls: { peer: string; origin: string; after: number }[] = [];
  /** How many times the replication asked to be ticked. */
  missed = 0;

  constructor(id: string, network: Network) {
    this.id = id;
    this.#network = network;
    this.replication = this.#start();
  }

  #newEarly(): Early {
    return new Early({
      mayTell: () => true,
      tell: envelopes => this.#hear(envelopes),
      takeBack: () => this.#readAnew(),
    });
  }

  #readAnew(): void {
    this.heard = Object.fromEntries(Object.entries(this.store.heads()).map(([origin, { seq }]) => [origin, seq]));
  }

  /** Each envelope is heard once, after all before it. */
  #hear(envelopes: readonly Pick<Envelope, "origin" | "seq">[]): void {
    for (const { origin, seq } of envelopes) {
      assert.equal(seq, (this.heard[origin] ?? 0) + 1, `${this.id} tells ${origin} in order`);
      this.heard[origin] = seq;
    }
  }

  #start(): Replication {
    const network = this.#network;
    this.#early = this.#newEarly();
    this.#readAnew();
    const log = {
      append: (items: readonly (Draft | Envelope)[]) =>
        new Promise<Outcome[]>((resolve, reject) => this.#waiting.push({ items, resolve, reject })),
      take: (segment: Segment) =>
        new Promise<Taken>((resolve, reject) => this.#waiting.push({ segment, resolve, reject })),
      stream: async (...args: Parameters<Store["stream"]>) => this.store.stream(...args),
      origin: undefined,
    };
    return new Replication(
      {
        log,
        early: this.#early,
        pull: (peer, origin, after) => {
          this.pulls.push({ peer, origin, after });
          network.frames.push({ from: this.id, to: peer, bytes: encodeFrame("pull", { origin, after }) });
        },
        differs: () => network.warnings.push("differs"),
        outgrown: () => network.warnings.push("outgrown"),
        now: () => network.now,
        missing: () => {
          this.missed++;
        },
        warn: what => network.warnings.push(what),
      },
      this.store.heads(),
    );
  }

  /** Ends without a word, and starts again with what is committed. */
  restart(): void {
    this.#waiting = [];
    this.replication = this.#start();
    for (const peer of this.#network.all) peer.replication.lost(this.id);
  }

  write(count: number): void {
    this.#waiting.push({
      items: Array.from({ length: count }, () => draft({ author: this.id })),
      resolve: () => {},
      reject: () => {},
    });
  }

  /** The oldest append reaches the disk, or fails there. */
  async commitOne(): Promise<void> {
    const job = this.#waiting.shift();
    if (!job) return;
    if (this.failing) job.reject(new Reject("no-space"));
    else if ("segment" in job) {
      const { taken, heads } = this.store.take([job.segment], 0);
      const [of] = taken as [Taken];
      const { origin, packed } = job.segment;
      const came = unpackEnvelopes(packed).slice(of.skipped, of.skipped + of.count);
      for (const { seq } of came) this.committed.push(`${origin} ${seq}`);
      this.#hear(came.filter(envelope => !this.#early.has(envelope)));
      if (of.count > 0) {
        this.#network.publish(this.id, encodeFrame("heads", { id: this.id, heads }));
        this.replication.committed(heads);
      }
      job.resolve(of);
    } else {
      const { outcomes, heads, origin } = this.store.append(job.items, 0);
      const envelopes = outcomes.flatMap(outcome => (outcome.status === "stored" ? [outcome.envelope] : []));
      for (const { origin, seq } of envelopes) this.committed.push(`${origin} ${seq}`);
      this.#hear(envelopes.filter(envelope => !this.#early.has(envelope)));
      const own = envelopes.filter(envelope => envelope.origin === origin).map(withoutPos);
      if (own.length > 0) this.#network.publish(this.id, encodeFrame("batch", { id: this.id, envelopes: own }));
      if (own.length < envelopes.length) this.#network.publish(this.id, encodeFrame("heads", { id: this.id, heads }));
      if (envelopes.length > 0) this.replication.committed(heads);
      job.resolve(outcomes);
    }
    await this.#network.settle();
  }

  async commitAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.commitOne();
  }

  beat(): void {
    this.#network.publish(this.id, encodeFrame("heads", { id: this.id, heads: this.store.heads() }));
  }

  receive(from: string, { kind, payload }: Frame): void {
    if (kind === "batch") this.replication.live(from, payload.envelopes, payload.follows);
    else if (kind === "heads") this.replication.heard(from, payload.heads);
    else if (kind === "pulled") this.replication.pulled(from, payload.origin, payload.packed, payload.follows);
    else if (kind === "pull") void this.#answer(from, payload.origin, payload.after);
    else assert.fail(`nobody sends ${kind} here`);
  }

  async #answer(to: string, origin: string, after: number): Promise<void> {
    const { follows, packed } = await this.replication.answer(origin, after);
    const bytes = encodePulled({ id: this.id, origin, follows }, packed);
    this.#network.frames.push({ from: this.id, to, bytes });
  }
}

/** Each envelope is there once, and each stream was committed strictly in order. */
function assertWhole(node: Node): void {
  const next = new Map<string, number>();
  for (const commit of node.committed) {
    const [origin = "", seq] = commit.split(" ");
    assert.equal(Number(seq), (next.get(origin) ?? 0) + 1, `${node.id} commits ${origin} in order`);
    next.set(origin, Number(seq));
  }
}

const who = fc.constantFrom("a", "b", "c");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("write" as const), who, fc.integer({ min: 1, max: 5 })) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("commit" as const), who) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("deliver" as const), fc.nat()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("repeat" as const), fc.nat()) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("lose" as const), fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("beat" as const), who) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("tick" as const), who, fc.constantFrom(10, 100, 3_000)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("fail" as const), who, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("restart" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("part" as const), who, who) },
);

test("whatever is lost, repeated, reordered or fails: once the network heals, all nodes hold the same", async t => {
  await holds(
    t,
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async steps => {
      const network = new Network();
      for (const id of ["a", "b", "c"]) network.add(id);
      const node = (id: string) => network.nodes.get(id) as Node;
      for (const step of steps) {
        const index = typeof step[1] === "number" ? step[1] % Math.max(1, network.frames.length) : 0;
        if (step[0] === "write") node(step[1]).write(step[2]);
        else if (step[0] === "commit") await node(step[1]).commitOne();
        else if (step[0] === "deliver") await network.deliver(index);
        else if (step[0] === "repeat") await network.deliver(index, { keep: true });
        else if (step[0] === "lose") network.frames.splice(index, 1);
        else if (step[0] === "beat") node(step[1]).beat();
        else if (step[0] === "fail") node(step[1]).failing = step[2];
        else if (step[0] === "restart") node(step[1]).restart();
        else if (step[0] === "part") node(step[1]).replication.lost(step[2]);
        else {
          network.now += step[2];
          node(step[1]).replication.tick();
        }
        await network.settle();
      }
      await network.heal();
      assert.equal(new Set(network.all.map(({ store }) => store.digest())).size, 1, "all digests are equal");
      for (const node of network.all) {
        assertWhole(node);
        assert.ok(node.replication.settled);
        for (const peer of network.all) if (peer !== node) assert.equal(node.replication.behind(peer.id), 0);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** Ana's node, and a stream of five that somebody else wrote. */
function alone() {
  const network = new Network();
  const ana = network.add("ana");
  const envelopes = written(...Array.from({ length: 5 }, () => draft()));
  const { origin } = at(envelopes, 0);
  const chains: string[] = [];
  for (const envelope of envelopes) chains.push(hashChain(chains.at(-1) ?? "", envelope));
  const heads = (seq: number): Heads => ({ [origin]: { seq, chain: chains[seq - 1] ?? "unknown" } });
  const seq = () => ana.store.heads()[origin]?.seq ?? 0;
  return { network, ana, envelopes, origin, heads, seq };
}

test("a live batch is committed at once, and asks for nothing", async () => {
  const { ana, envelopes, seq } = alone();
  ana.replication.live("bo", envelopes);
  await ana.commitAll();
  assert.equal(seq(), 5);
  assert.deepEqual(ana.pulls, []);
  assert.ok(ana.replication.settled);
});

test("what comes before its predecessors waits for them", async () => {
  const { ana, envelopes, seq } = alone();
  for (const index of [4, 2, 3, 1]) ana.replication.live("bo", [at(envelopes, index)]);
  await ana.commitAll();
  assert.equal(seq(), 0);
  ana.replication.live("bo", [at(envelopes, 0)]);
  await ana.commitAll();
  assert.equal(seq(), 5);
  assertWhole(ana);
});

test("a hole is pulled from any peer that holds it, not only from the one that wrote it", async () => {
  const { ana, envelopes, origin, heads, seq } = alone();
  ana.replication.heard("cy", heads(5));
  ana.replication.live("bo", [at(envelopes, 4)]);
  assert.deepEqual(ana.pulls, [{ peer: "cy", origin, after: 0 }]);
  ana.replication.pulled("cy", origin, packed(envelopes.slice(0, 4)));
  await ana.commitAll();
  assert.equal(seq(), 5);
});

test("what is there already is neither asked for nor handed to the log again", async () => {
  const { network, ana, envelopes, heads, seq } = alone();
  ana.replication.live("bo", envelopes);
  ana.replication.live("cy", envelopes);
  await ana.commitAll();
  ana.replication.live("bo", envelopes);
  await ana.commitAll();
  ana.replication.heard("bo", heads(5), { comparing: true });
  assert.equal(seq(), 5);
  assert.deepEqual(ana.pulls, []);
  assert.deepEqual(network.warnings, []);
  ana.replication.heard("bo", heads(6));
  ana.replication.live("cy", envelopes);
  assert.deepEqual(ana.pulls, [], "an old envelope is no sign of a hole");
});

test("a node asks nobody for what it wrote itself", async () => {
  const { network, ana } = alone();
  ana.write(3);
  await ana.commitAll();
  ana.replication.heard("bo", ana.store.heads(), { comparing: true });
  network.now += 1_000;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, []);
});

test("a hole that a live batch may still fill is not pulled at once", () => {
  const { network, ana, origin, heads } = alone();
  ana.replication.heard("bo", heads(5));
  ana.replication.tick();
  assert.deepEqual(ana.pulls, []);
  network.now += 100;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, [{ peer: "bo", origin, after: 0 }]);
});

test("a node is to be woken while something is missing, and not otherwise", async () => {
  const { network, ana, envelopes, origin, heads } = alone();
  assert.equal(ana.replication.tick(), false);
  assert.equal(ana.missed, 0);
  ana.replication.heard("bo", heads(5));
  ana.replication.heard("bo", heads(5));
  assert.equal(ana.missed, 1, "once");
  assert.equal(ana.replication.tick(), true);
  network.now += 100;
  assert.equal(ana.replication.tick(), true);
  ana.replication.pulled("bo", origin, packed(envelopes));
  assert.equal(ana.replication.tick(), false);
  ana.failing = true;
  await ana.commitAll();
  assert.equal(ana.missed, 2, "what the disk refused is missing again");
  assert.equal(ana.replication.tick(), true);
});

test("a joining node asks without waiting", () => {
  const { ana, origin, heads } = alone();
  ana.replication.heard("bo", heads(5), { comparing: true });
  assert.deepEqual(ana.pulls, [{ peer: "bo", origin, after: 0 }]);
});

test("one request a stream is under way, and one that is not answered is made to another peer", () => {
  const { network, ana, heads } = alone();
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.heard("cy", heads(5), { comparing: true });
  for (let times = 0; times < 15; times++) {
    network.now += 100;
    ana.replication.tick();
  }
  assert.equal(ana.pulls.length, 1);
  network.now += 1_000;
  ana.replication.tick();
  assert.deepEqual(
    ana.pulls.map(({ peer }) => peer),
    ["bo", "cy"],
  );
});

test("a request to a peer that goes down is made to another at once", () => {
  const { ana, heads } = alone();
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.heard("cy", heads(5));
  ana.replication.lost("bo");
  assert.deepEqual(
    ana.pulls.map(({ peer }) => peer),
    ["bo", "cy"],
  );
});

test("a peer that does not have what it said is not asked again while another may", () => {
  const { ana, origin, heads } = alone();
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.heard("cy", heads(5));
  ana.replication.pulled("bo", origin, packed([]));
  ana.replication.heard("bo", heads(5));
  assert.deepEqual(
    ana.pulls.map(({ peer }) => peer),
    ["bo", "cy"],
  );
});

test("the only peer that says it has something is asked again three seconds after an answer that brought nothing", async () => {
  const { network, ana, envelopes, origin, heads } = alone();
  ana.replication.heard("bo", heads(5), { comparing: true });
  // The last one alone is of no use; nor is the same answer over and over.
  for (let times = 0; times < 50; times++) {
    ana.replication.pulled("bo", origin, packed([at(envelopes, 4)]));
    await ana.commitAll();
  }
  network.now += 2_999;
  ana.replication.tick();
  // The second one was under way before the first had turned out to be of no use.
  assert.deepEqual(ana.pulls.splice(0), [
    { peer: "bo", origin, after: 0 },
    { peer: "bo", origin, after: 1 },
  ]);
  network.now += 1;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, [{ peer: "bo", origin, after: 0 }]);
});

test("a peer whose answer was overtaken by its own live batch is asked again at once", async () => {
  const { ana, envelopes, origin, heads } = alone();
  ana.replication.heard("bo", heads(3), { comparing: true });
  ana.replication.live("bo", envelopes.slice(0, 3));
  ana.replication.pulled("bo", origin, packed(envelopes.slice(0, 3)));
  ana.replication.heard("bo", heads(5), { comparing: true });
  assert.deepEqual(ana.pulls, [
    { peer: "bo", origin, after: 0 },
    { peer: "bo", origin, after: 3 },
  ]);
});

test("an answer that nobody asked for is passed over", async () => {
  const { ana, origin, envelopes, heads, seq } = alone();
  ana.replication.pulled("bo", origin, packed(envelopes));
  await ana.commitAll();
  assert.equal(seq(), 0);
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.pulled("cy", origin, packed(envelopes));
  await ana.commitAll();
  assert.equal(seq(), 0);
});

test("a long stream is pulled in pages until nothing is missing, and pulling waits for the disk", async () => {
  const network = new Network();
  const [ana, bo] = [network.add("ana"), network.add("bo")];
  bo.store.append(
    Array.from({ length: 12_000 }, () => draft({ body: Buffer.alloc(1) })),
    0,
  );
  bo.replication = new Replication(
    {
      early: new Early({ mayTell: () => false, tell() {}, takeBack() {} }),
      log: {
        append: () => assert.fail(),
        take: () => assert.fail(),
        origin: undefined,
        stream: async (...args) => bo.store.stream(...args),
      },
      pull: () => assert.fail(),
      differs: () => assert.fail(),
      outgrown: () => assert.fail(),
      now: () => 0,
      missing: () => {},
      warn: () => {},
    },
    bo.store.heads(),
  );
  ana.replication.heard("bo", bo.store.heads(), { comparing: true });
  while (network.frames.length > 0) await network.deliver(0);
  const inFlight = ana.pulls.length;
  assert.ok(inFlight >= 4 && inFlight <= 6, `${inFlight} pages were asked for before any was on the disk`);
  await network.heal();
  assert.equal(ana.store.digest(), bo.store.digest());
  assert.ok(ana.pulls.length <= 26);
});

test("what is under way is bounded in bytes, however many streams there are", async () => {
  const network = new Network();
  const ana = network.add("ana");
  const streams = Array.from({ length: 40 }, () => written(draft({ body: Buffer.alloc(200 * 1024) }), draft()));
  const heads = Object.fromEntries(streams.map(([first]) => [(first as Envelope).origin, { seq: 2, chain: "c" }]));
  ana.replication.heard("bo", heads, { comparing: true });
  let unanswered = 0;
  let answered = 0;
  for (let step = 0; step < 500 && answered < 40; step++) {
    const underWay = answered - ana.committed.length / 2;
    const bytes = (ana.pulls.length - answered) * PULL_MAX_BYTES + underWay * 200 * 1024;
    assert.ok(bytes <= 5 * 1024 * 1024, `${bytes} bytes are under way`);
    const pull = ana.pulls[answered];
    if (pull) {
      const envelopes = streams.find(([first]) => first?.origin === pull.origin) as Envelope[];
      ana.replication.pulled("bo", pull.origin, packed(envelopes));
      answered++;
    } else {
      unanswered++;
      await ana.commitOne();
      await network.settle();
      network.now += 100;
      ana.replication.tick();
    }
  }
  await ana.commitAll();
  assert.ok(unanswered > 0, "pulling waited for the disk");
  assert.equal(ana.committed.length, 80);
  assertWhole(ana);
});

test("an answer is bounded in number and bytes", async () => {
  const { ana } = alone();
  const { outcomes } = ana.store.append(
    Array.from({ length: 40 }, () => draft({ body: Buffer.alloc(64 * 1024) })),
    0,
  );
  assert.ok(outcomes[0]?.status === "stored");
  const { origin } = outcomes[0].envelope;
  const answer = unpacked(await ana.replication.answer(origin, 0));
  assert.ok(answer.length >= 7 && answer.length <= 8);
  assert.ok(PULL_MAX_BYTES <= 1024 * 1024 && PULL_MAX_COUNT <= 4_096);
  assert.equal(unpacked(await ana.replication.answer(origin, 39)).length, 1);
  assert.deepEqual(unpacked(await ana.replication.answer("z".repeat(16), 0)), []);
});

test("an envelope whose content does not match its hash is refused, and fetched elsewhere", async () => {
  const { network, ana, origin, envelopes, heads, seq } = alone();
  const forged = envelopes.map(envelope => ({ ...envelope, alt: "forged" }));
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.pulled("bo", origin, packed(forged));
  await ana.commitAll();
  assert.equal(seq(), 0);
  assert.equal(network.warnings.length, 1);
  // Whatever it says it has, somebody else is asked.
  ana.replication.heard("bo", heads(5), { comparing: true });
  ana.replication.heard("cy", heads(5), { comparing: true });
  assert.deepEqual(
    ana.pulls.map(({ peer }) => peer),
    ["bo", "cy"],
  );
  ana.replication.pulled("cy", origin, packed(envelopes));
  await ana.commitAll();
  assert.deepEqual(
    unpacked(ana.store.stream(origin, 0, 10, 1_000_000)).map(({ alt }) => alt),
    envelopes.map(({ alt }) => alt),
  );
});

test("what is genuine before a forged envelope is kept, and the rest is asked for", async () => {
  const { network, ana, origin, envelopes, heads, seq } = alone();
  ana.replication.heard("bo", heads(3));
  ana.replication.live("bo", [...envelopes.slice(0, 2), { ...at(envelopes, 2), alt: "forged" }]);
  await ana.commitAll();
  assert.equal(seq(), 2);
  network.now += 100;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, [{ peer: "bo", origin, after: 2 }]);
});

test("each part of the content is held against the hash", async () => {
  const changes: Partial<Envelope>[] = [
    { alt: null },
    { body: Buffer.from("forged") },
    { body: null },
    { blobs: ["f".repeat(64)] },
    { salt: Buffer.alloc(16) },
    { contentHash: Buffer.alloc(32) },
  ];
  for (const change of changes) {
    const { ana, envelopes, seq } = alone();
    ana.replication.live("bo", [{ ...at(envelopes, 0), ...change }]);
    await ana.commitAll();
    assert.equal(seq(), 0, Object.keys(change).join());
  }
});

test("what the disk refuses is asked for again", async () => {
  const { network, ana, envelopes, origin, heads, seq } = alone();
  ana.failing = true;
  ana.replication.heard("bo", heads(5));
  ana.replication.live("bo", envelopes);
  network.now += 1_000;
  await ana.commitAll();
  assert.equal(seq(), 0);
  ana.failing = false;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, [], "not at once: a full disk would be asked again and again");
  network.now += 100;
  ana.replication.tick();
  assert.deepEqual(ana.pulls, [{ peer: "bo", origin, after: 0 }]);
  ana.replication.pulled("bo", origin, packed(envelopes));
  await ana.commitAll();
  assert.equal(seq(), 5);
  assertWhole(ana);
});

test("what a peer lacks of this node's log is known, for a stranger everything", () => {
  const { ana, heads } = alone();
  const { heads: own } = ana.store.append([draft(), draft(), draft()], 0);
  ana.replication.committed(own);
  assert.equal(ana.replication.behind("bo"), 3);
  ana.replication.heard("bo", Object.fromEntries(Object.entries(own).map(([o, head]) => [o, { ...head, seq: 2 }])));
  assert.equal(ana.replication.behind("bo"), 1);
  ana.replication.heard("bo", heads(5));
  assert.equal(ana.replication.behind("bo"), 1);
  assert.equal(ana.replication.settled, false);
  ana.replication.lost("bo");
  assert.equal(ana.replication.settled, true);
});
