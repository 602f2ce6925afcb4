/** How blobs get to every node whose log refers to them: without sockets, clocks and disks. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Blobs } from "../../core/cluster/blobs.ts";
import { BLOB_PART_BYTES, decodeFrame, encodeFrame, type Frame } from "../../core/cluster/frames.ts";
import { Service } from "../../core/cluster/service.ts";
import { Reject } from "../../core/errors.ts";
import { MemoryFiles } from "../helpers/memory-files.ts";
import { stillTime } from "../helpers/time.ts";
import { at, holds } from "../suites/samples.ts";

type InFlight = { from: string; to: string; bytes: Uint8Array };

/** All messages are of one stream, and each node commits its own selection of them. */
const STREAM = "0123456789abcdef";

const settled = () => new Promise(resolve => setImmediate(resolve));

/** What is under way waits until the test delivers or loses it. */
class Network {
  readonly still = stillTime();
  readonly nodes = new Map<string, Node>();
  frames: InFlight[] = [];

  add(...ids: string[]): Node[] {
    return ids.map(id => {
      const node = new Node(id, this);
      this.nodes.set(id, node);
      return node;
    });
  }

  get all(): Node[] {
    return [...this.nodes.values()];
  }

  of(kind: Frame["kind"]): InFlight[] {
    return this.frames.filter(({ bytes }) => decodeFrame(bytes).kind === kind);
  }

  async deliver(frame: InFlight | undefined): Promise<void> {
    if (!frame) return;
    this.frames = this.frames.filter(other => other !== frame);
    const [to, from] = [this.nodes.get(frame.to), this.nodes.get(frame.from)];
    if (to?.isUp && from?.isUp) to.receive(frame);
    await settled();
  }

  /** Delivers all that is under way, and what comes of it; returns what there was of a kind, in order. */
  async run(until: () => boolean = () => false): Promise<void> {
    await settled();
    while (this.frames.length > 0 && !until()) await this.deliver(this.frames[0]);
  }

  /** Time passes, and everything gets through. */
  async pass(ms: number, stepMs = 250): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.still.pass(stepMs);
      await this.run();
    }
  }
}

class Node {
  readonly id: string;
  readonly files = new MemoryFiles();
  readonly #network: Network;
  /** What each envelope of the log refers to. */
  readonly log: string[][] = [];
  readonly warnings: string[] = [];
  knowsBlobs = true;
  isUp = true;
  boots = 0;
  blobs: Blobs;
  #service: Service;
  /** How often it heard that a peer holds more. */
  held = 0;

  constructor(id: string, network: Network) {
    this.id = id;
    this.#network = network;
    [this.blobs, this.#service] = this.#start();
    this.files.damaged = hash => this.blobs.damaged(hash);
  }

  #start(): [Blobs, Service] {
    const { still, nodes, frames: _ } = this.#network;
    const time = { ...still.time, soon: (run: () => void) => queueMicrotask(run) };
    const notices = {
      blobs: (what: string) => this.warnings.push(what),
      unreadable: (error: Error) => this.warnings.push(error.message),
      unanswered: (error: unknown) => this.warnings.push(String(error)),
    };
    const blobs = new Blobs(this.id, {
      files: this.files as never,
      log: {
        origin: STREAM,
        blobsReferenced: async (after, limit) =>
          this.log.map((blobs, index) => ({ pos: index + 1, blobs })).slice(after, after + limit),
      },
      heads: () => (this.log.length > 0 ? { [STREAM]: { seq: this.log.length, chain: "0" } } : {}),
      time,
      links: {
        ask: (to, kind, payload) =>
          void this.#network.frames.push({ from: this.id, to, bytes: encodeFrame(kind, payload) }),
      },
      nodes: {
        keepers: () =>
          [...nodes.values()].flatMap(({ id, isUp, knowsBlobs }) => (id !== this.id && isUp && knowsBlobs ? [id] : [])),
      },
      notices,
      held: () => this.held++,
    });
    const nobody = () => assert.fail("nobody asks that here");
    const service = new Service(this.id, {
      log: { chains: nobody },
      replication: { answer: nobody },
      snapshot: nobody,
      blobs,
      time,
      notices,
    });
    return [blobs, service];
  }

