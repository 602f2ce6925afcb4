/** How state gets from node to node: this node's changes a few at a time, all of it for who asks, and what peers say of theirs. */
import { MAX_FRAME_BYTES } from "../envelope.ts";
import type { Cancel, Time } from "../time.ts";
import { encodeFrame, type FrameOf, MAX_STATE_ENTRIES } from "./frames.ts";
import type { Links } from "./links.ts";
import type { Nodes } from "./nodes.ts";
import type { Notices } from "./notices.ts";
import { type Changed, ClusterState, type StateDelta } from "./state.ts";

export type ExchangePorts = {
  time: Pick<Time, "after" | "elapsed">;
  publish(frame: Uint8Array): void;
  links: Pick<Links, "ask">;
  nodes: Pick<Nodes, "isUp" | "peersUp">;
  changed: Changed;
  notices: Pick<Notices, "stateTooLarge">;
};

const FLUSH_MS = 20;
const SNAPSHOT_RETRY_MS = 500;

export class Exchange {
  readonly #self: string;
  readonly #ports: ExchangePorts;
  readonly state: ClusterState;
  readonly #askedAt = new Map<string, number>();
  #flushing: Cancel | undefined;
  #closed = false;

  constructor({ id, boot }: { id: string; boot: string }, ports: ExchangePorts) {
    this.#self = id;
    this.#ports = ports;
    this.state = new ClusterState(id, boot, (type, key) => {
      this.#flushSoon();
      ports.changed(type, key);
    });
  }

  #flushSoon(): void {
    if (this.#closed) return;
    this.#flushing ??= this.#ports.time.after(FLUSH_MS, () => {
      this.#flushing = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    const delta = this.state.takeDelta();
    // Who comes asks for all of it.
    if (delta && this.#ports.nodes.peersUp > 0) this.#ports.publish(this.#frame("state", delta));
  }

  /** State travels in one frame; what has outgrown it the bus drops, and no peer would take. */
  #frame(kind: "state" | "snapshot", delta: StateDelta): Uint8Array {
    const frame = encodeFrame(kind, { id: this.#self, delta });
    const [values, bytes] = [delta.entries.length, frame.byteLength];
    if (bytes > MAX_FRAME_BYTES || values > MAX_STATE_ENTRIES) this.#ports.notices.stateTooLarge(values, bytes);
    return frame;
  }

  /** The frame with all of this node's state. */
  snapshot(): Uint8Array {
    this.#flush();
    return this.#frame("snapshot", this.state.snapshot());
  }

  /** What a peer says of its own state. */
  received({ kind, payload: { id, delta } }: FrameOf<"state" | "snapshot">): void {
    if (kind === "snapshot") {
      if (this.#ports.nodes.isUp(id)) this.state.replace(id, delta);
    } else if (!this.state.apply(id, delta)) this.#ask(id);
  }

  /** A peer that is up has that version of its state: what is missing of it is asked for. */
  heard(peer: string, boot: string, version: number): void {
    if (!this.state.isCurrent(peer, boot, version)) this.#ask(peer);
  }

  #ask(peer: string): void {
    if (!this.#ports.nodes.isUp(peer)) return;
    const now = this.#ports.time.elapsed();
    if (now - (this.#askedAt.get(peer) ?? Number.NEGATIVE_INFINITY) < SNAPSHOT_RETRY_MS) return;
    this.#askedAt.set(peer, now);
    this.#ports.links.ask(peer, "snapshotPlease", {});
  }

  close(): void {
    this.#closed = true;
    this.#flushing?.();
  }
}
