/**
 * Searches the log by the words of its messages. What is committed is taken into the index afterwards, so that nobody who writes
 * waits for it, and on a thread of its own, so that nobody who reads does.
 */
import { dirname, join } from "node:path";
import { frameBytes } from "../envelope.ts";
import { Reject } from "../errors.ts";
import { explain, openDatabase } from "./database.ts";
import { Damage, Entries } from "./entries.ts";
import { byKey, COUNTS, MAX_PAGE_BYTES, type Place, Reads, type Stored, takeUpTo } from "./reads.ts";
import { matchOf, wordsOf } from "./words.ts";

/** What is asked for, in all rooms where none is named; what is found is older than `before`, a key or an id. */
export type Query = { text: string; room?: string | undefined; before?: string | undefined; limit: number };
/** Oldest first. `older` says that there is more before the first; `behind` counts envelopes that were not looked at yet. */
export type Found = { envelopes: Stored[]; older: boolean; behind: number };

/** Envelopes that whoever searches waits for, and characters of theirs: some 100 ms. */
const CATCH_UP = 4_000;
const MAX_TAKEN = 1_000_000;

type Taken = Pick<Stored, "pos" | "room" | "hlc" | "role" | "alt" | "ref" | "author">;
type Erasure = { ref: string; author: string };

export class Search extends Reads {
  readonly #path: string;
  #entries: Entries | undefined;
  /** The words of what was erased since the last scrub. */
  readonly #removed = new Set<string>();

  /** `path` is the log's. Throws `Reject` where it cannot be read. */
  constructor(path: string) {
    super(openDatabase(path, "search"));
    this.#path = join(dirname(path), "search.db");
  }

  override close(): void {
    try {
      this.#entries?.close();
    } finally {
      super.close();
    }
  }

  /** Takes in at most so many envelopes, in one transaction; returns how many are left. Throws `Reject` as disks do. */
  index(maxCount: number): { left: number } {
    return { left: this.#mending(entries => this.#left(this.#take(entries, maxCount))) };
  }

  /** Leaves nothing in the files of what was erased before; not `done` where somebody reads them. */
  scrub(): { done: boolean } {
    return this.#mending(entries => {
      const { pos } = this.#standing(entries);
      // What erases may stand far behind what is taken in so far.
      const sql = `SELECT ref, author FROM log INDEXED BY log_erasures WHERE role = 'erase' AND ref IS NOT NULL AND pos > ?`;
      const pending = this.all(sql, pos) as Erasure[];
      entries.transact(() => {
        for (const erasure of pending) this.#erase(entries, erasure);
      });
      if (entries.names(this.#removed)) throw new Damage("it names what was erased");
      this.#removed.clear();
      return { done: entries.checkpoint() };
    });
  }

  /** The newest rows that have all of the words. Throws `Reject` where there are none to look for, or no such place. */
  search({ text, room, before, limit }: Query): Found {
    const match = matchOf(text);
    if (match === undefined) throw new Reject("invalid", "there is no word to search for");
    const place = before === undefined ? undefined : this.placeOf(before);
    if (before !== undefined && !place) throw new Reject("not-found", "no message has that key or id");
    return this.#mending(entries => {
      const reached = this.#takeAsFarAsCan(entries);
      return { ...this.#find(entries, match, room, place, limit), behind: this.#left(reached) };
    });
  }

  #left(reached: number): number {
    return Math.max(0, this.lastPos() - reached);
  }

  /** Where the disk takes no more, what is in the index is found all the same. */
  #takeAsFarAsCan(entries: Entries): number {
    try {
      return this.#take(entries, CATCH_UP);
    } catch (error) {
      if (error instanceof Damage) throw error;
      return entries.reached().pos;
    }
  }

  #find(
    entries: Entries,
    match: string,
    room: string | undefined,
    before: Place | undefined,
    limit: number,
  ): Omit<Found, "behind"> {
    const found: Stored[] = [];
    for (const pos of entries.matching(match, room, before?.hlc ?? Number.MAX_SAFE_INTEGER)) {
      const [row] = this.stored(`WHERE pos = ? AND role = 'row' AND alt IS NOT NULL AND ${COUNTS}`, pos);
      if (!row || (before && byKey(row, before) >= 0)) continue;
      // Among those of one time the order is of chance.
      if (found.length > limit && row.hlc !== found.at(-1)?.hlc) break;
      found.push(row);
    }
    const newest = found.sort((a, b) => byKey(b, a)).slice(0, limit);
    const page = takeUpTo(MAX_PAGE_BYTES, newest, row => row, frameBytes);
    return { envelopes: page.reverse(), older: page.length < found.length };
  }

  /** Returns how far the index goes then. */
  #take(entries: Entries, maxCount: number): number {
    const { pos } = this.#standing(entries);
    const sql = "SELECT pos, room, hlc, role, alt, ref, author FROM log WHERE pos > ? ORDER BY pos LIMIT ?";
    const rows = this.prepare(sql).iterate(pos, maxCount) as Iterable<Taken>;
    const taken = takeUpTo(
      MAX_TAKEN,
      rows,
      row => row,
      ({ alt }) => alt?.length ?? 0,
    );
    const last = taken.at(-1);
    if (!last) return pos;
    entries.transact(() => {
      for (const envelope of taken) {
        const { role, alt, ref, author } = envelope;
        if (role === "row" && alt !== null) entries.add(envelope, wordsOf(alt));
        if (role === "erase" && ref !== null) this.#erase(entries, { ref, author });
      }
      entries.reach({ pos: last.pos, footing: this.#footing(last.pos) });
    });
    return last.pos;
  }

  /** How far the index goes. Throws `Damage` where that is of another log than this one has become. */
  #standing(entries: Entries): { pos: number } {
    const { pos, footing } = entries.reached();
    if (pos > 0 && footing !== this.#footing(pos)) throw new Damage("it is of another log");
    return { pos };
  }

  /**
   * What stands there, since when, and which branches were cut off: different where the log was put back to an earlier state or
   * filled anew, and where envelopes are gone from it.
   */
  #footing(pos: number): string {
    const sql = "SELECT hex(chain) || ' ' || receivedAt AS footing FROM log WHERE pos = ?";
    return `${this.get(sql, pos)?.footing} ${this.setting("forks") ?? ""}`;
  }

  /** Removes what that author said under that id. */
  #erase(entries: Entries, { ref, author }: Erasure): void {
    const isGone = (pos: number) => !this.get("SELECT 1 FROM log WHERE pos = ? AND alt IS NOT NULL", pos);
    const times = this.all("SELECT DISTINCT hlc FROM log WHERE id = ? AND author = ?", ref, author);
    for (const { hlc } of times) for (const word of entries.remove(hlc as number, isGone)) this.#removed.add(word);
  }

  /** An index that is damaged, or of another log, is made anew: the log has all that was in it. */
  #mending<Result>(work: (entries: Entries) => Result): Result {
    try {
      try {
        return work(this.#opened());
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        this.#discard();
        return work(this.#opened());
      }
    } catch (error) {
      throw explain(error, this.#path);
    }
  }

  #opened(): Entries {
    this.#entries ??= Entries.open(this.#path);
    return this.#entries;
  }

  #discard(): void {
    const entries = this.#entries;
    this.#entries = undefined;
    this.#removed.clear();
    entries?.close();
    Entries.remove(this.#path);
  }
}
