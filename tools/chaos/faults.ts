/** What happens to the nodes: each fault from its beginning until the node has caught up with the others. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Author } from "./author.ts";
import type { ChaosCluster, Direction } from "./cluster.ts";
import type { Disk } from "./disk.ts";
import type { Write } from "./ledger.ts";
import type { ChaosNode } from "./node.ts";
import type { Kind, Planned } from "./schedule.ts";
import type { Writer } from "./writer.ts";

export type Ground = {
  cluster: ChaosCluster;
  /** Of the last node, where there is one. */
  disk: Disk | undefined;
  writers: readonly Writer[];
  /** For each node, who writes there what a fault is about: a node has one fault at a time, and so one message. */
  publishers: readonly Author[];
};

export type Happened = {
  kind: Kind;
  what: string;
  node: string;
  /** From the beginning of the run until the fault was over. */
  fromMs: number;
  toMs: number;
  /** From then until the nodes that were well had all that any of them had; undefined where that did not come about. */
  healedMs: number | undefined;
};

const POLL_MS = 50;
/** What a message takes to leave its node. */
const ON_ITS_WAY_MS = 200;
const REFILL_MS = 250;
/** Of a slow peer's time: it runs for a tenth of it. */
const SLOW = { stoppedMs: 450, runningMs: 50 };
const TRIES = 5;
const LONG_TEXT = "x".repeat(4_000);
const MOST_LONG_MESSAGES = 1_000;

export class Faults {
  readonly #ground: Ground;
  readonly #startedAt = performance.now();
  readonly happened: Happened[] = [];
  /** Nodes whose last message did not come to the others when they could talk again, with nothing written after it. */
  readonly unrepaired: string[] = [];
  readonly #told: (happened: Happened) => void;

  constructor(ground: Ground, told: (happened: Happened) => void) {
    this.#ground = ground;
    this.#told = told;
  }

  /** Makes all of them happen at their times, or when their node has got over the one before. */
  async perform(planned: readonly Planned[]): Promise<void> {
    await Promise.all(
      planned.map(async fault => {
        await sleep(Math.max(0, fault.atMs - this.#now));
        const { cluster } = this.#ground;
        const node = cluster.nodes[fault.node] as ChaosNode;
        const taken = fault.kind === "dropped last" ? cluster.nodes : [node];
        await cluster.inTurn(node, taken, () => this.#happen(fault, node));
      }),
    );
  }

  get #now(): number {
    return performance.now() - this.#startedAt;
  }

  async #happen(fault: Planned, node: ChaosNode): Promise<void> {
    const fromMs = this.#now;
    const what = await this.#one(fault, node);
    const toMs = this.#now;
    const healedMs = await this.#ground.cluster.healed(node);
    if (fault.kind === "dropped last") {
      if (healedMs === undefined) this.unrepaired.push(node.name);
      for (const writer of this.#ground.writers) writer.resume();
    }
    const happened = { kind: fault.kind, what, node: node.name, fromMs, toMs, healedMs };
    this.happened.push(happened);
    this.#told(happened);
  }

  /** Resolves, when the fault is over, with what it was. */
  #one({ kind, forMs, isMute }: Planned, node: ChaosNode): Promise<string> {
    switch (kind) {
      case "kill":
        return this.#end(node, "SIGKILL", forMs);
      case "term":
        return this.#end(node, "SIGTERM", forMs);
      case "stop":
        return this.#stop(node, forMs);
      case "slow peer":
        return this.#slow(node, forMs);
      case "partition":
        return this.#cut(node, forMs, ["to", "from"]);
      case "one-way partition":
        return this.#cut(node, forMs, isMute ? ["from"] : ["to"]);
      case "disk full":
        return this.#fill(node, forMs);
      case "dropped last":
        return this.#dropLast(node, forMs);
      case "publisher restart":
        return this.#restartPublisher(node, forMs);
    }
  }

  async #end(node: ChaosNode, signal: "SIGKILL" | "SIGTERM", forMs: number): Promise<string> {
    const how = await node.end(signal);
    await sleep(forMs);
    await node.start();
    return signal === "SIGKILL" ? "kill -9 and a restart" : `SIGTERM (${how}) and a restart`;
  }

