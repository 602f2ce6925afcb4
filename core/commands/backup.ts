/** `web-chat backup`: a copy of the database, to start a node on. */
import { Reject } from "../errors.ts";
import { backUp } from "../log/backup.ts";
import { hasDatabase, type Place } from "./administer.ts";

/**
 * Resolves with the size of the copy in bytes, when it is on disk. Throws `Reject`.
 *
 * The command does it itself, whether a node runs or not: a node under systemd may write to its own folder only, and the
 * copy shall belong to whoever asked for it. SQLite lets another process read while the node writes, and who may reach the
 * control socket may read the database as well.
 */
export async function backUpTo(folder: string, { dataDir }: Place): Promise<number> {
  if (!(await hasDatabase(dataDir))) throw new Reject("data-dir", `${dataDir} holds no database: set PORT or DATA_DIR`);
  return backUp(dataDir, folder);
}
