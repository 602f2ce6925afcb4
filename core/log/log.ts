/** The durable log: few functions, asynchronous and batch-wise. Nothing outside this folder speaks SQL. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Head } from "../chain.ts";
import { countPacked, type Draft, type Envelope } from "../envelope.ts";
import { Reject } from "../errors.ts";
import { type Cancel, realTime, type Time } from "../time.ts";
import { Admission } from "./admission.ts";
import { type Arrived, arrived } from "./arrived.ts";
import { Backlog } from "./backlog.ts";
import { packGroup, unpackOutcomes } from "./groups.ts";
import { Indexing, type SearchCaller } from "./indexing.ts";
import { claimDirectory, makeForOwner } from "./lock.ts";
import { type Group, type Job, Queue, type SegmentJob } from "./queue.ts";
import type { Cursor, LastIds, Packed, Page, References, Stored } from "./reads.ts";
import type { Found, Query } from "./search.ts";
import type { Done, Follows, Outcome, Segment, Taken } from "./store.ts";
import { StoreThread } from "./thread.ts";

export type { Head } from "../chain.ts";
export type { Cursor, LastIds, Page, Stored } from "./reads.ts";
export type { Found, Query } from "./search.ts";
export type { Outcome, Segment } from "./store.ts";

const WATCH_MS = 1_000;
const DATABASE = "log.db";
const LOST = "the database is gone from the data directory: nothing more is stored; restart this node";

/**
 * What a commit did: what it stored in commit order, as envelopes or as peers' segments, and the streams' new ends. Those of
 * `cut` end earlier than before: a branch of theirs was given up. `freed` are the blobs that erased messages referred to.
 */
export type Committed = {
  envelopes: Stored[];
  segments: Arrived[];
  heads: Record<string, Head>;
  cut: readonly string[];
  freed: readonly string[];
  tookMs: number;
};

/** A store on a thread of its own, or what a simulation puts in its place. */
export type Caller = Pick<StoreThread, keyof StoreThread>;

export type LogParts = {
  directory: string;
  writer: Caller;
  reader: Caller;
  /** Starts the thread that searches; without it nothing is searched. */
  openSearch?: () => Promise<SearchCaller>;
  time: Time;
  /** Whether the database is still where it was opened. */
  isInPlace(): boolean;
  /** Called when it is closed. */
  release(): void;
};

export class Log {
  readonly #writer: Caller;
  readonly #reader: Caller;
  readonly #time: Time;
  readonly #parts: LogParts;
  readonly #queue = new Queue();
  readonly #admission: Admission;
  readonly #backlog: Backlog;
  readonly #indexing: Indexing | undefined;
  readonly #stopWatching: Cancel;
  /** Where it is kept, and whatever else belongs to this node. */
  readonly directory: string;
  #busy = false;
  /** When the first draft came of those that are being committed. */
  #since: number | undefined;
  #refusal: Error | undefined;
  #idle: (() => void) | undefined;
  /** False once the database is gone from its place, or the thread that writes it has ended: nothing is acked then. */
  isSound = true;
  #closing = false;
  #closed: Promise<void> | undefined;
  /** Called after each commit, in commit order, before the promises of its appends are settled. */
  committed: (commit: Committed) => void = () => {};
  /** Called with the reason when commits begin to fail, and with nothing when they work again. */
  turned: (refusal: Error | undefined) => void = () => {};
  /** Called with what `committed` throws, and with why messages cannot be searched. */
  failed: (error: unknown) => void = () => {};
  /** This node's last commit. */
  pos: number;
  /** The stream that this node writes; undefined before its first write. */
  origin: string | undefined;

