/** `web-chat backup`: a copy of the database and its blobs, to start a node on. */
import { join } from "node:path";
import { copyBlobs } from "../blobs/copy.ts";
import { backUp } from "../log/backup.ts";
import { findDatabase, noDatabase, type Place } from "./administer.ts";

/**
 * Resolves with the sizes of the copies in bytes, when they are on disk. Throws `Reject`. Blobs that the folder holds already,
 * from a backup before this one, are not copied again.
 *
 * The command does it itself, whether a node runs or not: a node under systemd may write to its own folder only, and the
 * copy shall belong to whoever asked for it. SQLite lets another process read while the node writes, and who may reach the
 * control socket may read the database as well.
 */
export async function backUpTo(folder: string, place: Place): Promise<{ log: number; blobs: number }> {
  const dataDir = await findDatabase(place);
  if (dataDir === undefined) throw noDatabase(place);
  let blobs = 0;
  const log = await backUp(dataDir, folder, async () => {
    blobs = await copyBlobs(join(dataDir, "blobs"), join(folder, "blobs"));
  });
  return { log, blobs };
}
