/** `web-chat backup`: a copy of the database, to start a node on. */
import { backUp } from "../log/backup.ts";
import { findDatabase, noDatabase, type Place } from "./administer.ts";

/**
 * Resolves with the size of the copy in bytes, when it is on disk. Throws `Reject`.
 *
 * The command does it itself, whether a node runs or not: a node under systemd may write to its own folder only, and the
 * copy shall belong to whoever asked for it. SQLite lets another process read while the node writes, and who may reach the
 * control socket may read the database as well.
 */
export async function backUpTo(folder: string, place: Place): Promise<number> {
  const dataDir = await findDatabase(place);
  if (dataDir === undefined) throw noDatabase(place);
  return backUp(dataDir, folder);
}