  /** A message comes in that refers to these. */
  refer(...blobs: string[]): void {
    this.log.push(blobs);
    this.blobs.committed({ envelopes: [{ blobs } as never], segments: [] });
  }

  /** Whether a peer said that it holds these, having committed as much as this node. */
  heard(peer: string, ...hashes: string[]): boolean {
    return this.blobs.holds(peer, hashes, { origin: STREAM, seq: Math.max(1, this.log.length) });
  }

  receive({ from, bytes }: InFlight): void {
    const frame = decodeFrame(bytes);
    if (frame.kind === "blobs" || frame.kind === "blobPart") return this.blobs.received(frame);
    const answer = (bytes: Uint8Array) => void this.#network.frames.push({ from: this.id, to: from, bytes });
    this.#service.received(frame as never, { bytes, from, answer });
  }

  stop(): void {
    this.isUp = false;
    this.blobs.close();
    this.#service.close();
    this.#network.frames = this.#network.frames.filter(({ from, to }) => from !== this.id && to !== this.id);
    for (const peer of this.#network.all) if (peer.isUp) peer.blobs.lost(this.id);
  }

  start(): void {
    this.isUp = true;
    this.boots++;
    [this.blobs, this.#service] = this.#start();
    for (const peer of this.#network.all) if (peer.isUp && peer !== this) peer.blobs.up(this.id, String(this.boots));
  }
}

let made = 0;

/** Bytes that no other blob has, unless they are very few. */
const blob = (size: number): Buffer => Buffer.alloc(size, `${++made} `);

const PART = BLOB_PART_BYTES;
const asked = (network: Network) =>
  network
    .of("blobPlease")
    .map(({ to, bytes }) => ({ to, ...(decodeFrame(bytes).payload as { hash: string; offset: number }) }));

test("what a message refers to is fetched in parts from a peer that holds it, and told to all", async () => {
  const network = new Network();
  const [a, b, c] = network.add("a", "b", "c") as [Node, Node, Node];
  const bytes = blob(3 * PART + 17);
  const hash = a.files.keep(bytes);
  a.refer(hash);
  await network.run();
  assert.equal(b.heard("a", hash), true, "whoever has it says so");
  b.refer(hash);
  assert.equal(b.blobs.missing, 1);
  assert.deepEqual(asked(network), [{ to: "a", hash, offset: 0 }], "how large it is is not known yet");
  await network.run();
  assert.deepEqual(b.files.kept.get(hash), bytes);
  assert.deepEqual([b.blobs.missing, b.files.incoming], [0, 0]);
  assert.ok(a.heard("b", hash) && c.heard("b", hash));
  assert.ok(a.held > 0);
  assert.equal(c.files.has(hash), false, "nothing refers to it there");
});

for (const size of [0, 1, PART - 1, PART, PART + 1, 2 * PART])
  test(`a blob of ${size} bytes arrives whole`, async () => {
    const network = new Network();
    const [a, b] = network.add("a", "b") as [Node, Node];
    const bytes = blob(size);
    const hash = a.files.keep(bytes);
    b.refer(hash);
    await network.run();
    assert.deepEqual(b.files.kept.get(hash), bytes);
  });

test("two parts are under way from one peer at most, however much is missing", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hashes = Array.from({ length: 4 }, () => a.files.keep(blob(12 * PART)));
  b.refer(...hashes);
  let most = 0;
  await network.run(() => {
    const parts = network.of("blobPlease").length + network.of("blobPart").length;
    most = Math.max(most, parts);
    return false;
  });
  assert.equal(most, 2);
  assert.ok(hashes.every(hash => b.files.has(hash)));
});

test("where parts take long, fewer are asked for", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hash = a.files.keep(blob(20 * PART));
  b.refer(hash);
  await network.run(() => b.files.incoming === 1 && asked(network).some(({ offset }) => offset > 8 * PART));
  for (let slow = 0; slow < 6; slow++) {
    network.still.pass(200);
    const parts = network.frames;
    for (const frame of parts) await network.deliver(frame);
  }
  assert.equal(network.frames.length, 1);
  await network.run();
  assert.equal(b.files.has(hash), true);
});

test("what somebody waits for is asked for before all else", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  b.refer(...Array.from({ length: 40 }, () => a.files.keep(blob(4 * PART))));
  const wanted = a.files.keep(blob(2 * PART));
  await network.run(() => b.files.kept.size >= 2);
  const here = b.files.kept.size;
  let came = false;
  const coming = b.blobs.fetch(wanted, "ana").then(found => (came = found));
  await network.run(() => came);
  assert.equal(await coming, true);
  assert.ok(b.files.kept.size - here <= 4, `${b.files.kept.size - here} came before it`);
  assert.equal(await b.blobs.fetch(wanted, "ana"), true, "it is here");
});

