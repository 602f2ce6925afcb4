/** What happens to the nodes: each fault from its beginning until the node has caught up with the others. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Author } from "./author.ts";
import type { Disk } from "./disk.ts";
import type { Write } from "./ledger.ts";
import type { ChaosNode } from "./node.ts";
import type { Kind, Planned } from "./schedule.ts";
import type { Wires } from "./wires.ts";
import type { Writer } from "./writer.ts";

export type Ground = {
  nodes: readonly ChaosNode[];
  wires: Wires;
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

/** Of what a node has to do with its peers: what comes to it, and what comes from it. */
type Direction = "to" | "from";

const HEAL_WITHIN_MS = 30_000;
const PART_WITHIN_MS = 15_000;
const POLL_MS = 50;
const REFILL_MS = 250;
/** Of a slow peer's time: it runs for a tenth of it. */
const SLOW = { stoppedMs: 450, runningMs: 50 };
const TRIES = 5;
const LONG_TEXT = "x".repeat(4_000);
const MOST_LONG_MESSAGES = 1_000;

export class Faults {
  readonly #ground: Ground;
  readonly #startedAt = performance.now();
  /** Nodes under a fault, and those that wait for their turn with it. */
  readonly #turns = new Map<ChaosNode, Promise<unknown>>();
  readonly #ill = new Set<ChaosNode>();
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
        const node = this.#ground.nodes[fault.node] as ChaosNode;
        const taken = fault.kind === "dropped last" ? this.#ground.nodes : [node];
        await this.#inTurn(taken, () => this.#happen(fault, node));
      }),
    );
  }

  get #now(): number {
    return performance.now() - this.#startedAt;
  }

  async #inTurn(nodes: readonly ChaosNode[], work: () => Promise<void>): Promise<void> {
    const before = Promise.all(nodes.map(node => this.#turns.get(node)));
    const turn = before.then(work);
    for (const node of nodes) this.#turns.set(node, turn);
    await turn;
  }

  async #happen(fault: Planned, node: ChaosNode): Promise<void> {
    const fromMs = this.#now;
    this.#ill.add(node);
    const what = await this.#one(fault, node);
    const toMs = this.#now;
    const healedMs = await this.#healed(node);
    this.#ill.delete(node);
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
    const mend = this.#sever(node, directions);
    await sleep(forMs);
    await this.#parted(node, directions);
    mend();
    if (directions.length === 2) return "cut off from the others";
    return directions[0] === "from" ? "not heard by the others" : "hears nothing of the others";
  }

  /** Cuts the node off; returns what undoes that. */
  #sever(node: ChaosNode, directions: readonly Direction[]): () => void {
    const { nodes, wires } = this.#ground;
    const at = nodes.indexOf(node);
    const each = (act: "cut" | "mend") => {
      for (const [other] of nodes.entries()) {
        if (other === at) continue;
        if (directions.includes("from")) wires[act](at, other);
        if (directions.includes("to")) wires[act](other, at);
      }
    };
    each("cut");
    return () => each("mend");
  }

  /** Resolves when those who are not to hear of each other have noticed; rejects where the wires were not cut after all. */
  async #parted(node: ChaosNode, directions: readonly Direction[]): Promise<void> {
    const sees = async (observer: ChaosNode, others: readonly ChaosNode[]) => {
      const { peers = [] } = (await observer.health()) ?? {};
      return peers.some(({ name, up }) => up && others.some(other => other.name === name));
    };
    for (const until = performance.now() + PART_WITHIN_MS; performance.now() < until; await sleep(POLL_MS)) {
      const others = this.#well(node).filter(other => other !== node);
      const seen = await Promise.all([
        directions.includes("to") && sees(node, others),
        ...others.map(other => directions.includes("from") && sees(other, [node])),
      ]);
      if (!seen.includes(true)) return;
    }
    throw new Error(`${node.name} was to be cut off from its peers, and was not`);
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

  /** Nobody writes after that message, and nothing of the bus arrives until well after the peers have given the node up. */
  async #dropLast(node: ChaosNode, forMs: number): Promise<string> {
    const { writers } = this.#ground;
    await Promise.all(writers.map(writer => writer.pause()));
    // Whatever was under way is everywhere before the wires are cut.
    await this.#healed(node);
    const mend = this.#sever(node, ["to", "from"]);
    const isAcked = await this.#write(node);
    await sleep(forMs);
    await this.#parted(node, ["to", "from"]);
    mend();
    return `the last message was dropped${isAcked ? "" : ", and not acked"}`;
  }

  async #restartPublisher(node: ChaosNode, forMs: number): Promise<string> {
    const isAcked = await this.#write(node, () => node.end("SIGKILL"));
    if (!isAcked) await node.end("SIGKILL");
    await sleep(forMs);
    await node.start();
    return `kill -9 right after ${isAcked ? "an ack" : "a message that was not acked"}, and a restart`;
  }

  #publisher(node: ChaosNode): Author {
    return this.#ground.publishers[this.#ground.nodes.indexOf(node)] as Author;
  }

  /** A message of its own on that node; `then` follows its ack at once. Resolves with whether there was one. */
  async #write(node: ChaosNode, then?: () => unknown): Promise<boolean> {
    const publisher = this.#publisher(node);
    const write = publisher.begin();
    const isAcked = await this.#deliver(write, node, TRIES, then);
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

  /** That node, and those that are under no fault. */
  #well(node: ChaosNode): ChaosNode[] {
    return this.#ground.nodes.filter(other => other === node || !this.#ill.has(other));
  }

  /** How long until every node that is well has what any of them has now. */
  async #healed(node: ChaosNode): Promise<number | undefined> {
    const startedAt = performance.now();
    const held = await Promise.all(this.#well(node).map(other => other.health()));
    const wanted = new Map<string, number>();
    for (const health of held)
      for (const [origin, { seq }] of Object.entries(health?.heads ?? {}))
        wanted.set(origin, Math.max(wanted.get(origin) ?? 0, seq));
    while (performance.now() - startedAt < HEAL_WITHIN_MS) {
      const healths = await Promise.all(this.#well(node).map(other => other.health()));
      const isThere = healths.every(
        health => health && [...wanted].every(([origin, seq]) => (health.heads[origin]?.seq ?? 0) >= seq),
      );
      if (isThere) return performance.now() - startedAt;
      await sleep(POLL_MS);
    }
    return undefined;
  }
}
