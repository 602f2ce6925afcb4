/** The nodes and the wires between them: who is under a fault, who is cut off, and who has what. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosNode } from "./node.ts";
import type { Wires } from "./wires.ts";

/** Of what a node has to do with its peers: what comes to it, and what comes from it. */
export type Direction = "to" | "from";

const HEAL_WITHIN_MS = 30_000;
const PART_WITHIN_MS = 15_000;
const CONVERGE_WITHIN_MS = 60_000;
const POLL_MS = 50;

export class ChaosCluster {
  readonly nodes: readonly ChaosNode[];
  readonly #wires: Wires;
  /** Nodes under a fault. */
  readonly #ill = new Set<ChaosNode>();
  /** The last fault of each node, under way or waiting for the one before. */
  readonly #turns = new Map<ChaosNode, Promise<void>>();

  constructor(nodes: readonly ChaosNode[], wires: Wires) {
    this.nodes = nodes;
    this.#wires = wires;
  }

  /** Has a fault happen to a node when all of `taken` have got over those before. */
  async inTurn(node: ChaosNode, taken: readonly ChaosNode[], fault: () => Promise<void>): Promise<void> {
    const before = Promise.all(taken.map(other => this.#turns.get(other)));
    const turn = before.then(async () => {
      this.#ill.add(node);
      await fault();
      this.#ill.delete(node);
    });
    for (const other of taken) this.#turns.set(other, turn);
    await turn;
  }

  /** That node, and those that are under no fault. */
  #well(node: ChaosNode): ChaosNode[] {
    return this.nodes.filter(other => other === node || !this.#ill.has(other));
  }

  /** Cuts a node off; returns what undoes that. */
  sever(node: ChaosNode, directions: readonly Direction[]): () => void {
    const at = this.nodes.indexOf(node);
    const each = (act: "cut" | "mend") => {
      for (const other of this.nodes.keys()) {
        if (other === at) continue;
        if (directions.includes("from")) this.#wires[act](at, other);
        if (directions.includes("to")) this.#wires[act](other, at);
      }
    };
    each("cut");
    return () => each("mend");
  }

  /** Breaks a node's connections to the others, and loses what is on its way; false where this machine cannot do that. */
  reset(node: ChaosNode): boolean {
    const at = this.nodes.indexOf(node);
    return [...this.nodes.keys()].filter(other => other !== at).every(other => this.#wires.reset(at, other));
  }

  /** Resolves when those who are not to hear of each other have noticed; rejects where the wires were not cut after all. */
  async parted(node: ChaosNode, directions: readonly Direction[]): Promise<void> {
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

  /** How long until that node and those that are well have what any of them has now, in ms; undefined if they do not. */
  async healed(node: ChaosNode): Promise<number | undefined> {
    const startedAt = performance.now();
    const wanted = new Map<string, number>();
    for (const health of await Promise.all(this.#well(node).map(other => other.health())))
      for (const [origin, { seq }] of Object.entries(health?.heads ?? {}))
        wanted.set(origin, Math.max(wanted.get(origin) ?? 0, seq));
    for (; performance.now() - startedAt < HEAL_WITHIN_MS; await sleep(POLL_MS)) {
      const healths = await Promise.all(this.#well(node).map(other => other.health()));
      const isThere = healths.every(
        health => health && [...wanted].every(([origin, seq]) => (health.heads[origin]?.seq ?? 0) >= seq),
      );
      if (isThere) return performance.now() - startedAt;
    }
    return undefined;
  }

  /** How long until all nodes have the same digest, in ms; undefined where they do not come to it within a minute. */
  async converged(): Promise<number | undefined> {
    const startedAt = performance.now();
    for (; performance.now() - startedAt < CONVERGE_WITHIN_MS; await sleep(POLL_MS)) {
      const digests = await Promise.all(this.nodes.map(async node => (await node.health())?.digest));
      if (digests[0] !== undefined && new Set(digests).size === 1) return performance.now() - startedAt;
    }
    return undefined;
  }
}
