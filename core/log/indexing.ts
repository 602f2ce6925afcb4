/** Keeps the index close behind the log, out of the way of those who write, and lets one search at a time. */
import { Reject } from "../errors.ts";
import { Gate } from "../gate.ts";
import type { Cancel, Time } from "../time.ts";
import type { Found, Query, Search } from "./search.ts";
import type { StoreThread } from "./thread.ts";

/** Envelopes that are worth waking the thread for, some 30 ms: whoever searches before has them taken in at once. */
const WORTH_A_RUN = 1_000;
/** Those that come close upon another are one run's. */
const SOON_MS = 1_000;
/** After a start, which has more to do, and after a failure. */
const LATER_MS = 10_000;
/** Envelopes, some 5 ms. */
const SLICE = 250;
/** Envelopes a second from which on the node has better to do than this. */
const BUSY = 500;
/** How long the thread rests for the time that it worked. */
const REST = 3;
const REST_WHILE_BUSY = 19;
const LONGEST_REST_MS = 1_000;
/** A thread is 10 MB: it ends where nobody needed it for so long. */
const IDLE_MS = 30_000;
/** Searches at once: one thread does them all. */
const SEARCHES = { atOnce: 1, waiting: 64 };

export type SearchCaller = Pick<StoreThread<Search>, "call" | "close" | "hasEnded">;

export class Indexing {
  readonly #open: () => Promise<SearchCaller>;
  readonly #time: Time;
  readonly #gate = new Gate(SEARCHES);
  #thread: Promise<SearchCaller> | undefined;
  #ending: Promise<unknown> = Promise.resolve();
  #uses = 0;
  #stopIdling: Cancel = () => {};
  #due: Cancel | undefined;
  #run: Promise<void> | undefined;
  #wake = () => {};
  #isAsked = false;
  #isClosing = false;
  #isFailing = false;
  /** Something that was erased may be in the files: by this run, or perhaps by the one before. */
  #isDirty: boolean;
  #hasErased = false;
  #committed = 0;
  /** Envelopes that are not in the index yet, as far as this side knows. */
  behind = 0;

  /** Called with why messages are not taken in, until they are again. */
  failed: (error: unknown) => void = () => {};

  /** `open` starts the thread, when there is something to do for it. `pos` is the last commit there is. */
  constructor(open: () => Promise<SearchCaller>, time: Time, pos: number) {
    this.#open = open;
    this.#time = time;
    this.#isDirty = pos > 0;
    if (pos > 0) this.#ask(LATER_MS);
  }

  /** Searches that are under way, or wait. */
  get searches(): number {
    return this.#gate.size;
  }

  /** So many envelopes were committed. */
  committed(envelopes: number, erases: boolean): void {
    this.#committed += envelopes;
    this.behind += envelopes;
    this.#isDirty ||= erases;
    this.#hasErased ||= erases;
    if (erases) this.#ask(0);
    else if (this.behind >= WORTH_A_RUN) this.#ask(SOON_MS);
  }

  /** Rejects with `Reject` where there is nothing to look for, too many are searching, or the disk fails. */
  search(query: Query): Promise<Found> {
    return this.#gate.pass(async () => {
      const found = await this.#use(thread => thread.call("search", query));
      this.behind = found.behind;
      if (found.behind > 0) this.#ask(0);
      return found;
    });
  }

  /** Resolves when nothing that was erased before is left in its files; false where that could not be done. */
  async scrub(): Promise<boolean> {
    return this.#use(thread => this.#scrubOn(thread));
  }

  async #scrubOn(thread: SearchCaller): Promise<boolean> {
    this.#isDirty = false;
    let done = false;
    try {
      done = (await thread.call("scrub")).done;
    } finally {
      this.#isDirty ||= !done;
    }
    return done;
  }

  #ask(delayMs: number): void {
    if (this.#isClosing || (this.#due && delayMs > 0)) return;
    this.#due?.();
    this.#due = this.#time.after(delayMs, () => {
      this.#due = undefined;
      this.#isAsked = true;
      this.#run ??= this.#catchUp().finally(() => {
        this.#run = undefined;
      });
    });
  }

  async #catchUp(): Promise<void> {
    try {
      while (this.#isAsked && !this.#isClosing) {
        this.#isAsked = false;
        await this.#takeAll();
      }
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && !this.#isClosing) this.failed(error);
      this.#isFailing = true;
      this.#ask(LATER_MS);
    }
  }

  async #takeAll(): Promise<void> {
    let [since, before] = [this.#time.elapsed(), this.#committed];
    while (!this.#isClosing) {
      const from = this.#time.elapsed();
      // Nobody finds what was erased, but its words are in the file until then.
      if (this.#isDirty) await this.scrub();
      const { left } = await this.#use(thread => thread.call("index", SLICE));
      this.behind = left;
      if (left === 0) return;
      const now = this.#time.elapsed();
      const perSecond = ((this.#committed - before) / Math.max(now - since, 1)) * 1_000;
      [since, before] = [now, this.#committed];
      const restMs = (now - from) * (perSecond > BUSY ? REST_WHILE_BUSY : REST);
      if (!this.#isClosing) await this.#rest(Math.min(restMs, LONGEST_REST_MS));
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.#time.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async #use<Result>(work: (thread: SearchCaller) => Promise<Result>): Promise<Result> {
    if (this.#isClosing) throw new Reject("stopping");
    this.#stopIdling();
    this.#uses++;
    try {
      return await work(await this.#running());
    } finally {
      if (--this.#uses === 0 && !this.#isClosing) this.#stopIdling = this.#time.after(IDLE_MS, () => void this.#end());
    }
  }

  /** The thread, started where there is none; one that has ended is no reason to be without a search for good. */
  async #running(): Promise<SearchCaller> {
    const known = this.#start();
    const thread = await known;
    if (!thread.hasEnded || this.#isClosing) return thread;
    if (this.#thread === known) this.#thread = undefined;
    return this.#start();
  }

  #start(): Promise<SearchCaller> {
    if (this.#thread) return this.#thread;
    const started = this.#open();
    this.#thread = started;
    started.catch(() => {
      if (this.#thread === started) this.#thread = undefined;
    });
    return started;
  }

  #end(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    // Where it could not even be opened, there is nothing to close.
    const ended = (thread ?? Promise.resolve(undefined)).then(thread => thread?.close()).catch(() => {});
    this.#ending = Promise.all([this.#ending, ended]);
    return ended;
  }

  /** Ends what is under way, leaves nothing in the files of what was erased as far as that can be done, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#due?.();
    this.#stopIdling();
    this.#wake();
    await this.#run;
    if (this.#isDirty && this.#hasErased)
      await this.#running()
        .then(thread => this.#scrubOn(thread))
        .catch(() => {});
    await this.#end();
    await this.#ending;
  }
}
