/** Which fault happens to which node, and when: drawn from a seed, and the same again for the same seed. */
import { Chance } from "../chance.ts";

export const KINDS = [
  "kill",
  "stop",
  "partition",
  "disk full",
  "dropped last",
  "publisher restart",
  "one-way partition",
  "slow peer",
  "term",
] as const;
export type Kind = (typeof KINDS)[number];

export type Planned = {
  kind: Kind;
  node: number;
  /** From the beginning of the run, and how long it lasts. */
  atMs: number;
  forMs: number;
  /** Of a one-way partition: whether the node is not heard, or hears nothing. */
  isMute: boolean;
};

/** Those that have to happen in a short run, too, unless it is shorter than that. */
const ALL_DUE_FROM_S = 25;
const DUE: readonly Kind[] = ["kill", "stop", "partition", "disk full", "dropped last"];
/** Seconds that each takes, least and most. A peer is given up after 3.3 s, which every cut has to outlast. */
const LONG: Record<Kind, [number, number]> = {
  kill: [0.5, 5],
  term: [0.5, 4],
  stop: [10, 10],
  partition: [4, 15],
  "one-way partition": [4, 12],
  "dropped last": [4.5, 6],
  "publisher restart": [0.2, 2],
  "disk full": [4, 10],
  "slow peer": [6, 12],
};
const SHORT: Record<Kind, [number, number]> = {
  kill: [0.5, 1.5],
  term: [0.3, 1],
  stop: [4.5, 5],
  partition: [4, 5],
  "one-way partition": [3.5, 4],
  "dropped last": [4.2, 4.5],
  "publisher restart": [0.2, 0.5],
  "disk full": [3, 4],
  "slow peer": [3, 4],
};
const SHORT_RUN_S = 120;
/** Nodes under a fault at a time, so that there is always one to write to. */
const LANES = 2;
/** What a node takes to start, and any to catch up. */
const HEAL_MS = 1_500;

export type PlanOptions = {
  seconds: number;
  seed: number;
  nodes: number;
  /** The node whose disk can be filled, if there is one. */
  small: number | undefined;
};

/** In the order of their beginnings; faults of different nodes overlap. */
export function plan({ seconds, seed, nodes, small }: PlanOptions): Planned[] {
  const chance = new Chance(seed);
  const timetable = new Timetable(nodes);
  const isShort = seconds < SHORT_RUN_S;
  const kinds = (bag: readonly Kind[]) => bag.filter(kind => kind !== "disk full" || small !== undefined);
  const fits = (planned: Planned) => planned.atMs + planned.forMs + HEAL_MS <= seconds * 1_000;
  const draw = (kind: Kind): Planned => {
    const forMs = Math.round(chance.between(...(isShort ? SHORT : LONG)[kind]) * 1_000);
    const gapMs = isShort ? chance.between(100, 600) : chance.between(300, 4_000);
    const isMute = chance.next() < 0.5;
    const node = kind === "disk full" ? (small as number) : chance.one(timetable.idle());
    return { kind, node, atMs: Math.round(timetable.next(kind, node) + gapMs), forMs, isMute };
  };
  for (const kind of isShort ? kinds(firstBag(chance)) : []) {
    const planned = draw(kind);
    if (fits(planned) || (seconds >= ALL_DUE_FROM_S && DUE.includes(kind))) timetable.add(planned);
  }
  for (let isFull = false; !isFull; )
    for (const kind of kinds(chance.shuffled(KINDS))) {
      const planned = draw(kind);
      isFull ||= !fits(planned);
      if (!isFull) timetable.add(planned);
    }
  return timetable.planned.sort((a, b) => a.atMs - b.atMs);
}

/** When nodes are well again after what was planned so far. */
class Timetable {
  readonly planned: Planned[] = [];
  readonly #lanes: number[] = new Array(LANES).fill(0);
  readonly #busy: number[];

  constructor(nodes: number) {
    this.#busy = new Array(nodes).fill(0);
  }

  /** Nodes that are well when the next lane is free, or those that are well first. */
  idle(): number[] {
    const earliest = Math.max(Math.min(...this.#lanes), Math.min(...this.#busy));
    return this.#busy.flatMap((until, node) => (until <= earliest ? [node] : []));
  }

  /** The time from which that may happen: nothing is written after the last message, so all nodes have to be well. */
  next(kind: Kind, node: number): number {
    const waitsFor = kind === "dropped last" ? this.#busy : [this.#busy[node] as number];
    return Math.max(Math.min(...this.#lanes), ...waitsFor);
  }

  add(planned: Planned): void {
    const endMs = planned.atMs + planned.forMs + HEAL_MS;
    this.planned.push(planned);
    if (planned.kind === "dropped last") {
      this.#lanes.fill(endMs);
      this.#busy.fill(endMs);
    } else {
      this.#lanes[this.#lanes.indexOf(Math.min(...this.#lanes))] = endMs;
      this.#busy[planned.node] = endMs;
    }
  }
}

/** What has to happen comes first, and what needs all nodes well after it. */
function firstBag(chance: Chance): Kind[] {
  const first = DUE.filter(kind => kind !== "dropped last");
  const rest = KINDS.filter(kind => !DUE.includes(kind));
  return [...chance.shuffled(first), "dropped last", ...chance.shuffled(rest)];
}
