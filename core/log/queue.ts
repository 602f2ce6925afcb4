/** What waits for a commit: drafts, for whose ack somebody waits, and what came from peers. */
import type { Draft, Envelope } from "../envelope.ts";
import type { Follows, Outcome, Segment, Taken } from "./store.ts";

export type Job = {
  items: readonly (Draft | Envelope)[];
  /** How many of them are drafts, and when they came. */
  drafts: number;
  since: number;
  follows: Follows | undefined;
  resolve: (outcomes: Outcome[]) => void;
  reject: (e: Error) => void;
};
export type SegmentJob = {
  segment: Segment;
  count: number;
  resolve: (taken: Taken) => void;
  reject: (e: Error) => void;
};
type AnyJob = Job | SegmentJob;
/** What one commit takes: it is of one kind. */
export type Group = { jobs: Job[] } | { segments: SegmentJob[] };

/** Drafts and envelopes that one commit takes at most. */
const MAX_GROUP = 2_000;
/** Peers' envelopes that a commit of drafts takes along at most. */
const MAX_BESIDE = 256;
/** Envelopes in peers' segments that one commit takes at most; it ends sooner where drafts wait. More take memory, too. */
const MAX_SEGMENTS = 1_600;

const isJob = (job: AnyJob): job is Job => "items" in job;
const isSegmentJob = (job: AnyJob): job is SegmentJob => "segment" in job;
const sizeOf = (job: AnyJob): number => (isJob(job) ? job.items.length : job.count);

export class Queue {
  readonly #drafts: AnyJob[] = [];
  readonly #peers: AnyJob[] = [];
  /** Drafts that came before this node may write; undefined once it may. */
  #early: Job[] | undefined;
  /** The last commit left some of the peers' behind for drafts: the next one is theirs. */
  #isPeersTurn = false;
  /** Envelopes. */
  readonly #waits = { drafts: 0, peers: 0 };

  /** Envelopes that wait. */
  get size(): number {
    return this.#waits.drafts + this.#waits.peers;
  }

  /** When the first draft came that waits. */
  get since(): number | undefined {
    const [first] = this.#drafts.length > 0 ? this.#drafts : (this.#early ?? []);
    return first && isJob(first) ? first.since : undefined;
  }

  addDrafts(job: Job): void {
    (this.#early ?? this.#drafts).push(job);
    this.#waits.drafts += sizeOf(job);
  }

  addPeers(job: AnyJob): void {
    this.#peers.push(job);
    this.#waits.peers += sizeOf(job);
  }

  /** Segments of which a commit left something for another one. */
  putBack(jobs: readonly SegmentJob[]): void {
    this.#peers.unshift(...jobs);
    for (const job of jobs) this.#waits.peers += sizeOf(job);
  }

  /** Drafts that come from now on are held back. */
  hold(): void {
    this.#early = [];
  }

  /** Holds drafts back no longer. */
  release(): void {
    this.#drafts.push(...(this.#early ?? []));
    this.#early = undefined;
  }

  /** Takes the drafts out that are held back. */
  takeHeld(): Job[] {
    const held = this.#early?.splice(0) ?? [];
    for (const job of held) this.#waits.drafts -= sizeOf(job);
    return held;
  }

  get hasDrafts(): boolean {
    return this.#drafts.length > 0;
  }

  get hasNext(): boolean {
    return this.#drafts.length + this.#peers.length > 0;
  }

  /** Drafts first, so that nobody who writes waits for a week of a peer's; then it is the peers' turn. */
  next(): Group | undefined {
    if (this.#drafts.length > 0 && !this.#isPeersTurn) {
      const drafts = this.#take(this.#drafts, isJob, MAX_GROUP);
      const beside = this.#take(this.#peers, isJob, MAX_BESIDE, false);
      this.#isPeersTurn = this.#peers.length > 0;
      return { jobs: [...drafts, ...beside] };
    }
    this.#isPeersTurn = false;
    const [first] = this.#peers;
    if (!first) return undefined;
    return isJob(first)
      ? { jobs: this.#take(this.#peers, isJob, MAX_GROUP) }
      : { segments: this.#take(this.#peers, isSegmentJob, MAX_SEGMENTS) };
  }

  /** Takes the first ones that are of one kind, as many as fit; where `atLeastOne`, one that does not fit too. */
  #take<Kind extends AnyJob>(
    queue: AnyJob[],
    isOfKind: (job: AnyJob) => job is Kind,
    max: number,
    atLeastOne = true,
  ): Kind[] {
    const taken: Kind[] = [];
    let size = 0;
    for (const job of queue) {
      const isTooMuch = size + sizeOf(job) > max && (taken.length > 0 || !atLeastOne);
      if (!isOfKind(job) || isTooMuch) break;
      taken.push(job);
      size += sizeOf(job);
    }
    queue.splice(0, taken.length);
    this.#waits[queue === this.#drafts ? "drafts" : "peers"] -= size;
    return taken;
  }
}
