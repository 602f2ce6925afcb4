/** The cluster's state as clients see it: one value a key, merged over the nodes that hold one, told many at once. */
import type { Cluster } from "./cluster/cluster.ts";
import { asReject } from "./errors.ts";
import type { Registry, Type } from "./registry.ts";
import type { Cancel, Time } from "./time.ts";

/** `body` is null where the value ended. `nodes` are the names of those that hold one. */
export type StateValue = { type: string; key: string; body: unknown; nodes: string[] };

export type ValuesParts = {
  registry: Registry;
  cluster: Pick<Cluster, "state" | "nameOf">;
  time: Time;
  /** How many clients are told. */
  clients(): number;
  tell(values: readonly StateValue[]): void;
  failed(type: string, error: unknown): void;
};

const FLUSH_MS = 20;
/** Where thousands arrive each of them is told of all others: the more there are, the more changes each hears of at once. */
const FLUSH_MS_PER_CLIENT = 0.1;
/** So many that one more is welcomed with the values of a moment ago, and told with all others what has changed since. */
const CROWD = 100;

export class Values {
  readonly #parts: ValuesParts;
  readonly #changed = new Map<string, { type: string; key: string }>();
  /** What the nodes' values of each key come to, until one of them changes. */
  readonly #merged = new Map<string, StateValue | undefined>();
  /** The names of nodes that stand in those. */
  readonly #names = new Map<string, string>();
  #all: readonly StateValue[] | undefined;
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

  /** Ends all values of this node that are of these types, in whose place others are now. */
  endAll(types: readonly Type[]): void {
    this.#forget();
    const byName = new Map(types.map(type => [type.name, type]));
    for (const { type: name, key } of this.#parts.cluster.state.snapshot().entries) {
      const type = byName.get(name);
      if (type) this.end(type, key);
    }
  }

  /** Some node's value is another one now. */
  changed(type: string, key: string): void {
    const { clients, time } = this.#parts;
    const id = idOf(type, key);
    this.#merged.delete(id);
    this.#changed.set(id, { type, key });
    if (clients() < CROWD) this.#all = undefined;
    this.#flushing ??= time.after(FLUSH_MS + FLUSH_MS_PER_CLIENT * clients(), () => this.#flush());
  }

  #flush(): void {
    this.#flushing = undefined;
    this.#all = undefined;
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    this.#parts.tell(this.#readAll(changed));
  }

  /** Perhaps nodes are called something else than before. */
  nodesChanged(): void {
    const { cluster } = this.#parts;
    if ([...this.#names].every(([node, name]) => cluster.nameOf(node) === name)) return;
    this.#forget();
  }

  #forget(): void {
    this.#names.clear();
    this.#merged.clear();
    this.#all = undefined;
  }

  /**
   * Every value that holds now; the same array until there is another one to tell. In a crowd what has changed since the
   * last flush may be missing: whoever is connected is told of it by the next one.
   */
  all(): readonly StateValue[] {
    this.#all ??= this.#readAll(this.#parts.cluster.state.keys());
    return this.#all;
  }

  #readAll(keys: readonly { type: string; key: string }[]): StateValue[] {
    return keys.flatMap(({ type, key }) => this.#read(type, key) ?? []);
  }

  #read(name: string, key: string): StateValue | undefined {
    const id = idOf(name, key);
    if (this.#merged.has(id)) return this.#merged.get(id);
    const type = this.#parts.registry.get(name);
    const value = type?.kind === "state" ? this.#merge(type, key) : undefined;
    if (value?.body !== null) this.#merged.set(id, value);
    return value;
  }

  #merge(type: Type, key: string): StateValue | undefined {
    const { cluster, failed } = this.#parts;
    const bodies: unknown[] = [];
    const nodes: string[] = [];
    try {
      for (const { node, body, version } of cluster.state.held(type.name, key)) {
        const name = cluster.nameOf(node);
        this.#names.set(node, name);
        bodies.push(type.unpack(body, version));
        nodes.push(name);
      }
      return { type: type.name, key, body: bodies.length > 0 ? type.merge(bodies) : null, nodes };
    } catch (error) {
      // Another version of the plugin packed it, or this one's merge failed: one value less to see.
      if (asReject(error).code !== "plugin-failed") failed(type.name, error);
      return undefined;
    }
  }

  close(): void {
    this.#flushing?.();
  }
}

const idOf = (type: string, key: string) => `${type}\n${key}`;
