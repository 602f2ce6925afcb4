/**
 * Fetches the blobs that are missing here from peers that hold them: a few at a time, each in parts, a bounded number of them
 * under way. Has no socket, clock or timer of its own.
 */
import type { BlobFiles } from "../blobs/files.ts";
import { asReject } from "../errors.ts";
import { Fetch } from "./fetch.ts";
import type { Payload } from "./frames.ts";
import type { Holdings } from "./holdings.ts";
import { type Rank, type Want, Wants } from "./wants.ts";
import { Window } from "./window.ts";

export type FetchingPorts = {
  files: Pick<BlobFiles, "receive" | "assertRoom">;
  holdings: Pick<Holdings, "has" | "drop">;
  /** The peers that are up and can be asked. */
  peers(): string[];
  ask(peer: string, hash: string, offset: number): void;
  /** What a peer sent has another hash. */
  doubt(peer: string, hash: string): void;
  /** It is on disk. */
  came(hash: string): void;
  /** Milliseconds; only differences count. */
  now(): number;
  /** `tick` is to be called from now on, until it returns false. */
  wanting(): void;
  warn(what: string, details: Record<string, unknown>): void;
};

/** Blobs that are fetched at a time: more of them sync the disk so often that whoever writes has to wait for it. */
const MAX_FETCHES = 2;
const MAX_OF_PEER = 1;
/** And so many more of those that somebody waits for. */
const MAX_AWAITED = 4;
const PART_TIMEOUT_MS = 8_000;
/** Nothing is fetched for so long after the disk refused something. */
const REST_MS = 5_000;
/** Whoever asks for a blob that is not here waits for it at most so long. */
const WAIT_MS = 30_000;

export class Fetching {
  readonly #ports: FetchingPorts;
  readonly wants = new Wants();
  readonly #fetches = new Map<string, Fetch>();
  readonly #windows = new Map<string, Window>();
  /** Fetches begun: spreads them over the holders, without chance. */
  #begun = 0;
  #restsUntil = 0;
  #closed = false;

  constructor(ports: FetchingPorts) {
    this.#ports = ports;
  }

  /** The log refers to a blob that is not here; `fill` is to be called after that. */
  refer(hash: string, rank: Exclude<Rank, "awaited">): void {
    this.wants.refer(hash, rank);
  }