test("who waits for what nobody has is told so as soon as all have said it, or where there is nobody", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  network.add("c");
  const hash = new MemoryFiles().keep(blob(10));
  const answers: boolean[] = [];
  void a.blobs.fetch(hash, "ana").then(found => answers.push(found));
  await network.run();
  assert.deepEqual([answers, a.blobs.missing], [[false], 0], "the log does not refer to it: nothing is left");
  assert.equal(await a.blobs.fetch("../../etc/passwd", "ana"), false);
  for (const node of network.all) if (node !== a) node.stop();
  assert.equal(await a.blobs.fetch(hash, "ana"), false);
  b.start();
  void a.blobs.fetch(hash, "ana").then(found => answers.push(found));
  b.stop();
  await settled();
  assert.deepEqual(answers, [false, false], "its last peer went");
});

test("who waits for a peer that says nothing is told within half a minute", async () => {
  const network = new Network();
  const [a] = network.add("a", "b") as [Node];
  let answer: boolean | undefined;
  void a.blobs.fetch(new MemoryFiles().keep(blob(10)), "ana").then(found => (answer = found));
  await settled();
  network.still.pass(8_000);
  await settled();
  assert.equal(answer, undefined);
  network.still.pass(1_000);
  await settled();
  assert.equal(answer, false);
});

test("however much one person waits for, files of the log come, and so does what others wait for", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const nobodys = Array.from({ length: 17 }, () => new MemoryFiles().keep(blob(10)));
  const waits = nobodys.map(hash => b.blobs.fetch(hash, "mallory"));
  const tooMuch = assert.rejects(at(waits, 16), { code: "rate-limited", details: { retryAfterMs: 1_000 } });
  const [fresh = "", wanted = ""] = [20, 30].map(size => a.files.keep(blob(size)));
  b.refer(fresh);
  const coming = b.blobs.fetch(wanted, "ana");
  await settled();
  const isAskedFor = (hash: string) => asked(network).some(part => part.hash === hash);
  assert.ok(isAskedFor(fresh), "though nothing was answered yet");
  const before = new Set<string>();
  await network.run(() => {
    for (const { hash } of asked(network)) before.add(hash);
    return isAskedFor(wanted);
  });
  assert.deepEqual(
    nobodys.filter(hash => before.has(hash)),
    nobodys.slice(0, 2),
  );
  await network.run();
  await tooMuch;
  assert.deepEqual([await coming, b.files.has(fresh)], [true, true]);
  assert.deepEqual(await Promise.all(waits.slice(0, 16)), Array(16).fill(false));
});

test("a file of the log that somebody waits for, too, is not held up by what else that person waits for", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  for (let index = 0; index < 5; index++) void b.blobs.fetch(new MemoryFiles().keep(blob(10)), "mallory");
  const hash = a.files.keep(blob(10));
  void b.blobs.fetch(hash, "mallory");
  await settled();
  b.refer(hash);
  await settled();
  assert.ok(asked(network).some(part => part.hash === hash));
});

test("that no peer has it is not asked again for a moment, unless a peer says that it has it", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const bytes = blob(10);
  const hash = new MemoryFiles().keep(bytes);
  const found = async () => {
    const coming = b.blobs.fetch(hash, "ana");
    await settled();
    const questions = asked(network).length;
    await network.run();
    return [await coming, questions];
  };
  assert.deepEqual(await found(), [false, 1]);
  assert.deepEqual(await found(), [false, 0]);
  network.still.pass(3_000);
  assert.deepEqual(await found(), [false, 1]);
  a.files.keep(bytes);
  a.refer(hash);
  await network.run();
  assert.deepEqual(await found(), [true, 1]);
});

