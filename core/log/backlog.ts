/** Moves what the write-ahead log holds into the database: beside the writer, and only when it is worth it. */
import type { Cancel, Time } from "../time.ts";
import type { Caller } from "./log.ts";

/** Commits and envelopes after which it is worth it: the pages that most commits write again are then moved once. */
const WORTH_COMMITS = 300;
const WORTH_ENVELOPES = 4_000;
/** What is less than that is moved so often. */
const LITTLE_MS = 10_000;
const TICK_MS = 5_000;
/** What the writer adds meanwhile is left behind, and the file grows by it: from so many pages on, 4 MB, the writer moves it. */
const LARGE_PAGES = 1_000;
const SCRUB_WITHIN_MS = 5_000;
const SCRUB_AGAIN_MS = 50;

export type BacklogPorts = { writer: Pick<Caller, "call">; reader: Pick<Caller, "call">; time: Time };

export class Backlog {
  readonly #ports: BacklogPorts;
  readonly #stopTimer: Cancel;
  /** Since it was moved last. */
  #commits = 0;
  #envelopes = 0;
  #movedAt: number;
  #isMoving = false;
  /** Something may be left in it that was erased; true at first, for the run before this one. */
  #isDirty = true;

  constructor(ports: BacklogPorts) {
    this.#ports = ports;
    this.#movedAt = ports.time.elapsed();
    this.#stopTimer = ports.time.every(TICK_MS, () => void this.#tick());
  }

  /** A commit is done. */
  committed(envelopes: number, erases: boolean): void {
    this.#commits++;
    this.#envelopes += envelopes;
    this.#isDirty ||= erases;
    if (this.#commits >= WORTH_COMMITS || this.#envelopes >= WORTH_ENVELOPES) void this.#move();
  }

  async #tick(): Promise<void> {
    // After an erasure nothing of the erased text may stay behind in the write-ahead log either.
    if (this.#isDirty) {
      await this.#scrubOnce().catch(() => {});
      return;
    }
    const isDue = this.#ports.time.elapsed() - this.#movedAt >= LITTLE_MS;
    if (isDue && this.#commits > 0) await this.#move();
  }

  /** On the reader's thread, which stands in nobody's way who writes. */
  async #move(): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    [this.#commits, this.#envelopes] = [0, 0];
    this.#movedAt = this.#ports.time.elapsed();
    try {
      const { pages, moved } = await this.#ports.reader.call("checkpoint", "PASSIVE");
      // Only where all of it is moved, the file is written from its beginning again: no commit comes between on the writer.
      if (moved < pages && pages >= LARGE_PAGES) await this.#ports.writer.call("checkpoint", "PASSIVE");
    } catch {
      // The disk is full, say: commits tell of that, and SQLite tries by itself when the file is larger.
    } finally {
      this.#isMoving = false;
    }
  }

  /**
   * Resolves when nothing that was erased before is left in the files; false where a reader, such as a backup, stood in the
   * way for `SCRUB_WITHIN_MS`: it is done after that one.
   */
  async scrub(): Promise<boolean> {
    const { time } = this.#ports;
    const until = time.elapsed() + SCRUB_WITHIN_MS;
    do {
      if (await this.#scrubOnce()) return true;
      await new Promise<void>(resolve => time.after(SCRUB_AGAIN_MS, resolve));
    } while (time.elapsed() < until);
    return false;
  }

  /** On the writer: nobody may write meanwhile. */
  async #scrubOnce(): Promise<boolean> {
    this.#isDirty = false;
    let done = false;
    try {
      done = (await this.#ports.writer.call("checkpoint", "TRUNCATE")).done;
    } finally {
      this.#isDirty ||= !done;
    }
    return done;
  }

  stop(): void {
    this.#stopTimer();
  }

  /** The last thing before the files are closed, as far as it can be done. */
  async close(): Promise<void> {
    if (this.#isDirty) await this.#scrubOnce().catch(() => {});
  }
}
