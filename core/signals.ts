/** Signals, to the browsers of this node and to its peers: kept nowhere. */
import type { Clock } from "./clock.ts";
import type { Cluster, Signal } from "./cluster/cluster.ts";
import type { Person } from "./plugin.ts";
import type { Target } from "./plugins/calls/delivery.ts";
import type { Registry, Type } from "./registry.ts";

export type SignalMessage = { type: string; room: string; author: Person; at: number; body: unknown };

export type SignalsParts = { registry: Registry; clock: Clock };
/** `except` is the session that gets none. */
type Show = (to: Target, signal: SignalMessage, except?: string) => void;

export class Signals {
  readonly #parts: SignalsParts;
  #cluster: Pick<Cluster, "publishSignal"> | undefined;
  #show: Show | undefined;

  constructor(parts: SignalsParts) {
    this.#parts = parts;
  }

  /** Connects both ends; before this nothing is sent. */
  connect(cluster: Pick<Cluster, "publishSignal">, show: Show): void {
    this.#cluster = cluster;
    this.#show = show;
  }

  /** What sends one. Throws `Reject` where the plugin cannot pack it. */
  prepare(type: Type, author: Person, body: unknown, to: Target, except?: string): () => void {
    const at = this.#parts.clock.now();
    const room = typeof to === "object" && "room" in to ? to.room : "";
    const { name, version } = type;
    const packed = type.pack(body);
    return () => {
      this.#show?.(to, { type: name, room, author, at, body }, except);
      if (typeof to === "object" && "session" in to) return;
      this.#cluster?.publishSignal({
        type: name,
        version,
        room,
        author: author.id,
        authorName: author.name,
        at,
        body: packed,
      });
    };
  }

  /** A peer's. */
  received({ type: name, version, room, author, authorName, at, body }: Signal): void {
    const type = this.#parts.registry.get(name);
    if (type?.kind !== "signal") return;
    const signal = { type: name, room, author: { id: author, name: authorName }, at, body: type.unpack(body, version) };
    this.#show?.(room === "" ? "all" : { room }, signal);
  }

  close(): void {
    this.#show = undefined;
  }
}
