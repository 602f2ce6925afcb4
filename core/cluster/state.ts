/**
 * Ephemeral state of the cluster: each node owns its values and numbers their versions, the others keep a copy while the
 * owner lives. After Phoenix Tracker: one writer a value, deltas by version, a snapshot where one is missing.
 */
import { MAX_FRAME_BYTES } from "../envelope.ts";
import { MAX_STATE_ENTRIES } from "./frames.ts";

/** `body` is what the type's plugin packed; null says that the value ended. `at` orders owners' values, in ms. */
export type StateEntry = { type: string; key: string; version: number; body: Uint8Array | null; at: number };
/** What changed at its owner between two versions of its state. */
export type StateDelta = { boot: string; base: number; version: number; entries: StateEntry[] };
export type Held = { node: string; version: number; body: Uint8Array; at: number };
export type Changed = (type: string, key: string) => void;

type Replica = { boot: string; version: number; values: Map<string, StateEntry>; bytes: number };

/** What is kept of one peer: some frames' worth, since a state that has outgrown one still arrives change by change. */
const MAX_VALUES = 4 * MAX_STATE_ENTRIES;
const MAX_BYTES = 8 * MAX_FRAME_BYTES;

const sizeOf = ({ type, key, body }: StateEntry) => type.length + key.length + (body?.byteLength ?? 0);

const idOf = (type: string, key: string) => `${type}\n${key}`;

export class ClusterState {
  readonly #self: string;
  readonly #boot: string;
  readonly #changed: Changed;
  readonly #replicas = new Map<string, Replica>();
  #pending = new Map<string, StateEntry>();
  #version = 0;
  #published = 0;

  constructor(self: string, boot: string, changed: Changed) {
    this.#self = self;
    this.#boot = boot;
    this.#changed = changed;
    this.#replicas.set(self, { boot, version: 0, values: new Map(), bytes: 0 });
  }

  get version(): number {
    return this.#published;
  }

  /** Sets or, with null, ends a value that this node owns. */
  set(type: string, key: string, version: number, body: Uint8Array | null, at: number): void {
    const own = this.#replicas.get(this.#self) as Replica;
    const id = idOf(type, key);
    const before = own.values.get(id)?.body ?? null;
    if (body === null ? before === null : before !== null && Buffer.compare(before, body) === 0) return;
    const entry: StateEntry = { type, key, version, body, at };
    if (body === null) own.values.delete(id);
    else own.values.set(id, entry);
    this.#version++;
    this.#pending.set(id, entry);
    this.#changed(type, key);
  }

  /** What changed since it was last asked; undefined if nothing did. */
  takeDelta(): StateDelta | undefined {
    if (this.#pending.size === 0) return undefined;
    const delta = {
      boot: this.#boot,
      base: this.#published,
      version: this.#version,
      entries: [...this.#pending.values()],
    };
    this.#published = this.#version;
    this.#pending = new Map();
    return delta;
  }

  /** All values of this node. Take the delta first, so that the two continue each other. */
  snapshot(): StateDelta {
    const own = this.#replicas.get(this.#self) as Replica;
    return { boot: this.#boot, base: 0, version: this.#published, entries: [...own.values.values()] };
  }

  /** Takes a peer's delta in; false where one before it is missing, and a snapshot has to be asked for. */
  apply(node: string, delta: StateDelta): boolean {
    const replica = this.#replicas.get(node);
    if (replica?.boot !== delta.boot || replica.version < delta.base) return false;
    if (replica.version >= delta.version) return true;
    for (const entry of delta.entries) {
      const id = idOf(entry.type, entry.key);
      const before = replica.values.get(id);
      if (before) replica.bytes -= sizeOf(before);
      if (entry.body === null) replica.values.delete(id);
      else {
        replica.values.set(id, entry);
        replica.bytes += sizeOf(entry);
      }
      this.#changed(entry.type, entry.key);
    }
    replica.version = delta.version;
    if (replica.values.size <= MAX_VALUES && replica.bytes <= MAX_BYTES) return true;
    this.drop(node);
    return false;
  }

  /** Puts a peer's snapshot in place of what was known of it. */
  replace(node: string, snapshot: StateDelta): void {
    const before = this.#replicas.get(node);
    if (before?.boot === snapshot.boot && before.version > snapshot.version) return;
    const values = new Map(snapshot.entries.map(entry => [idOf(entry.type, entry.key), entry]));
    const bytes = [...values.values()].reduce((sum, entry) => sum + sizeOf(entry), 0);
    this.#replicas.set(node, { boot: snapshot.boot, version: snapshot.version, values, bytes });
    for (const [id, entry] of values) {
      const known = before?.values.get(id)?.body;
      if (!known || !entry.body || Buffer.compare(known, entry.body) !== 0) this.#changed(entry.type, entry.key);
    }
    for (const [id, { type, key }] of before?.values ?? []) if (!values.has(id)) this.#changed(type, key);
  }

  /** Whether a peer's state is known up to that version of that run of it. */
  isCurrent(node: string, boot: string, version: number): boolean {
    const replica = this.#replicas.get(node);
    return replica?.boot === boot && replica.version >= version;
  }

  /** Forgets a peer's values: the peer is down, or has left. */
  drop(node: string): void {
    const replica = this.#replicas.get(node);
    if (!replica || node === this.#self) return;
    this.#replicas.delete(node);
    for (const { type, key } of replica.values.values()) this.#changed(type, key);
  }

  /** The values under a key, one a node, newest last. */
  held(type: string, key: string): Held[] {
    const id = idOf(type, key);
    const held: Held[] = [];
    for (const [node, { values }] of this.#replicas) {
      const entry = values.get(id);
      if (entry?.body) held.push({ node, version: entry.version, body: entry.body, at: entry.at });
    }
    return held.sort((a, b) => a.at - b.at || (a.node < b.node ? -1 : 1));
  }

  /** Every key that has a value somewhere. */
  keys(): { type: string; key: string }[] {
    const all = new Map<string, { type: string; key: string }>();
    for (const { values } of this.#replicas.values())
      for (const [id, { type, key }] of values) all.set(id, { type, key });
    return [...all.values()];
  }
}
