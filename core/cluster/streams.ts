/** The log's streams, here and at the peers: what is missing is asked for, and where two branches part is looked for. */
import type { Fork } from "../forks.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import { Early, type EarlyPorts } from "./early.ts";
import { Forks } from "./forks.ts";
import type { FrameOf } from "./frames.ts";
import type { Links } from "./links.ts";
import type { Nodes } from "./nodes.ts";
import type { Notices } from "./notices.ts";
import { Publications } from "./publications.ts";
import { type Heads, Replication } from "./replication.ts";

export type StreamsPorts = {
  log: Log;
  time: Time;
  notices: Notices;
  publish(frame: Uint8Array): void;
  links: Pick<Links, "ask">;
  nodes: Pick<Nodes, "isUp" | "peersUp">;
  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void;
  /** Commits that a branch of a stream is given up. */
  giveUp(fork: Fork): Promise<void>;
  early: EarlyPorts;
};

const REPAIR_MS = 100;

export class Streams {
  readonly #ports: StreamsPorts;
  readonly early: Early;
  readonly replication: Replication;
  readonly #forks: Forks;
  readonly #publications: Publications;
  /** The peers that write a stream now, by stream. */
  readonly #writers = new Map<string, string>();
  /** What each peer said it has in its last heartbeat: in an idle mesh the same comes again, and tells nothing. */
  readonly #lastHeard = new Map<string, Heads>();
  #repairing: Cancel | undefined;
  #closed = false;

  /** `heads` is what this node has committed of every stream. */
  constructor(self: string, ports: StreamsPorts, heads: Heads) {
    this.#ports = ports;
    const { log, time, notices, links, giveUp } = ports;
    this.#publications = new Publications(self, { ...ports, peers: () => ports.nodes.peersUp }, heads);
    this.early = new Early(ports.early);
    this.replication = new Replication(
      {
        log,
        early: this.early,
        pull: (peer, origin, after) => links.ask(peer, "pull", { origin, after }),
        differs: (peer, origin, head) => {
          // However often the same comes again, it is not to be passed over until one of them has given way.
          this.#lastHeard.delete(peer);
          this.#forks.differs(peer, origin, head);
        },
        outgrown: origin => this.#try(this.#outgrown(origin)),
        now: time.elapsed,
        missing: () => this.#repairSoon(),
        warn: (what, details) => notices.replication(what, details),
      },
      heads,
    );
    this.#forks = new Forks(self, {
      log,
      ask: (peer, origin, seqs) => links.ask(peer, "chainsPlease", { origin, seqs }),
      tell: (peer, origin, head) => links.ask(peer, "differs", { id: self, origin, ...head }),
      length: (origin, peer) => this.replication.length(origin, peer),
      writer: origin => this.#writers.get(origin),
      searching: () => this.#repairSoon(),
      giveUp,
      now: time.elapsed,
      warn: (what, details) => notices.fork(what, details),
    });
  }

  /** What this node has committed of every stream. */
  get heads(): Heads {
    return this.#publications.heads;
  }

  get queues() {
    return { ...this.replication.queues, early: this.early.size };
  }

  committed(commit: Committed): void {
    this.#publications.committed(commit);
    this.replication.committed(commit.heads, commit.cut);
  }

  received({ kind, payload }: FrameOf<"batch" | "heads" | "pulled" | "differs" | "chains">): void {
    switch (kind) {
      case "batch":
        return this.replication.live(payload.id, payload.envelopes, payload.follows);
      case "heads":
        return this.heard(payload.id, payload.heads);
      case "pulled":
        return this.replication.pulled(payload.id, payload.origin, payload.packed, payload.follows);
      case "differs":
        return this.#try(this.#forks.told(payload.id, payload.origin, payload));
      case "chains":
        return this.#try(this.#forks.answered(payload.id, payload.origin, payload.chains));
    }
  }

  #try(work: Promise<void>): void {
    work.catch(error => this.#ports.notices.unanswered(error));
  }

  /** As `Replication.heard`; `writes` is the peer's own stream. */
  heard(
    peer: string,
    heads: Heads,
    { comparing = false, all = false, writes = undefined as string | undefined } = {},
  ): void {
    if (!this.#ports.nodes.isUp(peer)) return;
    if (all && this.#repairing === undefined && this.#lastHeard.get(peer) === heads) return;
    if (all) this.#lastHeard.set(peer, heads);
    else this.#lastHeard.delete(peer);
    if (writes !== undefined) this.#writers.set(writes, peer);
    this.replication.heard(peer, heads, { comparing, all });
    const own = this.#ports.log.origin;
    const held = own === undefined ? undefined : heads[own];
    // A peer that has more of it than was ever written here has it of another branch.
    if (held && held.seq <= (this.heads[own as string]?.seq ?? 0)) this.#ports.held(peer, held.seq);
  }

  /** A peer is down: nothing can be asked of it. */
  lost(peer: string): void {
    this.replication.lost(peer);
    this.#forks.lost(peer);
    this.#lastHeard.delete(peer);
    for (const [origin, writer] of this.#writers) if (writer === peer) this.#writers.delete(origin);
  }

  #repairSoon(): void {
    if (this.#closed) return;
    this.#repairing ??= this.#ports.time.after(REPAIR_MS, () => {
      this.#repairing = undefined;
      const [isMissing, isSearching] = [this.replication.tick(), this.#forks.tick()];
      if (isMissing || isSearching) this.#repairSoon();
    });
  }

  /**
   * Peers have more of what only this node writes: its database is older than what it once published. It writes no more to
   * that stream, and gets the rest as it would another node's.
   */
  async #outgrown(origin: string): Promise<void> {
    const { log, notices } = this.#ports;
    if (log.origin !== origin) return;
    await log.abandon(origin);
    notices.restored(origin);
  }

  close(): void {
    this.#closed = true;
    this.#repairing?.();
    this.#publications.close();
  }
}
