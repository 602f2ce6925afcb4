/** The file that says which words stand in which messages: whatever is in it can be made again from the log. */
import { rmSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { BUSY_MS, explain } from "./database.ts";
import { makeForOwner } from "./lock.ts";
import { Statements } from "./statements.ts";
import { MIN_BEGINNING } from "./words.ts";

/** Goes up when the tables change, or texts are cut into words in another way. */
const VERSION = 1;
/** As many entries may have the same time: ten bits of an entry's id. */
const SAME_TIME = 1_024;
/** Characters from which on a word tells something, and a part of one. */
const TELLING = { word: 4, part: 8 };

/**
 * An id begins with the time: the newest are found first. A room is a word of its own, since what is not indexed cannot be looked
 * for. `footing` says which log the index is of, and stands there once.
 */
const TABLES = `
  CREATE VIRTUAL TABLE entries USING fts5(words, room, pos UNINDEXED, tokenize = 'ascii', prefix = ${MIN_BEGINNING});
  INSERT INTO entries (entries, rank) VALUES ('secure-delete', 1);
  CREATE TABLE reached (id INTEGER PRIMARY KEY CHECK (id = 1), pos INTEGER NOT NULL, footing TEXT NOT NULL) STRICT;
  INSERT INTO reached VALUES (1, 0, '');
  PRAGMA user_version = ${VERSION};
`;
const OF_TIME = "rowid BETWEEN ? << 10 AND (? << 10) | 1023";

/** The last envelope, in the commit order of this node, that is taken in, and what it stands on. */
export type Reached = { pos: number; footing: string };

/** The file is not what it was left as: another one has to be made. */
export class Damage extends Error {}

export class Entries extends Statements {
  /** Opens the file, made where there is none. Throws `Damage`, and `Reject` where no file can be used there. */
  static open(path: string): Entries {
    makeForOwner(path);
    const db = sound(() => new DatabaseSync(path));
    try {
      sound(() => prepareFile(db));
      return new Entries(db);
    } catch (error) {
      db.close();
      throw error instanceof Damage ? error : explain(error, path);
    }
  }

  static remove(path: string): void {
    for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
  }

  protected override all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return sound(() => super.all(sql, ...values));
  }

  protected override get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return sound(() => super.get(sql, ...values));
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    sound(() => this.prepare(sql).run(...values));
  }

  reached(): Reached {
    const reached = this.get("SELECT pos, footing FROM reached");
    if (!reached) throw new Damage("it does not say how far it goes");
    return reached as Reached;
  }

  /** Does `work` in one transaction, or nothing. */
  transact<Result>(work: () => Result): Result {
    this.#run("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#run("COMMIT");
      return result;
    } catch (error) {
      if (this.db.isTransaction) this.#run("ROLLBACK");
      throw error;
    }
  }

  reach({ pos, footing }: Reached): void {
    this.#run("UPDATE reached SET pos = ?, footing = ?", pos, footing);
  }

  add({ hlc, room, pos }: { hlc: number; room: string; pos: number }, words: string): void {
    const last = this.get(`SELECT max(rowid & 1023) AS last FROM entries WHERE ${OF_TIME}`, hlc, hlc)?.last;
    const at = typeof last === "number" ? last + 1 : 0;
    // Nobody comes to so many who does not forge times.
    if (at >= SAME_TIME) return;
    const sql = "INSERT INTO entries (rowid, words, room, pos) VALUES ((? << 10) | ?, ?, ?, ?)";
    this.#run(sql, hlc, at, words, wordOf(room), pos);
  }

  /** Removes the entries of a time, where the log says of their places that nothing stands there, and returns their words. */
  remove(hlc: number, isGone: (pos: number) => boolean): string[] {
    const entries = this.all(`SELECT rowid & 1023 AS at, pos, words FROM entries WHERE ${OF_TIME}`, hlc, hlc);
    const gone = entries.filter(({ pos }) => isGone(pos as number));
    for (const { at } of gone) this.#run("DELETE FROM entries WHERE rowid = (? << 10) | ?", hlc, at as number);
    return gone.flatMap(({ words }) => (words as string).split(" "));
  }

  /**
   * Whether the file still names one of these words, which were removed: for each of its pages FTS5 keeps as much of the first
   * word as tells it from the one before, whatever becomes of that word.
   */
  names(words: Iterable<string>): boolean {
    const removed = new Set([...words].flatMap(word => [...beginningsOf(word)]));
    if (removed.size === 0) return false;
    const terms = this.all("SELECT CAST(substr(term, 2) AS TEXT) AS term FROM entries_idx WHERE term <> x''");
    return terms.some(({ term }) => removed.has(term as string) && !this.#has(term as string));
  }

  #has(beginning: string): boolean {
    return this.get("SELECT 1 FROM entries WHERE entries MATCH ? LIMIT 1", `words : "${beginning}"*`) !== undefined;
  }

  /** Where those stand in the log that match, of one room or of all, the newest first, none later than a time. */
  *matching(match: string, room: string | undefined, upTo: number): Generator<number> {
    const within = room === undefined ? "" : `room : "${wordOf(room)}" AND `;
    const sql = "SELECT pos FROM entries WHERE entries MATCH ? AND rowid <= (? << 10) | 1023 ORDER BY rowid DESC";
    const latest = Math.min(upTo, Number.MAX_SAFE_INTEGER);
    const rows = sound(() => this.prepare(sql).iterate(`${within}words : (${match})`, latest));
    try {
      for (let next = sound(() => rows.next()); !next.done; next = sound(() => rows.next()))
        yield next.value.pos as number;
    } finally {
      rows.return?.();
    }
  }

  /** Moves what the write-ahead log holds into the file, and leaves none of it behind; false where somebody reads it. */
  checkpoint(): boolean {
    return this.get("PRAGMA wal_checkpoint(TRUNCATE)")?.busy === 0;
  }
}

/** An id as one word. */
function wordOf(room: string): string {
  return Buffer.from(room).toString("hex");
}

function* beginningsOf(word: string): Generator<string> {
  if (word.length >= TELLING.word) yield word;
  for (let length = TELLING.part; length < word.length; length++) yield word.slice(0, length);
}

function prepareFile(db: DatabaseSync): void {
  db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY`);
  // What a failure of power takes is made again.
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON");
  const version = db.prepare("PRAGMA user_version").get()?.user_version;
  if (version === VERSION) return;
  const isEmpty = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()?.tables === 0;
  if (!isEmpty) throw new Damage("it is of another version");
  db.exec(`BEGIN IMMEDIATE; ${TABLES} COMMIT`);
}

// https://www.sqlite.org/rescode.html
const NO_DAMAGE: Record<number, string> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  7: "SQLITE_NOMEM",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
};

/** Throws `Damage` for what SQLite throws, unless it is the disk or the system that refused. */
function sound<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined || (errcode & 0xff) in NO_DAMAGE) throw error;
    throw new Damage((error as Error).message, { cause: error });
  }
}