  private constructor(parts: LogParts, pos: number, origin: string | undefined) {
    const { directory, writer, reader, time } = parts;
    this.directory = directory;
    this.#parts = parts;
    this.#writer = writer;
    this.#reader = reader;
    this.#time = time;
    this.pos = pos;
    this.origin = origin;
    this.#admission = new Admission(time.elapsed);
    this.#backlog = new Backlog(parts);
    this.#indexing = parts.openSearch && new Indexing(parts.openSearch, time, pos);
    if (this.#indexing) this.#indexing.failed = error => this.failed(error);
    this.#stopWatching = time.every(WATCH_MS, () => this.#watch());
  }

  /**
   * Opens the log in a directory, made if need be, or in a free one of `parent/*`; throws `Reject` with the reason where
   * that cannot be done.
   */
  static async open(given: string): Promise<Log> {
    const { directory, lock } = claimDirectory(given);
    let writer: StoreThread | undefined;
    try {
      const path = join(directory, DATABASE);
      makeForOwner(path);
      writer = await StoreThread.open(path, "write");
      const reader = await StoreThread.open(path, "read");
      const { ino } = statSync(path);
      const isInPlace = () => statSync(path, { throwIfNoEntry: false })?.ino === ino;
      const openSearch = () => StoreThread.open(path, "search");
      const release = () => lock.release();
      return await Log.of({ directory, writer, reader, openSearch, time: realTime, isInPlace, release });
    } catch (error) {
      await writer?.close();
      lock.release();
      throw error;
    }
  }

  /** The log over stores that are open already. */
  static async of(parts: LogParts): Promise<Log> {
    return new Log(parts, await parts.writer.call("lastPos"), await parts.writer.call("origin"));
  }

  /**
   * Commits drafts or a peer's envelopes; resolves when they are on disk. Each kind keeps the order of the calls; drafts may
   * overtake. Calls that wait at the same time share one commit. `follows` says what a peer's envelopes have to continue.
   * Rejects with `Reject`, and nothing stored, where the disk refuses.
   */
  append(items: readonly (Draft | Envelope)[], follows?: Follows): Promise<Outcome[]> {
    if (this.#refuses) return Promise.reject(this.#refuses);
    const drafts = items.reduce((sum, item) => sum + ("seq" in item ? 0 : 1), 0);
    const refusal = drafts > 0 ? this.#admission.refuse() : undefined;
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const job = { items, drafts, since: this.#time.elapsed(), follows, resolve, reject };
      this.#admission.entered(drafts);
      if (drafts > 0) this.#queue.addDrafts(job);
      else this.#queue.addPeers(job);
      if (this.#queue.hasDrafts) this.#writer.hurry(true);
      this.#begin();
    });
  }

  /** Throws `Reject` where no more drafts may wait: whoever asks before making one is refused for less. */
  assertOpen(): void {
    const refusal = this.#admission.refuse();
    if (refusal) throw refusal;
  }

  /** Own messages wait until that resolves, as do their acks; what peers wrote does not. */
  writeAfter(mayWrite: Promise<void>): void {
    this.#queue.hold();
    void mayWrite.then(() => {
      this.#queue.release();
      if (this.#queue.hasDrafts) this.#writer.hurry(true);
      this.#begin();
    });
  }

  /**
   * Commits what a peer packed of a stream, unpacked and held against its hashes on the log's thread; in the order of these
   * calls and of peers' envelopes. Resolves when it is on disk, with what became of it; of its last part where drafts came
   * between. Rejects as `append` does.
   */
  take(segment: Segment): Promise<Taken> {
    if (this.#refuses) return Promise.reject(this.#refuses);
    return new Promise((resolve, reject) => {
      this.#queue.addPeers({ segment, count: countPacked(segment.packed), resolve, reject });
      this.#begin();
    });
  }

  get #refuses(): Reject | undefined {
    if (this.#closing) return new Reject("stopping");
    return this.isSound ? undefined : new Reject("storage-failed", LOST);
  }

  #begin(): void {
    if (this.#busy || !this.#queue.hasNext) return;
    this.#busy = true;
    // Whatever else this turn of the loop brings shares the commit.
    this.#time.soon(() => void this.#commit());
  }

  async #commit(): Promise<void> {
    const group = this.#queue.next();
    this.#writer.hurry(this.#queue.hasDrafts);
    if (!group) {
      this.#busy = false;
      this.#idle?.();
      return;
    }
    const startedAt = this.#time.elapsed();
    this.#since = "jobs" in group && group.jobs[0]?.drafts ? group.jobs[0].since : undefined;
    let done: { committed: Omit<Committed, "tookMs">; settle: () => void };
    try {
      done = "jobs" in group ? await this.#append(group.jobs) : await this.#take(group.segments);
    } catch (error) {
      this.#time.soon(() => void this.#commit());
      this.#leave(group, false);
      for (const { reject } of "jobs" in group ? group.jobs : group.segments) reject(error as Error);
      this.#turn(error as Error);
      return;
    }
    this.#leave(group, true);
    void this.#commit();
    this.#turn(undefined);
    const { envelopes, segments } = done.committed;
    try {
      const isAny = envelopes.length > 0 || segments.length > 0;
      if (isAny) this.committed({ ...done.committed, tookMs: this.#time.elapsed() - startedAt });
    } catch (error) {
      // Whatever fails in telling, what is committed is acked.
      this.failed(error);
    }
    done.settle();
  }

  /** What a group has of drafts waits no longer. */
  #leave(group: Group, areStored: boolean): void {
    this.#since = undefined;
    const jobs = "jobs" in group ? group.jobs : [];
    const drafts = jobs.reduce((sum, { drafts }) => sum + drafts, 0);
    const [first] = jobs;
    if (!first || drafts === 0) return;
    this.#admission.left(drafts);
    if (areStored) this.#admission.acked(drafts, first.since);
  }

  async #append(jobs: readonly Job[]) {
    const items = jobs.flatMap(({ items }) => items);
    const now = this.#time.wall();
    const did = await this.#writer.call("appendPacked", packGroup(items), now, followsOf(jobs));
    const outcomes = unpackOutcomes(items, did);
    const stored = outcomes.flatMap(outcome => (outcome.status === "stored" ? [outcome.envelope] : []));
    const envelopes = did.saved.length > 0 ? [...stored, ...did.saved].sort((a, b) => a.pos - b.pos) : stored;
    this.pos = envelopes.at(-1)?.pos ?? this.pos;
    this.#came(
      envelopes.length,
      envelopes.some(({ role }) => role === "erase"),
    );
    const settle = () => {
      let from = 0;
      for (const { items, resolve } of jobs) {
        resolve(outcomes.slice(from, from + items.length));
        from += items.length;
      }
    };
    return { committed: this.#done(did, envelopes, []), settle };
  }

  #done({ heads, cut, freed, origin }: Done, envelopes: Stored[], segments: Arrived[]): Omit<Committed, "tookMs"> {
    this.origin = origin;
    return { envelopes, segments, heads, cut, freed };
  }

  async #take(jobs: readonly SegmentJob[]) {
    const segments = jobs.map(({ segment }) => segment);
    const { taken, ...did } = await this.#writer.call("take", segments, this.#time.wall());
    this.#queue.putBack(jobs.flatMap((job, index) => restOf(job, taken[index] as Taken)));
    const stored = jobs.flatMap(({ segment }, index) => {
      const of = taken[index] as Taken;
      return of.count > 0 ? [{ segment, of }] : [];
    });
    const last = stored.at(-1)?.of;
    if (last) this.pos = did.saved.at(-1)?.pos ?? last.first + last.count - 1;
    this.#came(
      taken.reduce((sum, { count }) => sum + count, 0),
      taken.some(({ erases }) => erases),
    );
    const settle = () => {
      for (const [index, { resolve }] of jobs.entries()) {
        const of = taken[index] as Taken;
        if (!of.yielded) resolve(of);
      }
    };
    const came = stored.map(({ segment, of }) => arrived(segment, of));
    return { committed: this.#done(did, did.saved, came), settle };
  }

  #came(envelopes: number, erases: boolean): void {
    this.#backlog.committed(envelopes, erases);
    if (envelopes > 0) this.#indexing?.committed(envelopes, erases);
  }