  /** Resolves with true when it is here; with false where no peer that is up has it, or none sent it within 30 s. */
  wait(hash: string): Promise<boolean> {
    if (this.#closed || this.#ports.peers().length === 0) return Promise.resolve(false);
    return new Promise(settle => {
      const taken = this.wants.await(hash, { until: this.#ports.now() + WAIT_MS, settle });
      if (taken) this.fill();
      else settle(false);
    });
  }

  /** Asks for as much as may be under way. */
  fill(): void {
    const now = this.#ports.now();
    if (this.#closed || this.wants.size === 0) return;
    this.#ports.wanting();
    if (now < this.#restsUntil) return;
    this.#beginMore(now);
    const isAwaited = (fetch: Fetch) => fetch.want.rank === "awaited";
    const fetches = [...this.#fetches.values()].sort((a, b) => Number(isAwaited(b)) - Number(isAwaited(a)));
    for (const fetch of fetches) this.#ask(fetch, now);
  }

  #beginMore(now: number): void {
    const peers = this.#ports.peers();
    if (peers.length === 0) return this.wants.expire();
    for (const want of this.wants.inOrder()) {
      const isAwaited = want.rank === "awaited";
      const free = isAwaited ? peers : peers.filter(peer => this.#of(peer) < MAX_OF_PEER);
      const isFull = this.#fetches.size >= MAX_FETCHES + (isAwaited ? MAX_AWAITED : 0);
      if (isFull || free.length === 0) return;
      if (want.until > now || this.#fetches.has(want.hash)) continue;
      const willing = free.filter(peer => !want.vain.has(peer));
      const peer = this.#holderOf(want, willing);
      if (peer !== undefined) this.#begin(want, peer);
      else if (peers.every(peer => want.vain.has(peer))) this.wants.putOff(want, now);
    }
  }

  #of(peer: string): number {
    let count = 0;
    for (const fetch of this.#fetches.values()) if (fetch.peer === peer) count++;
    return count;
  }

  /** One that is known to hold it, else anyone. */
  #holderOf({ hash }: Want, peers: readonly string[]): string | undefined {
    const known = peers.filter(peer => this.#ports.holdings.has(peer, hash));
    const some = known.length > 0 ? known : peers;
    return some[this.#begun++ % some.length];
  }

  #begin(want: Want, peer: string): void {
    const fetch = new Fetch(want, peer, {
      files: this.#ports.files,
      moved: () => this.fill(),
      ended: error => this.#ended(fetch, error),
    });
    this.#fetches.set(want.hash, fetch);
  }

  #ask(fetch: Fetch, now: number): void {
    const { parts } = this.#window(fetch.peer);
    const ofPeer = [...this.#fetches.values()].filter(({ peer }) => peer === fetch.peer);
    let underWay = ofPeer.reduce((sum, { underWay }) => sum + underWay, 0);
    for (let next = fetch.next; next !== undefined && underWay < parts; next = fetch.next) {
      fetch.asked(next, now);
      underWay++;
      this.#ports.ask(fetch.peer, fetch.want.hash, next);
    }
  }

  #window(peer: string): Window {
    const window = this.#windows.get(peer) ?? new Window();
    this.#windows.set(peer, window);
    return window;
  }

  /** A peer's answer. */
  part(part: Payload<"blobPart">): void {
    const fetch = this.#fetches.get(part.hash);
    const askedAt = fetch?.askedAt(part);
    if (!fetch || askedAt === undefined) return;
    this.#window(part.id).answered(this.#ports.now() - askedAt);
    if (part.size === undefined) {
      this.#ports.holdings.drop(part.id, [part.hash]);
      this.#turn(fetch);
    } else if (!fetch.take(part)) this.#damaged(fetch);
    this.fill();
  }

  /** Its peer is of no use: another one is asked for the rest, or later one for all of it. */
  #turn(fetch: Fetch): void {
    const { want } = fetch;
    want.vain.add(fetch.peer);
    const others = this.#ports.peers().filter(peer => !want.vain.has(peer));
    const next = want.isOfOne ? undefined : this.#holderOf(want, others);
    if (next !== undefined) fetch.turnTo(next);
    else this.#drop(fetch);
  }

  #drop(fetch: Fetch): void {
    this.#fetches.delete(fetch.want.hash);
    fetch.abandon();
  }

  #damaged(fetch: Fetch): void {
    const { want, sources } = fetch;
    this.#drop(fetch);
    const [source] = sources;
    // Of several, who knows which?
    if (sources.size > 1 || source === undefined) want.isOfOne = true;
    else {
      want.vain.add(source);
      this.#ports.doubt(source, want.hash);
      this.#ports.warn("a peer sent something else than the blob that it was asked for", {
        peer: source,
        hash: want.hash,
      });
    }
  }

  #ended(fetch: Fetch, error: unknown): void {
    const { want } = fetch;
    this.#fetches.delete(want.hash);
    if (error === undefined) {
      this.wants.delete(want);
      want.settle(true);
      this.#ports.came(want.hash);
    } else if (asReject(error).code === "invalid") this.#damaged(fetch);
    else {
      // Nobody but this node's disk is to blame.
      want.settle(false);
      this.#restsUntil = this.#ports.now() + REST_MS;
      const { code, message } = asReject(error);
      this.#ports.warn("a blob could not be stored", { code, why: message });
    }
    this.fill();
  }

  /** A peer came up, or got what was missing. */
  mayHave(peer: string, hashes?: readonly string[]): void {
    const wants = hashes?.flatMap(hash => this.wants.get(hash) ?? []) ?? this.wants.inOrder();
    for (const want of wants) this.wants.mayHave(peer, want);
    this.fill();
  }

  /** A peer is down. */
  lost(peer: string): void {
    this.#windows.delete(peer);
    for (const fetch of [...this.#fetches.values()]) if (fetch.peer === peer && !fetch.isComplete) this.#turn(fetch);
    this.fill();
  }

  /** Gives up what does not come; false where nothing is wanted. Called a few times a second while something is. */
  tick(): boolean {
    const now = this.#ports.now();
    this.wants.expire(now);
    for (const fetch of [...this.#fetches.values()]) {
      if (this.wants.get(fetch.want.hash) !== fetch.want) this.#drop(fetch);
      else if (now - (fetch.owedSince ?? now) > PART_TIMEOUT_MS) this.#turn(fetch);
    }
    this.fill();
    return this.wants.size > 0 && !this.#closed;
  }

  close(): void {
    this.#closed = true;
    for (const want of this.wants.inOrder()) want.settle(false);
    for (const fetch of this.#fetches.values()) fetch.abandon();
    this.#fetches.clear();
  }
}
