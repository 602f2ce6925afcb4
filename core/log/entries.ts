/** The file that says which words stand in which messages: whatever is in it can be made again from the log. */
import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Reject } from "../errors.ts";
import { BUSY_MS, explain } from "./database.ts";
import { makeForOwner } from "./lock.ts";
import { Statements } from "./statements.ts";
import { MIN_BEGINNING } from "./words.ts";

/** Goes up when the tables change, or texts are cut into words in another way. */
const VERSION = 1;
/** As many entries may have the same time: ten bits of an entry's id. */
const SAME_TIME = 1_024;

/** `chain` is the running hash at the last envelope that was taken in. An id begins with the time: the newest are found first. */
const TABLES = `
  CREATE VIRTUAL TABLE entries USING fts5(words, room, pos UNINDEXED, tokenize = 'ascii', prefix = ${MIN_BEGINNING});
  INSERT INTO entries (entries, rank) VALUES ('secure-delete', 1);
  CREATE TABLE reached (pos INTEGER NOT NULL, chain BLOB) STRICT;
  INSERT INTO reached VALUES (0, NULL);
  PRAGMA user_version = ${VERSION};
`;
const OF_TIME = "rowid BETWEEN ? << 10 AND (? << 10) | 1023";

/** The last envelope, in the commit order of this node, that is taken in, and the running hash there. */
export type Reached = { pos: number; chain: Uint8Array | null };

export class Entries extends Statements {
  readonly #path: string;

  private constructor(path: string) {
    super(openFile(path));
    this.#path = path;
  }

  /** Opens the file, made anew where it is damaged or of another version. Throws `Reject` where that cannot be done. */
  static open(path: string): Entries {
    try {
      return new Entries(path);
    } catch (error) {
      if (explain(error).code !== "database-corrupt") throw explain(error, path);
      removeFile(path);
      return new Entries(path);
    }
  }

  /** Closes it for an empty one. */
  anew(): Entries {
    this.close();
    removeFile(this.#path);
    return Entries.open(this.#path);
  }

  reached(): Reached {
    return this.get("SELECT pos, chain FROM reached") as Reached;
  }

  /** In one transaction, at the end of which it has come as far as `work` returns. */
  reach(work: () => Reached): Reached {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      const reached = work();
      this.prepare("UPDATE reached SET pos = ?, chain = ?").run(reached.pos, reached.chain);
      this.db.exec("COMMIT");
      return reached;
    } catch (error) {
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
      throw error;
    }
  }

  add({ hlc, room, pos }: { hlc: number; room: string; pos: number }, words: string): void {
    const last = this.get(`SELECT max(rowid & 1023) AS last FROM entries WHERE ${OF_TIME}`, hlc, hlc)?.last;
    const at = typeof last === "number" ? last + 1 : 0;
    // Nobody comes to so many who does not forge times.
    if (at >= SAME_TIME) return;
    const sql = "INSERT INTO entries (rowid, words, room, pos) VALUES ((? << 10) | ?, ?, ?, ?)";
    this.prepare(sql).run(hlc, at, words, wordOf(room), pos);
  }

  /** Removes those entries of a time that `isGone` says it of, from the file as well. */
  remove(hlc: number, isGone: (pos: number) => boolean): void {
    for (const { at, pos } of this.all(`SELECT rowid & 1023 AS at, pos FROM entries WHERE ${OF_TIME}`, hlc, hlc))
      if (isGone(pos as number)) this.prepare("DELETE FROM entries WHERE rowid = (? << 10) | ?").run(hlc, at as number);
  }

  /** Where those stand in the log that match, of one room or of all, the newest first, none later than a time. */
  *matching(match: string, room: string | undefined, upTo: number): Generator<number> {
    const within = room === undefined ? "" : `room : "${wordOf(room)}" AND `;
    const sql = "SELECT pos FROM entries WHERE entries MATCH ? AND rowid <= (? << 10) | 1023 ORDER BY rowid DESC";
    for (const { pos } of this.prepare(sql).iterate(`${within}words : (${match})`, upTo)) yield pos as number;
  }

  /** Moves what the write-ahead log holds into the file, and leaves none of it behind. */
  scrub(): boolean {
    return this.get("PRAGMA wal_checkpoint(TRUNCATE)")?.busy === 0;
  }
}

/** An id as one word. */
function wordOf(room: string): string {
  return Buffer.from(room).toString("hex");
}

function openFile(path: string): DatabaseSync {
  makeForOwner(path);
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY`);
    // What a failure of power takes is made again.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON");
    const version = db.prepare("PRAGMA user_version").get()?.user_version;
    if (version === VERSION) return db;
    const isEmpty = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()?.tables === 0;
    if (!isEmpty) throw new Reject("database-corrupt", "another version");
    db.exec(`BEGIN IMMEDIATE; ${TABLES} COMMIT`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function removeFile(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
}
