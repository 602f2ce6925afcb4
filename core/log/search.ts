/**
 * Searches the log by the words of its messages. What is committed is taken into the index afterwards, so that nobody who writes
 * waits for it, and on a thread of its own, so that nobody who reads does.
 */
import { dirname, join } from "node:path";
import { frameBytes } from "../envelope.ts";
import { Reject } from "../errors.ts";
import { explain, openDatabase } from "./database.ts";
import { Entries, type Reached } from "./entries.ts";
import { byKey, COUNTS, MAX_PAGE_BYTES, type Place, Reads, type Stored, takeUpTo } from "./reads.ts";
import { matchOf, wordsOf } from "./words.ts";

/** What is asked for, in all rooms where none is named; what is found is older than `before`, a key or an id. */
export type Query = { text: string; room?: string | undefined; before?: string | undefined; limit: number };
/** Oldest first. `older` says that there is more before the first; `behind` counts envelopes that were not looked at yet. */
export type Found = { envelopes: Stored[]; older: boolean; behind: number };

/** Envelopes that whoever searches waits for, and characters of theirs: some 100 ms. */
const CATCH_UP = 4_000;
const MAX_TAKEN = 1_000_000;

type Taken = Pick<Stored, "pos" | "room" | "hlc" | "role" | "alt" | "ref" | "author"> & { chain: Uint8Array };

export class Search extends Reads {
  #entries: Entries;
  #reached: Reached;
  #isMended = false;

  /** `path` is the log's. Throws `Reject` where a file cannot be used. */
  constructor(path: string) {
    super(openDatabase(path, "search"));
    this.#entries = Entries.open(join(dirname(path), "search.db"));
    this.#reached = this.#entries.reached();
  }

  override close(): void {
    this.#entries.close();
    super.close();
  }

  /** Takes in at most so many envelopes, in one transaction; returns how many are left. Throws `Reject` as disks do. */
  index(maxCount: number): { left: number } {
    this.#mending(() => this.#take(maxCount));
    return { left: this.lastPos() - this.#reached.pos };
  }

  /** Leaves nothing in the files of what was erased before; not `done` where somebody reads them. */
  scrub(): { done: boolean } {
    // Where so much is left to be taken in, what erases may be the last of it.
    if (this.index(CATCH_UP).left > 0) this.#beginAnew();
    return { done: this.#entries.scrub() };
  }

  /** The newest rows that have all of the words. Throws `Reject` where there are none to look for, or no such place. */
  search({ text, room, before, limit }: Query): Found {
    const match = matchOf(text);
    if (match === undefined) throw new Reject("invalid", "there is no word to search for");
    const place = before === undefined ? undefined : this.placeOf(before);
    if (before !== undefined && !place) throw new Reject("not-found", "no message has that key or id");
    const page = this.#mending(() => {
      this.#takeAsFarAsCan();
      return this.#find(match, room, place, limit);
    });
    return { ...page, behind: this.lastPos() - this.#reached.pos };
  }

  /** Where the disk takes no more, what is in the index is found all the same. */
  #takeAsFarAsCan(): void {
    try {
      this.#take(CATCH_UP);
    } catch (error) {
      if (isDamage(error)) throw error;
    }
  }

  #find(match: string, room: string | undefined, before: Place | undefined, limit: number): Omit<Found, "behind"> {
    const found: Stored[] = [];
    for (const pos of this.#entries.matching(match, room, before?.hlc ?? Number.MAX_SAFE_INTEGER)) {
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

  #take(maxCount: number): void {
    const { pos, chain } = this.#reached;
    // The log was put back to an earlier state, or a branch of it cut off: its places are other envelopes' now.
    if (chain && Buffer.compare(chain, this.#chainAt(pos) ?? EMPTY) !== 0) this.#beginAnew();
    const sql = "SELECT pos, room, hlc, role, alt, ref, author, chain FROM log WHERE pos > ? ORDER BY pos LIMIT ?";
    const rows = this.prepare(sql).iterate(this.#reached.pos, maxCount) as Iterable<Taken>;
    const taken = takeUpTo(
      MAX_TAKEN,
      rows,
      row => row,
      ({ alt }) => alt?.length ?? 0,
    );
    const last = taken.at(-1);
    if (!last) return;
    this.#reached = this.#entries.reach(() => {
      for (const envelope of taken) {
        const { role, alt, ref, author } = envelope;
        if (role === "row" && alt !== null) this.#entries.add(envelope, wordsOf(alt));
        if (role === "erase" && ref !== null) this.#erase(ref, author);
      }
      return last;
    });
  }

  #chainAt(pos: number): Uint8Array | undefined {
    return this.get("SELECT chain FROM log WHERE pos = ?", pos)?.chain as Uint8Array | undefined;
  }

  /** What that author said under that id. What of a branch was written again elsewhere, and is gone here, has the same time. */
  #erase(id: string, author: string): void {
    const isGone = (pos: number) => !this.get("SELECT 1 FROM log WHERE pos = ? AND alt IS NOT NULL", pos);
    for (const { hlc } of this.all("SELECT DISTINCT hlc FROM log WHERE id = ? AND author = ?", id, author))
      this.#entries.remove(hlc as number, isGone);
  }

  /** A damaged index is made anew: the log has all that was in it. Once: it may be the log that is damaged. */
  #mending<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      if (this.#isMended || !isDamage(error)) throw explain(error);
      this.#isMended = true;
      this.#beginAnew();
      return work();
    }
  }

  #beginAnew(): void {
    this.#entries = this.#entries.anew();
    this.#reached = this.#entries.reached();
  }
}

function isDamage(error: unknown): boolean {
  return explain(error).code === "database-corrupt";
}

const EMPTY = new Uint8Array();