  async #stop(node: ChaosNode, forMs: number): Promise<string> {
    node.signal("SIGSTOP");
    await sleep(forMs);
    node.signal("SIGCONT");
    return "SIGSTOP and SIGCONT";
  }

  async #slow(node: ChaosNode, forMs: number): Promise<string> {
    for (const until = performance.now() + forMs; performance.now() < until; ) {
      node.signal("SIGSTOP");
      await sleep(SLOW.stoppedMs);
      node.signal("SIGCONT");
      await sleep(SLOW.runningMs);
    }
    return "a tenth of its time";
  }

  async #cut(node: ChaosNode, forMs: number, directions: readonly Direction[]): Promise<string> {
    const mend = this.#ground.cluster.sever(node, directions);
    await sleep(forMs);
    await this.#ground.cluster.parted(node, directions);
    mend();
    if (directions.length === 2) return "cut off from the others";
    return directions[0] === "from" ? "not heard by the others" : "hears nothing of the others";
  }

  /** Full is a disk when a write was refused for it: a database has room of its own, which is used up first. */
  async #fill(node: ChaosNode, forMs: number): Promise<string> {
    const { disk } = this.#ground;
    if (!disk) throw new Error("there is no disk to fill");
    const publisher = this.#publisher(node);
    disk.fill();
    let refused: Write | undefined;
    for (let tries = 0; !refused && tries < MOST_LONG_MESSAGES; tries++) {
      const write = publisher.begin(LONG_TEXT);
      if (await this.#deliver(write, node, 1)) disk.fill();
      else refused = write;
    }
    for (const until = performance.now() + forMs; performance.now() < until; await sleep(REFILL_MS)) disk.fill();
    disk.free();
    const isKept = refused && (await this.#deliver(refused, node));
    if (refused && !isKept) publisher.giveUp(refused);
    const what = refused ? `the disk is full, and a message refused${isKept ? " until it was not" : ""}` : "";
    return what || "the disk is full, and every message was taken";
  }

  /**
   * Nobody writes after that message, and it is lost on its way: connections are broken behind a cut so short that nobody
   * notices. Where they cannot be, the cut lasts until the peers give the node up, and with it what it had sent.
   */
  async #dropLast(node: ChaosNode, forMs: number): Promise<string> {
    const { writers, cluster } = this.#ground;
    await Promise.all(writers.map(writer => writer.pause()));
    // Whatever was under way is everywhere before the wires are cut.
    await cluster.healed(node);
    const mend = cluster.sever(node, ["to", "from"]);
    const isAcked = await this.#write(node, 1);
    await sleep(ON_ITS_WAY_MS);
    if (!cluster.reset(node)) {
      await sleep(forMs);
      await cluster.parted(node, ["to", "from"]);
    }
    mend();
    return `the last message was dropped${isAcked ? "" : ", and not acked"}`;
  }

  async #restartPublisher(node: ChaosNode, forMs: number): Promise<string> {
    const isAcked = await this.#write(node, TRIES, () => node.end("SIGKILL"));
    if (!isAcked) await node.end("SIGKILL");
    await sleep(forMs);
    await node.start();
    return `kill -9 right after ${isAcked ? "an ack" : "a message that was not acked"}, and a restart`;
  }

  #publisher(node: ChaosNode): Author {
    return this.#ground.publishers[this.#ground.cluster.nodes.indexOf(node)] as Author;
  }

  /** A message of its own on that node; `then` follows its ack at once. Resolves with whether there was one. */
  async #write(node: ChaosNode, times: number, then?: () => unknown): Promise<boolean> {
    const publisher = this.#publisher(node);
    const write = publisher.begin();
    const isAcked = await this.#deliver(write, node, times, then);
    if (!isAcked) publisher.giveUp(write);
    return isAcked;
  }

  async #deliver(write: Write, node: ChaosNode, times = TRIES, then: () => unknown = () => {}): Promise<boolean> {
    const publisher = this.#publisher(node);
    for (let tries = 0; tries < times; tries++) {
      try {
        const session = await publisher.enter(node);
        const { kind } = await publisher.send(write, session, node);
        if (kind === "acked") await then();
        session.close();
        if (kind === "acked") return true;
      } catch {
        await sleep(POLL_MS);
      }
    }
    return false;
  }
}
