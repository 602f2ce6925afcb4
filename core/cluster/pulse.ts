/** The heartbeat of the mesh: this node's, those of its peers, and how far away they and their clocks are. */
import { MAX_DRIFT_MS } from "../clock.ts";
import type { Cancel, Time } from "../time.ts";
import type { Received } from "./bus.ts";
import { clockAhead } from "./clocks.ts";
import { decodeFrame, encodeFrame, type Frame, type FrameOf, type Payload } from "./frames.ts";
import type { Links } from "./links.ts";
import type { Effect, Membership } from "./membership.ts";
import type { Nodes } from "./nodes.ts";
import type { Notices } from "./notices.ts";

export type PulsePorts = {
  time: Time;
  membership: Membership;
  /** Does what membership says. */
  perform(effects: readonly Effect[]): void;
  links: Pick<Links, "beat" | "ask">;
  publish(frame: Uint8Array): void;
  notices: Pick<Notices, "clocksApart">;
  nodes: Pick<Nodes, "nameOf">;
};

const BEAT_MS = 1_000;
/** Beats since the last commit: from then on every second one is left out, so that an idle mesh costs next to nothing. */
const CALM_AFTER = 5;
/** Seconds from one ping of a peer to the next. */
const PING_EVERY = 30;
/** A heartbeat that is larger is read anew each time: kept ones are for idle meshes, not for hostile peers. */
const MAX_KEPT_BYTES = 64 * 1024;

export class Pulse {
  readonly #self: string;
  readonly #ports: PulsePorts;
  /** The last heartbeat of each peer, as it came: in an idle mesh it comes again byte for byte, and need not be read again. */
  readonly #kept = new Map<string, { bytes: Uint8Array; frame: Frame }>();
  readonly #beating: Cancel;
  #beats = 0;
  #beatsSinceCommit = 0;
  #watching: Cancel | undefined;

  constructor(self: string, ports: PulsePorts) {
    this.#self = self;
    this.#ports = ports;
    this.#beating = ports.time.every(BEAT_MS, () => this.#beat());
    this.#watch();
  }

  #beat(): void {
    const { time, membership, perform, links, publish } = this.#ports;
    perform(membership.greet(time.elapsed()));
    const beat = this.#beats++;
    if (this.#beatsSinceCommit++ < CALM_AFTER || beat % 2 === 0) publish(links.beat());
    for (const [index, { info }] of membership.up().entries())
      if ((index + beat) % PING_EVERY === 0) this.ping(info.id);
  }

  /** The last word of a commit may be lost, and is said again for a while: no other may follow that it is missed by. */
  committed(): void {
    this.#beatsSinceCommit = 0;
  }

  ping(peer: string): void {
    this.#ports.links.ask(peer, "ping", { at: this.#ports.time.elapsed() });
  }

  /** Wakes when a peer may have become silent, and no more often: an idle mesh is to cost next to nothing. */
  #watch(): void {
    const { time, membership, perform } = this.#ports;
    perform(membership.watch(time.elapsed()));
    const waitMs = membership.dueMs(time.elapsed()) - time.elapsed();
    this.#watching = time.after(Math.max(1, Math.ceil(waitMs) + 1), () => this.#watch());
  }

  /** The frame in what a peer sent; throws `Reject` for whatever is not one. */
  read(bytes: Uint8Array): Frame {
    for (const last of this.#kept.values()) if (isSame(last.bytes, bytes)) return last.frame;
    const frame = decodeFrame(bytes);
    const isKept = frame.kind === "beat" && bytes.length <= MAX_KEPT_BYTES;
    if (isKept && this.#ports.membership.peers.has(frame.payload.id))
      this.#kept.set(frame.payload.id, { bytes, frame });
    return frame;
  }

  received({ kind, payload }: FrameOf<"ping" | "pong">, answer: Received["answer"]): void {
    if (kind === "ping") answer?.(encodeFrame("pong", { id: this.#self, at: payload.at, wall: this.#wall() }));
    else this.#measured(payload);
  }

  #measured({ id, at, wall }: Payload<"pong">): void {
    const { time, membership, notices, nodes } = this.#ports;
    const rttMs = Math.max(0, time.elapsed() - at);
    const clockMs = wall === undefined ? null : clockAhead(wall, this.#wall(), rttMs);
    membership.measured(id, rttMs, clockMs);
    if (clockMs !== null && Math.abs(clockMs) > MAX_DRIFT_MS) notices.clocksApart(id, nodes.nameOf(id), clockMs);
  }

  /** Milliseconds since 1970, as frames take them. */
  #wall(): number {
    return Math.max(0, Math.round(this.#ports.time.wall()));
  }

  /** A peer is down. */
  lost(peer: string): void {
    this.#kept.delete(peer);
  }

  close(): void {
    this.#beating();
    this.#watching?.();
  }
}

function isSame(some: Uint8Array, other: Uint8Array): boolean {
  return some.length === other.length && Buffer.compare(some, other) === 0;
}
