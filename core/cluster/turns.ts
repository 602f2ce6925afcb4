/** The work that peers ask of this node. They take turns, so that one that asks for much delays itself alone. */

/** Under way at a time. */
const MAX_RUNNING = 4;
/** Waiting for each peer: beyond it nothing is taken, and it asks again. */
const MAX_WAITING = 1_024;

export class Turns {
  readonly #soon: (run: () => void) => void;
  /** By peer, the one whose turn it is first; what it asks for twice is done once. */
  readonly #waiting = new Map<string, Map<string, () => Promise<void>>>();
  #running = 0;

  /** `soon` runs something after whatever else this turn of the loop brings. */
  constructor(soon: (run: () => void) => void) {
    this.#soon = soon;
  }

  get waiting(): number {
    let waiting = 0;
    for (const own of this.#waiting.values()) waiting += own.size;
    return waiting;
  }

  /** `run` does `what` for `peer` when it is its turn, unless too much waits for it; must not throw. */
  take(peer: string, what: string, run: () => Promise<void>): void {
    const own = this.#waiting.get(peer) ?? new Map<string, () => Promise<void>>();
    if (own.size >= MAX_WAITING) return;
    own.set(what, run);
    this.#waiting.set(peer, own);
    this.#next();
  }

  #next(): void {
    if (this.#running >= MAX_RUNNING) return;
    const [turn] = this.#waiting;
    const [first] = turn?.[1] ?? [];
    if (!turn || !first) return;
    const [[peer, own], [what, run]] = [turn, first];
    own.delete(what);
    this.#waiting.delete(peer);
    if (own.size > 0) this.#waiting.set(peer, own);
    this.#running++;
    this.#soon(async () => {
      await run();
      this.#running--;
      this.#next();
    });
  }
}