for (const isKnown of [true, false])
  test(`a peer that is slow, and lies about the size, gives way to one that ${isKnown ? "is known to hold" : "holds"} the blob`, async () => {
    const network = new Network();
    const [liar, honest, b] = network.add("liar", "honest", "b") as [Node, Node, Node];
    const bytes = blob(10);
    const hash = honest.files.keep(bytes);
    const tell = (from: string) =>
      network.frames.push({
        from,
        to: "b",
        bytes: encodeFrame("blobs", { id: from, hashes: [hash], lacks: [], heads: {} }),
      });
    if (isKnown) for (const peer of ["liar", "honest"]) tell(peer);
    await network.run();
    liar.receive = ({ bytes }) => {
      const { kind, payload } = decodeFrame(bytes);
      if (kind !== "blobPlease") return;
      const lie = { id: "liar", ...payload, size: 4 * 1024 ** 3, bytes: new Uint8Array(PART) };
      network.frames.push({ from: "liar", to: "b", bytes: encodeFrame("blobPart", lie) });
    };
    b.refer(hash);
    let came: boolean | undefined;
    void b.blobs.fetch(hash, "ana").then(found => (came = found));
    await settled();
    assert.deepEqual(
      asked(network).map(({ to }) => to),
      ["liar"],
    );
    for (let ms = 0; ms < 29_000 && !came; ms += 1_000) {
      // Each question and each answer takes a second.
      network.still.pass(1_000);
      for (const frame of network.frames) await network.deliver(frame);
    }
    assert.equal(came, true);
    assert.deepEqual(b.files.kept.get(hash), bytes);
  });

test("a large blob comes though each of its holders takes long, and nothing of it is sent twice", async () => {
  const { network, c, bytes, hash } = holders(30);
  let questions = 0;
  for (let ms = 0; ms < 120_000 && !c.files.has(hash); ms += 500) {
    network.still.pass(500);
    questions += asked(network).length;
    for (const frame of network.frames) await network.deliver(frame);
  }
  assert.deepEqual(c.files.kept.get(hash), bytes);
  assert.ok(questions <= 34, `${questions} questions for 30 parts`);
});

test("a peer that knows nothing of blobs hears nothing of them", async () => {
  const network = new Network();
  const [a, b, old] = network.add("a", "b", "old") as [Node, Node, Node];
  old.knowsBlobs = false;
  const hash = a.files.keep(blob(10));
  a.refer(hash);
  b.refer(hash);
  b.refer(new MemoryFiles().keep(blob(10)));
  b.blobs.ask([hash]);
  await settled();
  assert.ok(network.frames.length > 0 && network.frames.every(({ to }) => to !== "old"));
});

/** Two nodes that hold the same blob of so many parts, and a third one whose log refers to it. */
function holders(parts: number) {
  const network = new Network();
  const [a, b, c] = network.add("a", "b", "c") as [Node, Node, Node];
  const bytes = blob(parts * PART);
  const hash = a.files.keep(bytes);
  b.files.keep(bytes);
  c.refer(hash);
  return { network, a, b, c, bytes, hash };
}

test("where the holder goes, the rest comes from another one", async () => {
  const { network, a, b, c, bytes, hash } = holders(10);
  await network.run(() => asked(network).some(({ offset }) => offset > 4 * PART));
  const first = asked(network)[0]?.to;
  (first === "a" ? a : b).stop();
  const again = asked(network);
  assert.ok(
    again.length > 0 && again.every(({ to, offset }) => to !== first && offset >= 3 * PART),
    JSON.stringify(again),
  );
  await network.run();
  assert.deepEqual(c.files.kept.get(hash), bytes);
});

test("where the holder stands still, or lost it, the rest comes from another one", async () => {
  const { network, a, b, c, bytes, hash } = holders(4);
  await network.run(() => network.of("blobPart").length > 0);
  network.frames = [];
  await network.pass(8_500);
  assert.deepEqual(c.files.kept.get(hash), bytes);
  const other = blob(4 * PART);
  const lost = a.files.keep(other);
  b.files.keep(other);
  a.refer(lost);
  await network.run();
  c.refer(lost);
  await network.run(() => network.of("blobPart").length > 0);
  a.files.kept.delete(lost);
  await network.run();
  assert.deepEqual(c.files.kept.get(lost), other);
  assert.equal(c.heard("a", lost), false, "it said that it has it no more");
});

