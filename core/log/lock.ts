/** One node a data directory: the second one is refused, and a node that was killed leaves no lock behind. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Reject } from "../errors.ts";

export type Lock = { release(): void };

const SQLITE_BUSY = 5;

/** Holds the directory until released; throws `Reject` where another process holds it. */
export function lockDirectory(directory: string): Lock {
  // SQLite's own file lock: the operating system drops it with the process, on every platform.
  const path = join(directory, "lock");
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    const held = db;
    return { release: () => held.close() };
  } catch (error) {
    db?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new Reject("data-dir-busy", `another node runs on ${directory}: give this one its own PORT or DATA_DIR`);
    throw new Reject("data-dir", `${directory} cannot be written (${(error as Error).message}): set DATA_DIR`);
  }
}
