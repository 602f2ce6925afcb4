/** Which fault happens to which node, and when: drawn from a seed, and the same again for the same seed. */
import { Chance } from "./chance.ts";

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
const FIRST: readonly Kind[] = ["kill", "stop", "partition", "disk full"];
/** Seconds that each takes, least and most. A peer is given up after 3.3 s, which a lost last message has to outlast. */
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
export const SHORT_RUN_S = 120;
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
  const isShort = seconds < SHORT_RUN_S;
  const lasting = isShort ? SHORT : LONG;
  const planned: Planned[] = [];
  const lanes = new Array<number>(LANES).fill(0);
  const busy = new Array<number>(nodes).fill(0);
  for (let first = true; ; first = false) {
    const bag = first && isShort ? firstBag(chance) : chance.shuffled(KINDS);
    for (const kind of bag) {
      if (kind === "disk full" && small === undefined) continue;
      const [least, most] = lasting[kind];
      const forMs = Math.round(chance.between(least, most) * 1_000);
      const gapMs = isShort ? chance.between(100, 600) : chance.between(300, 4_000);
      const isMute = chance.next() < 0.5;
      const lane = lanes.indexOf(Math.min(...lanes));
      const node = kind === "disk full" ? (small as number) : pick(chance, busy, lanes[lane] as number);
      // Nothing may be written after the last message: all nodes have to be well.
      const isAlone = kind === "dropped last";
      const atMs = Math.round(Math.max(lanes[lane] as number, ...(isAlone ? busy : [busy[node] as number])) + gapMs);
      const endMs = atMs + forMs + HEAL_MS;
      const isDue = seconds >= ALL_DUE_FROM_S && isShort && first && [...FIRST, "dropped last"].includes(kind);
      if (endMs > seconds * 1_000 && !isDue) {
        if (isShort && first) continue;
        return planned.sort((a, b) => a.atMs - b.atMs);
      }
      planned.push({ kind, node, atMs, forMs, isMute });
      if (isAlone) {
        lanes.fill(endMs);
        busy.fill(endMs);
      } else {
        lanes[lane] = endMs;
        busy[node] = endMs;
      }
    }
  }
}

/** What has to happen comes first, and what needs all nodes well after it. */
function firstBag(chance: Chance): Kind[] {
  const rest = KINDS.filter(kind => !FIRST.includes(kind) && kind !== "dropped last");
  return [...chance.shuffled(FIRST), "dropped last", ...chance.shuffled(rest)];
}

/** One that is well at that time, if any is. */
function pick(chance: Chance, busy: readonly number[], atMs: number): number {
  const earliest = Math.max(atMs, Math.min(...busy));
  return chance.one(busy.flatMap((until, node) => (until <= earliest ? [node] : [])));
}