test("what has another hash is asked of another holder, and who sent it looks at its own, and gets it anew", async () => {
  const network = new Network();
  const [a, b, c] = network.add("a", "b", "c") as [Node, Node, Node];
  const bytes = blob(2 * PART);
  const hash = a.files.keep(bytes);
  const damaged = Buffer.from(bytes);
  damaged[PART + 1] = (damaged[PART + 1] as number) ^ 1;
  b.files.kept.set(hash, damaged);
  b.refer(hash);
  await network.run();
  c.refer(hash);
  await network.run();
  assert.deepEqual(c.files.kept.get(hash), bytes);
  assert.deepEqual(c.warnings, ["a peer sent something else than the blob that it was asked for"]);
  assert.deepEqual(b.files.kept.get(hash), bytes);
  assert.deepEqual(b.warnings, ["a blob is damaged on this node's disk; it is fetched anew from a node that has it"]);
  network.frames.push({ from: "c", to: "a", bytes: encodeFrame("blobDoubted", { hash }) });
  await network.run();
  assert.deepEqual([a.warnings, a.files.has(hash)], [[], true], "it is whole there");
});

test("a peer that says another size than others, or sends parts of another length, does not end it", async () => {
  for (const wrong of [{ size: 5 }, { size: 2 ** 52 }, { bytes: new Uint8Array(7) }]) {
    const network = new Network();
    const [a, b] = network.add("a", "b") as [Node, Node];
    const bytes = blob(2 * PART);
    const hash = a.files.keep(bytes);
    b.refer(hash);
    network.frames = [];
    const part = { id: "a", hash, offset: 0, size: bytes.length, bytes: bytes.subarray(0, PART), ...wrong };
    network.frames.push({ from: "a", to: "b", bytes: encodeFrame("blobPart", part) });
    await network.run();
    assert.equal(b.files.has(hash), false);
    await network.pass(10_000);
    assert.deepEqual(b.files.kept.get(hash), bytes, JSON.stringify(Object.keys(wrong)));
    assert.equal(b.files.incoming, 0);
  }
});

test("what nobody has is asked for again, ever more seldom, and comes when somebody gets it", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const bytes = blob(10);
  const hash = new MemoryFiles().keep(bytes);
  b.refer(hash);
  let questions = 0;
  for (let second = 0; second < 60; second++) {
    network.still.pass(1_000);
    questions += asked(network).length;
    await network.run();
  }
  assert.ok(questions >= 3 && questions <= 8, `${questions} questions`);
  a.files.keep(bytes);
  a.refer(hash);
  await network.run();
  assert.equal(b.files.has(hash), true, "at once");
});

test("where the disk refuses one blob the others come, and who waits for that one is told why", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hashes = Array.from({ length: 12 }, () => a.files.keep(blob(20)));
  b.files.refuses.add(at(hashes, 0)).add(at(hashes, 5));
  b.stop();
  for (const hash of hashes) b.log.push([hash]);
  b.start();
  await network.pass(1_000);
  assert.equal(b.files.kept.size, 10);
  const refused = assert.rejects(b.blobs.fetch(at(hashes, 0), "ana"), { code: "storage-failed" });
  await network.pass(6_000);
  await refused;
  b.files.refuses.clear();
  await network.pass(60_000, 1_000);
  assert.equal(b.files.kept.size, 12);
});

test("what a node cannot read it does not send, and says so", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hash = a.files.keep(blob(20));
  a.files.read = async () => {
    throw new Reject("storage-failed");
  };
  const coming = b.blobs.fetch(hash, "ana");
  await network.run();
  assert.equal(await coming, false);
  assert.equal(a.warnings.length, 1);
});

