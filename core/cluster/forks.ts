/**
 * Two branches of one stream, here and at a peer: finds where they part, and which side gives its own up. Has no socket,
 * clock or timer of its own. What it decides takes effect through the log, as a fact that every node learns.
 */
import type { Fork } from "../forks.ts";
import type { Head, Log } from "../log/log.ts";

export type ForkPorts = {
  log: Pick<Log, "chains" | "roomsFrom" | "abandon" | "origin">;
  /** Asks a peer for its running hashes at places of a stream. */
  ask(peer: string, origin: string, seqs: number[]): void;
  /** Tells a peer which running hash this node has at a place where the peer seems to have another. */
  tell(peer: string, origin: string, head: Head): void;
  /** How far this node has a stream, and how far a peer has; 0 where that is not known. */
  length(origin: string, peer?: string): number;
  /** The node that writes a stream, if it is up. */
  writer(origin: string): string | undefined;
  /** A search is under way: `tick` is to be called from now on, until it returns false. */
  searching(): void;
  /** Commits that a branch is given up. */
  giveUp(fork: Fork): Promise<void>;
  /** Milliseconds; only differences count. */
  now(): number;
  warn(what: string, details: Record<string, unknown>): void;
};

/** `same` is a place up to which both have the same, `other` one where they differ: as the peer has said, if `isSure`. */
type Search = {
  peer: string;
  since: number;
  askedAt: number;
  same: number;
  other: number;
  isSure: boolean;
  seqs: number[];
};

/** Places asked for at once: a stream of a million takes four questions. */
const PLACES = 64;
const ASK_AGAIN_MS = 1_000;
/** A node that writes a stream gives up what it wrote; the others wait for that, if it is up. */
const WRITER_WITHIN_MS = 10_000;
/** Nothing came of it for so long: whoever still differs says so again. */
const SEARCH_WITHIN_MS = 30_000;

export class Forks {
  readonly #ports: ForkPorts;
  readonly #self: string;
  /** By stream: one search at a time. */
  readonly #searches = new Map<string, Search>();

  constructor(self: string, ports: ForkPorts) {
    this.#self = self;
    this.#ports = ports;
  }

  /** A peer has another running hash at that place than this node, whose own one is in `head`. */
  differs(peer: string, origin: string, head: Head): void {
    if (this.#searches.has(origin)) return;
    const now = this.#ports.now();
    this.#ports.tell(peer, origin, head);
    const search = { peer, since: now, askedAt: now, same: 0, other: head.seq, isSure: false, seqs: [] };
    this.#searches.set(origin, search);
    this.#ports.searching();
    this.#next(origin, search);
  }

  /** A peer tells its running hash at a place where it found another one of this node. */
  async told(peer: string, origin: string, { seq, chain }: Head): Promise<void> {
    if (this.#searches.has(origin)) return;
    const own = (await this.#ports.log.chains(origin, [seq]))[seq];
    if (own !== undefined && own !== chain) this.differs(peer, origin, { seq, chain: own });
  }

  /** A peer's running hashes, as this node asked for. */
  async answered(peer: string, origin: string, chains: Readonly<Record<number, string>>): Promise<void> {
    const search = this.#searches.get(origin);
    if (search?.peer !== peer) return;
    const own = await this.#ports.log.chains(origin, search.seqs);
    if (this.#searches.get(origin) !== search) return;
    for (const seq of search.seqs) {
      // Where either has cut its stream meanwhile, the search begins anew when they still differ.
      if (own[seq] === undefined || chains[seq] === undefined) return this.#end(origin);
      if (own[seq] === chains[seq]) search.same = Math.max(search.same, seq);
      else search.other = Math.min(search.other, seq);
    }
    if (search.same >= search.other) return this.#end(origin);
    search.isSure = true;
    this.#next(origin, search);
  }

  #next(origin: string, search: Search): void {
    const { same, other, isSure, peer } = search;
    search.seqs = [...(other - same > 1 ? between(same, other) : []), ...(isSure ? [] : [other])];
    search.askedAt = this.#ports.now();
    if (search.seqs.length > 0) this.#ports.ask(peer, origin, search.seqs);
    else this.#settle(origin, search).catch(error => this.#failed(origin, error));
  }

  #failed(origin: string, error: unknown): void {
    this.#ports.warn("a branch of a stream could not be given up", { origin, why: (error as Error).message });
  }

  /** Both sides know where they part: one of them gives its branch up. */
  async #settle(origin: string, search: Search): Promise<void> {
    const { log, writer, length, now } = this.#ports;
    const { peer, other: seq, since } = search;
    const writing = log.origin === origin ? this.#self : writer(origin);
    if (writing !== this.#self) {
      // The next tick looks again.
      if (writing !== undefined && now() - since < WRITER_WITHIN_MS) return;
      const [here, there] = [length(origin), length(origin, peer)];
      if (here > there || (here === there && this.#self > peer)) return this.#end(origin);
    }
    // Nothing is added to the branch from now on.
    if (writing === this.#self) await log.abandon(origin);
    const [chains, rooms] = await Promise.all([log.chains(origin, [seq]), log.roomsFrom(origin, seq)]);
    const chain = chains[seq];
    if (this.#searches.get(origin) !== search) return;
    this.#end(origin);
    if (chain === undefined) return;
    this.#ports.warn("a database was restored or copied: its messages are written again in a new stream", {
      origin,
      seq,
      peer,
    });
    await this.#ports.giveUp({ origin, seq, chain, rooms: rooms.slice(0, 16_384) });
  }

  #end(origin: string): void {
    this.#searches.delete(origin);
  }

  /** Asks again for what did not come; false where nothing is under way. Called a few times a second while something is. */
  tick(): boolean {
    const now = this.#ports.now();
    for (const [origin, search] of this.#searches) {
      if (now - search.since > SEARCH_WITHIN_MS) this.#end(origin);
      else if (search.seqs.length === 0) this.#settle(origin, search).catch(error => this.#failed(origin, error));
      else if (now - search.askedAt > ASK_AGAIN_MS) this.#next(origin, search);
    }
    return this.#searches.size > 0;
  }

  /** A peer is down: nothing can be asked of it. */
  lost(peer: string): void {
    for (const [origin, search] of this.#searches) if (search.peer === peer) this.#end(origin);
  }
}

/** Places that part what lies between two into pieces of one size, about. */
function between(low: number, high: number): number[] {
  const count = Math.min(PLACES, high - low - 1);
  return Array.from({ length: count }, (_, index) => low + Math.ceil(((high - low) * (index + 1)) / (count + 1)));
}
