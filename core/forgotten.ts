/** The nodes that an operator removed for good: a fold over facts, the same on every node. */
import type { Fact } from "./facts.ts";

export class Forgotten {
  readonly #nodes = new Set<string>();

  /** Takes facts in; returns the ids of nodes that were none of them before. */
  add(facts: readonly Fact[]): string[] {
    const fresh: string[] = [];
    for (const { type, body } of facts) {
      if (type !== "chat:forget" || this.#nodes.has(body.node)) continue;
      this.#nodes.add(body.node);
      fresh.push(body.node);
    }
    return fresh;
  }

  /** For ever: a node that is to come back does so under a new id. */
  has(node: string): boolean {
    return this.#nodes.has(node);
  }
}
