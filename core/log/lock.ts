/** One node a data directory: the second one is refused, and a node that was killed leaves no lock behind. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sharedFolder } from "../datadir.ts";
import { Reject } from "../errors.ts";

export type Lock = { release(): void };

const SQLITE_BUSY = 5;
/** Nodes that can share a parent directory: more than a cluster has. */
const MAX_SIBLINGS = 64;

/**
 * Makes and holds a directory; of `parent/*` the first of `parent/1`, `parent/2`, … that no other node holds. Throws
 * `Reject` where there is none.
 */
export function claimDirectory(given: string): { directory: string; lock: Lock } {
  const shared = sharedFolder(given);
  if (shared === undefined) return { directory: given, lock: hold(given) };
  for (let number = 1; number <= MAX_SIBLINGS; number++) {
    const directory = join(shared, String(number));
    try {
      return { directory, lock: hold(directory) };
    } catch (error) {
      if (!(error instanceof Reject && error.code === "data-dir-busy")) throw error;
    }
  }
  throw new Reject("data-dir-busy", `other nodes run on all ${MAX_SIBLINGS} directories of ${given}: set DATA_DIR`);
}

function hold(directory: string): Lock {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Reject("data-dir", `${directory} cannot be made (${(error as Error).message}): set DATA_DIR`);
  }
  // SQLite's own file lock: the operating system drops it with the process, on every platform.
  let db: DatabaseSync | undefined;
  try {
    const path = join(directory, "lock");
    makeForOwner(path);
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

/**
 * Makes the file for its owner only, where there is none: its folder may be open to others. What SQLite puts beside a file
 * gets the file's mode, and what stands in the way of it SQLite says better.
 */
export function makeForOwner(path: string): void {
  try {
    closeSync(openSync(path, "ax", 0o600));
  } catch {}
}
