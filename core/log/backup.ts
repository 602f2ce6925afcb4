/** A copy of a log's database as of one moment, whether or not a node is writing to it. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Reject } from "../errors.ts";
import { asFileError, writeWhole } from "../files.ts";
import { StoreThread } from "./thread.ts";

/**
 * Writes `log.db` into a folder, which is made if need be, and resolves with its size in bytes when it is on disk. It gets its
 * name there when `besides` is done, which copies what the log refers to. Throws `Reject` where the folder holds one already,
 * or cannot take one.
 */
export async function backUp(dataDir: string, folder: string, besides: () => Promise<void>): Promise<number> {
  const path = join(folder, "log.db");
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(error => {
    throw asFileError(error, folder);
  });
  await writeWhole(path, false, async partial => {
    // On a thread, so that a signal is heard meanwhile. Read only, and as it is: a database of an earlier version is not
    // brought to this one, since that is what one makes a backup before.
    const source = await StoreThread.open(join(dataDir, "log.db"), "copy");
    try {
      await source.call("copyTo", partial);
    } catch (error) {
      const full = error instanceof Reject && error.code === "no-space";
      throw full ? new Reject("no-space", `${folder}: the disk is full; no backup was made`) : error;
    } finally {
      await source.close();
    }
    // After the log: what it refers to was there before it.
    await besides();
  });
  return (await stat(path)).size;
}
