/** Time in which nothing happens by itself: what is due runs one by one, in an order that chance and the seed decide. */
import type { Time } from "../../core/time.ts";
import { Random } from "./random.ts";

/** Whoever something happens to; once it is dead, nothing does any more. */
export type Life = { alive: boolean };

type Due = { at: number; order: number; life: Life; run: () => void };

const EPOCH_MS = Date.UTC(2026, 0, 1);

export class World {
  readonly random: Random;
  /** Milliseconds since the world began. */
  now = 0;
  steps = 0;
  readonly forever: Life = { alive: true };
  readonly #due = new Heap();
  readonly #trace: string[] = [];
  readonly #tracing: boolean;
  #order = 0;

  constructor(seed: number, { tracing = false } = {}) {
    this.random = new Random(seed);
    this.#tracing = tracing;
  }

  /** Runs after `ms`, if that one is still alive by then. */
  after(ms: number, life: Life, run: () => void): () => void {
    const due: Due = { at: this.now + ms, order: this.#order++, life, run };
    this.#due.push(due);
    return () => {
      due.life = DEAD;
    };
  }

  /** The next thing that is due. Resolves when everything that follows from it at once has happened. */
  async step(): Promise<boolean> {
    for (let due = this.#due.pop(); due; due = this.#due.pop()) {
      if (!due.life.alive) continue;
      this.now = due.at;
      this.steps++;
      due.run();
      await settled();
      return true;
    }
    return false;
  }

  async pass(ms: number): Promise<void> {
    let over = false;
    this.after(ms, this.forever, () => {
      over = true;
    });
    while (!over) await this.step();
  }

  /** Time as a node has it whose clock is `skewMs` ahead. */
  timeOf(life: Life, skewMs: number): Time {
    const began = this.now;
    return {
      wall: () => Math.floor(EPOCH_MS + this.now + skewMs),
      elapsed: () => this.now - began,
      after: (ms, run) => this.after(ms, life, run),
      every: (ms, run) => {
        let cancel = () => {};
        const again = () => {
          cancel = this.after(ms, life, () => {
            again();
            run();
          });
        };
        again();
        return () => cancel();
      },
      soon: run => void this.after(0, life, run),
    };
  }

  trace(line: () => string): void {
    if (this.#tracing) this.#trace.push(`${this.steps} ${(this.now / 1_000).toFixed(3)}s ${line()}`);
  }

  get lines(): readonly string[] {
    return this.#trace;
  }
}

const DEAD: Life = { alive: false };

/** Promises that are settled take effect before the next turn of the loop. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** A binary heap, the earliest first. */
class Heap {
  readonly #items: Due[] = [];

  push(due: Due): void {
    const items = this.#items;
    let at = items.push(due) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isEarlier(due, items[above] as Due)) break;
      items[at] = items[above] as Due;
      at = above;
    }
    items[at] = due;
  }

  pop(): Due | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (!first || !last || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && isEarlier(items[below + 1] as Due, items[below] as Due)) below++;
      if (!isEarlier(items[below] as Due, last)) break;
      items[at] = items[below] as Due;
      at = below;
    }
    items[at] = last;
    return first;
  }
}

function isEarlier(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