  /** Commits fail from now on, or work again: an operator wants to hear of it once. */
  #turn(refusal: Error | undefined): void {
    if ((refusal === undefined) === (this.#refusal === undefined)) return;
    this.#refusal = refusal;
    this.turned(refusal);
  }

  /** Envelopes that wait for a commit. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Own messages on their way to the disk: how many, since when, how many may be, and how many requests were refused for that. */
  get drafts(): { waiting: number; oldestMs: number; limit: number; refused: number } {
    const { waiting, limit, refused } = this.#admission;
    const since = this.#since ?? this.#queue.since;
    return { waiting, oldestMs: since === undefined ? 0 : this.#time.elapsed() - since, limit, refused };
  }

  /** Size of the write-ahead log in bytes. */
  get walBytes(): number {
    return statSync(join(this.directory, `${DATABASE}-wal`), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** A file that was deleted or replaced takes every write, and keeps none. */
  #watch(): void {
    if (!this.isSound || (this.#parts.isInPlace() && !this.#writer.hasEnded)) return;
    this.isSound = false;
    this.failed(new Reject("storage-failed", LOST));
  }

  /** Resolves when nothing that was erased before is left in the files; false where a reader, such as a backup, stood in the way. */
  async scrub(): Promise<boolean> {
    // The message is erased all the same, and found by nobody, where the index cannot be written.
    const index = this.#indexing?.scrub().catch(() => false) ?? true;
    const [own, others] = await Promise.all([this.#backlog.scrub(), index]);
    return own && others;
  }

  heads(): Promise<Record<string, Head>> {
    return this.#reader.call("heads");
  }

  lastHlc(): Promise<number> {
    return this.#reader.call("lastHlc");
  }

  /** The latest hlc of all streams; 0 where there is none. */
  latestHlc(): Promise<number> {
    return this.#reader.call("latestHlc");
  }

  digest(): Promise<string> {
    return this.#reader.call("digest");
  }

  /**
   * What follows `after` in a stream, in order, within the limits, but at least one: packed, as peers get it. `follows` is the
   * running hash at `after`, where the stream goes that far.
   */
  stream(origin: string, after: number, maxCount: number, maxBytes: number): Promise<Packed> {
    return this.#reader.call("stream", origin, after, maxCount, maxBytes);
  }

  /** What was committed after `after` and up to `upTo`, in commit order, within the limits, but at least one. */
  since(after: number, upTo: number, maxCount: number, maxBytes: number): Promise<Stored[]> {
    return this.#reader.call("since", after, upTo, maxCount, maxBytes);
  }

  /** Where each stream ended at commit `upTo`, in the order of their origins. */
  headsAt(upTo: number): Promise<Record<string, Head>> {
    return this.#reader.call("headsAt", upTo);
  }

  /** The running hashes of streams at the seqs asked for, of those that are here. */
  chainsAt(places: Readonly<Record<string, number>>): Promise<Record<string, string>> {
    return this.#reader.call("chainsAt", places);
  }

  /** All messages of that id, by whomever, in the order of their keys. */
  named(id: string): Promise<Stored[]> {
    return this.#reader.call("named", id);
  }

  /** The core's own facts after a commit, in commit order. */
  facts(afterPos: number, limit: number): Promise<Stored[]> {
    return this.#reader.call("facts", afterPos, limit);
  }

  /** What envelopes after a commit refer to, in commit order; of those that refer to blobs at all. */
  blobsReferenced(afterPos: number, limit: number): Promise<References[]> {
    return this.#reader.call("blobsReferenced", afterPos, limit);
  }

  cursor(room: string, upTo: number): Promise<Cursor> {
    return this.#reader.call("cursor", room, upTo);
  }

  /** Rejects with `Reject` where the cursor, or what it says to be `last`, is of another history than this log's. */
  resume(room: string, cursor: Cursor, upTo: number, limit: number, last: LastIds = {}) {
    return this.#reader.call("resume", room, cursor, upTo, limit, last);
  }

  /** The messages that stand where a reader's cursor does. */
  idsAt(room: string, cursor: Cursor): Promise<LastIds> {
    return this.#reader.call("idsAt", room, cursor);
  }

  page(room: string, from: { before?: string; after?: string }, limit: number, upTo: number): Promise<Page> {
    return this.#reader.call("page", room, from, limit, upTo);
  }

  /** The newest rows that have all of the words. Rejects with `Reject` where there are none to look for, or too many search. */
  search(query: Query): Promise<Found> {
    return this.#indexing ? this.#indexing.search(query) : Promise.reject(new Reject("not-found"));
  }

  /** Searches that are under way, or wait, and envelopes that the index lacks as far as that is known. */
  get searching(): { searches: number; behind: number } {
    return this.#indexing ?? { searches: 0, behind: 0 };
  }

  referring(room: string, id: string): Promise<Stored[]> {
    return this.#reader.call("referring", room, id);
  }

  find(id: string, author?: string): Promise<Stored | undefined> {
    return this.#reader.call("find", id, author);
  }

  setting(name: string): Promise<string | undefined> {
    return this.#writer.call("setting", name);
  }

  async set(name: string, value: string): Promise<void> {
    await this.#writer.call("set", name, value);
  }

  /** The running hashes of one stream at places of it, of those that are here. */
  chains(origin: string, seqs: readonly number[]): Promise<Record<number, string>> {
    return this.#writer.call("chains", origin, seqs);
  }

  /** The rooms that a stream wrote to from `seq` on, as far as it is here. */
  roomsFrom(origin: string, seq: number): Promise<string[]> {
    return this.#writer.call("roomsFrom", origin, seq);
  }

  /** Ends this node's own stream: its next write begins a new one. False where it has gone on since `seq`. */
  async abandon(origin: string, seq?: number): Promise<boolean> {
    const abandoned = await this.#writer.call("abandon", origin, seq);
    if (abandoned && origin === this.origin) this.origin = undefined;
    return abandoned;
  }

  pragma(name: "synchronous" | "journal_mode"): Promise<unknown> {
    return this.#writer.call("pragma", name);
  }

  /** Takes nothing more; resolves when what waited is committed. */
  async drain(): Promise<void> {
    this.#closing = true;
    for (const { drafts, reject } of this.#queue.takeHeld()) {
      this.#admission.left(drafts);
      reject(new Reject("stopping"));
    }
    if (this.#busy)
      await new Promise<void>(resolve => {
        this.#idle = resolve;
      });
  }

  /** Commits what waits, then closes the files. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stopWatching();
    this.#backlog.stop();
    await this.drain();
    await this.#indexing?.close();
    await this.#reader.close();
    await this.#backlog.close();
    await this.#writer.close();
    this.#parts.release();
  }
}

/** What a commit left of a segment for another one. */
function restOf(job: SegmentJob, { yielded, skipped, count, follows }: Taken): SegmentJob[] {
  if (!yielded) return [];
  if (skipped + count === (job.segment.done ?? 0)) return [job];
  return [{ ...job, segment: { ...job.segment, done: skipped + count, follows }, count: job.count - skipped - count }];
}

/** What the items of all jobs together have to continue. */
function followsOf(jobs: readonly Job[]): Follows | undefined {
  if (jobs.every(({ follows }) => follows === undefined)) return undefined;
  const all = new Map<number, string>();
  let from = 0;
  for (const { items, follows } of jobs) {
    for (const [index, chain] of follows ?? []) all.set(from + index, chain);
    from += items.length;
  }
  return all;
}
