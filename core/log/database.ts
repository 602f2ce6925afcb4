/** A SQLite file: opened with its settings, brought to this program's version, its errors in words for people. */
import { DatabaseSync } from "node:sqlite";
import { Reject } from "../errors.ts";
import { MIGRATIONS } from "./schema.ts";

/** How long a connection waits for another one's lock. */
export const BUSY_MS = 5_000;

/** `read` and `search` beside a writer, whose write-ahead log it may move into the database; `copy` leaves the file as it is, of whichever version. */
export type Access = "write" | "read" | "search" | "copy";

/** SQLite moves its write-ahead log itself, within a commit, where nothing else has until it has so many pages: 16 MB. */
const BACKSTOP_PAGES = 4_000;

/** Throws `Reject` where the file is damaged, newer than this program, or not usable. */
export function openDatabase(path: string, access: Access = "write"): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: access === "copy" });
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY`);
    if (access === "read" || access === "search") db.exec("PRAGMA query_only = ON");
    if (access === "write") {
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
      db.exec(`PRAGMA wal_autocheckpoint = ${BACKSTOP_PAGES}`);
      migrate(db);
    }
    return db;
  } catch (error) {
    db?.close();
    throw explain(error, path);
  }
}

function migrate(db: DatabaseSync): void {
  const version = db.prepare("PRAGMA user_version").get()?.user_version as number;
  if (version > MIGRATIONS.length)
    throw new Reject(
      "database-newer",
      `the database has version ${version}, this program knows ${MIGRATIONS.length}: run a newer web-chat on it`,
    );
  for (const [step, sql] of MIGRATIONS.entries()) {
    if (step < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${step + 1}; COMMIT`);
  }
}

// https://www.sqlite.org/rescode.html
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_CANTOPEN = 14;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What went wrong in SQLite, as a `Reject` in words for people. */
export function explain(error: unknown, path = "the database"): Reject {
  if (error instanceof Reject) return error;
  const { errcode, message } = error as { errcode?: number; message: string };
  const primary = errcode === undefined ? undefined : errcode & 0xff;
  if (primary === SQLITE_FULL) return new Reject("no-space");
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB)
    return new Reject(
      "database-corrupt",
      `${path} is damaged (${message}): restore a backup, or move it away and let the other nodes fill a new one`,
    );
  if (primary === SQLITE_CANTOPEN || primary === SQLITE_READONLY)
    return new Reject("data-dir", `${path} cannot be written (${message}): set DATA_DIR to a folder that can`);
  if (primary === SQLITE_IOERR) return new Reject("storage-failed", `the disk failed (${message}); nothing was stored`);
  return new Reject("storage-failed", message);
}
