/** The cluster's state as clients see it: one value a key, merged over the nodes that hold one, told many at once. */
import type { Cluster } from "./cluster/cluster.ts";
import { asReject } from "./errors.ts";
import type { Registry, Type } from "./registry.ts";
import type { Cancel, Time } from "./time.ts";

/** `body` is null where the value ended. `nodes` are the names of those that hold one. */
export type StateValue = { type: string; key: string; body: unknown; nodes: string[] };

export type ValuesParts = {
  registry: Registry;
  cluster: Cluster;
  time: Time;
  tell(values: StateValue[]): void;
  failed(type: string, error: unknown): void;
};

const FLUSH_MS = 20;

export class Values {
  readonly #parts: ValuesParts;
  readonly #changed = new Map<string, { type: string; key: string }>();
  #flushing: Cancel | undefined;

  constructor(parts: ValuesParts) {
    this.#parts = parts;
  }

  /** What sets a value of this node. Throws `Reject` where the plugin cannot pack it. */
  prepare(type: Type, body: unknown): () => void {
    const key = type.key(body);
    const bytes = type.pack(body);
    return () => this.#parts.cluster.state.set(type.name, key, type.version, bytes, this.#parts.time.wall());
  }

  /** Ends a value of this node. */
  end(type: Type, key: string): void {
    this.#parts.cluster.state.set(type.name, key, type.version, null, this.#parts.time.wall());
  }

  /** Ends all values of this node that are of these types. */
  endAll(types: readonly Type[]): void {
    const byName = new Map(types.map(type => [type.name, type]));
    for (const { type: name, key } of this.#parts.cluster.state.snapshot().entries) {
      const type = byName.get(name);
      if (type) this.end(type, key);
    }
  }

  /** Some node's value is another one now. */
  changed(type: string, key: string): void {
    this.#changed.set(`${type}\n${key}`, { type, key });
    this.#flushing ??= this.#parts.time.after(FLUSH_MS, () => {
      this.#flushing = undefined;
      const changed = [...this.#changed.values()];
      this.#changed.clear();
      this.#parts.tell(changed.flatMap(({ type, key }) => this.#read(type, key) ?? []));
    });
  }

  /** Every value that holds now. */
  all(): StateValue[] {
    return this.#parts.cluster.state.keys().flatMap(({ type, key }) => this.#read(type, key) ?? []);
  }

  #read(name: string, key: string): StateValue | undefined {
    const { registry, cluster, failed } = this.#parts;
    const type = registry.get(name);
    if (type?.kind !== "state") return undefined;
    const bodies: unknown[] = [];
    const nodes: string[] = [];
    try {
      for (const { node, body, version } of cluster.state.held(name, key)) {
        bodies.push(type.unpack(body, version));
        nodes.push(cluster.nameOf(node));
      }
      return { type: name, key, body: bodies.length > 0 ? type.merge(bodies) : null, nodes };
    } catch (error) {
      // Another version of the plugin packed it, or this one's merge failed: one value less to see.
      if (asReject(error).code !== "plugin-failed") failed(name, error);
      return undefined;
    }
  }

  close(): void {
    this.#flushing?.();
  }
}