test("a disk that is full is left alone for a while, and nobody is blamed", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hash = a.files.keep(blob(2 * PART));
  b.files.isFull = true;
  b.refer(hash);
  const refused = assert.rejects(b.blobs.fetch(hash, "ana"), { code: "no-space" });
  await network.run();
  await refused;
  assert.deepEqual(b.warnings, ["a blob could not be stored"]);
  await network.pass(4_500);
  assert.equal(b.warnings.length, 1);
  b.files.isFull = false;
  await network.pass(1_000);
  assert.deepEqual([b.files.has(hash), b.files.incoming], [true, 0]);
});

test("what is missing when a node starts is found in its log, however much it is, with bounded memory", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  b.stop();
  const hashes = Array.from({ length: 9_000 }, () => a.files.keep(blob(20)));
  for (const hash of hashes) b.log.push([hash]);
  b.start();
  await settled();
  assert.ok(b.blobs.missing <= 4_096, `${b.blobs.missing} in memory`);
  for (let round = 0; round < 200 && b.files.kept.size < hashes.length; round++) {
    await network.pass(250);
    assert.ok(b.blobs.missing <= 4_096 + 200);
  }
  assert.equal(b.files.kept.size, hashes.length);
});

test("more than is kept in mind at a time is found again in the log", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  await network.run();
  const hashes = Array.from({ length: 5_000 }, () => a.files.keep(blob(20)));
  for (const hash of hashes) b.refer(hash);
  assert.ok(b.blobs.missing <= 4_096);
  for (let round = 0; round < 100 && b.files.kept.size < hashes.length; round++) await network.pass(250);
  assert.equal(b.files.kept.size, hashes.length);
});

test("what came of a blob's end does not keep its beginning from being asked of another peer", async () => {
  const network = new Network();
  const [a, b, c] = network.add("a", "b", "c") as [Node, Node, Node];
  c.isUp = false;
  // After these two parts at a time are asked of it.
  b.refer(...Array.from({ length: 8 }, () => a.files.keep(blob(10))));
  await network.run();
  const bytes = blob(3 * PART);
  const hash = a.files.keep(bytes);
  b.refer(hash);
  await network.run(() => network.of("blobPart").length === 2);
  const [first, second] = network.of("blobPart");
  network.frames = network.frames.filter(frame => frame !== first);
  await network.deliver(second);
  await network.run(() => network.of("blobPart").length > 0);
  network.frames = [];
  a.files.kept.delete(hash);
  c.files.keep(bytes);
  c.isUp = true;
  await network.pass(60_000);
  assert.equal(b.files.has(hash), true);
});

test("what an erased message referred to is given up", async () => {
  const network = new Network();
  const [, b] = network.add("a", "b") as [Node, Node];
  b.refer(new MemoryFiles().keep(blob(10)));
  b.log.length = 0;
  await network.pass(300_000, 1_000);
  assert.equal(b.blobs.missing, 0);
  assert.equal(network.still.running(), 2, "only the hourly look at the log is left");
});

test("peers say which blobs they hold when they are asked", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hashes = Array.from({ length: 600 }, () => b.files.keep(blob(10)));
  const missing = new MemoryFiles().keep(blob(10));
  b.log.push(hashes);
  a.blobs.ask([...hashes, missing]);
  await network.run();
  assert.deepEqual([a.heard("b", ...hashes), a.heard("b", at(hashes, 0), missing)], [true, false]);
});

test("what a peer said counts for what it had committed by then, and for nothing that it commits later", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hash = a.files.keep(blob(10));
  const counts = () => [1, 2].map(seq => a.blobs.holds("b", [hash], { origin: STREAM, seq }));
  a.refer(hash);
  b.refer(hash);
  await network.run();
  assert.deepEqual(counts(), [true, false]);
  b.files.kept.delete(hash);
  a.refer(hash);
  b.refer(hash);
  await network.run(() => network.of("blobPlease").length > 0);
  assert.deepEqual(counts(), [true, false], "it has lost the blob before it committed the second one");
  await network.run();
  assert.deepEqual(counts(), [true, true]);
});

test("who loses a blob says so, and what was said before a restart is forgotten", async () => {
  const network = new Network();
  const [a, b] = network.add("a", "b") as [Node, Node];
  const hashes = [10, 20, 30].map(size => a.files.keep(blob(size)));
  const [removed = "", rotten = "", kept = ""] = hashes;
  a.refer(...hashes);
  b.refer(...hashes);
  await network.run();
  assert.equal(a.heard("b", ...hashes), true);
  b.files.kept.delete(removed);
  b.blobs.removed(removed);
  b.files.kept.set(rotten, Buffer.alloc(20));
  await b.files.verify(rotten);
  await network.run(() => network.of("blobs").length === 0);
  assert.deepEqual(
    hashes.map(hash => a.heard("b", hash)),
    [false, false, true],
  );
  await network.run();
  assert.equal(a.heard("b", rotten), true, "it is there again");
  b.files.kept.delete(kept);
  network.still.pass(3_600_000);
  await settled();
  await network.run(() => network.of("blobs").length === 0);
  assert.equal(a.heard("b", kept), false, "it was found to be gone when the log was looked through again");
  await network.run();
  b.stop();
  assert.equal(a.heard("b", kept), true, "it is on a disk");
  b.start();
  assert.equal(a.heard("b", kept), false, "which may be another one");
});

const who = fc.constantFrom("a", "b", "c");
const what = fc.nat({ max: 4 });
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant("deliver" as const), index: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), index: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("double" as const), index: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("damage" as const), index: fc.nat(), byte: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("refer" as const), who, what }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("upload" as const), who, what }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), who, what }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rot" as const), who, what }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("check" as const), who, what }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(100, 1_000, 9_000) }) },
);

test("whatever is lost, doubled, late or damaged, and whoever restarts: in the end all hold what their logs refer to", async t => {
  await holds(
    t,
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async steps => {
      const network = new Network();
      const nodes = network.add("a", "b", "c", "archive");
      const contents = [0, 3, PART, PART + 5, 3 * PART + 1].map(blob);
      // One that is never touched: what nobody holds any more is lost.
      const hashes = contents.map(bytes => (network.nodes.get("archive") as Node).files.keep(bytes));
      const waits: Promise<boolean>[] = [];
      for (const step of steps) {
        const frame = "index" in step ? network.frames[step.index % Math.max(1, network.frames.length)] : undefined;
        const node = "who" in step ? (network.nodes.get(step.who) as Node) : undefined;
        const hash = "what" in step ? at(hashes, step.what) : "";
        if (step.do === "deliver") await network.deliver(frame);
        else if (step.do === "lose") network.frames = network.frames.filter(other => other !== frame);
        else if (step.do === "double" && frame) network.frames.push({ ...frame });
        else if (step.do === "damage" && frame) {
          const { kind, payload } = decodeFrame(frame.bytes);
          if (kind !== "blobPart" || payload.bytes.length === 0) continue;
          const bytes = Buffer.from(payload.bytes);
          const index = step.byte % bytes.length;
          bytes[index] = (bytes[index] as number) ^ 0x10;
          frame.bytes = encodeFrame("blobPart", { ...payload, bytes });
        } else if (step.do === "refer") node?.refer(hash);
        else if (step.do === "upload") node?.files.keep(at(contents, step.what));
        else if (step.do === "wait" && node) waits.push(node.blobs.fetch(hash, String(waits.length)));
        else if (step.do === "pass") network.still.pass(step.ms);
        else if (step.do === "rot" && node && (node.files.kept.get(hash)?.length ?? 0) > 0) {
          node.files.kept.set(hash, Buffer.alloc(at(contents, step.what).length, 255));
        } else if (step.do === "check" && node?.files.kept.has(hash)) await node.files.verify(hash);
        else if (step.do === "restart") {
          node?.stop();
          node?.start();
        }
        await settled();
      }
      await network.run();
      await network.pass(200_000, 1_000);
      // What has rotted unseen is found when all is read.
      const referred = nodes.flatMap(node => node.log.flat().map(hash => ({ node, hash })));
      for (const { node, hash } of referred) await node.files.verify(hash);
      await network.run();
      await network.pass(200_000, 1_000);
      for (const { node, hash } of referred)
        assert.ok(node.files.has(hash) && (await node.files.verify(hash)), `${node.id} lacks ${hash}`);
      for (const { blobs, files } of nodes) assert.deepEqual([blobs.missing, files.incoming], [0, 0]);
      await Promise.all(waits);
    }),
    { numRuns: 150 },
  );
});
