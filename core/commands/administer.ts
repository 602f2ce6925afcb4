/** Reaches what a command is to work on: the node that runs on a data directory, or the database itself where none does. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Administration, LogAdministration } from "../administration.ts";
import { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import { RemoteAdministration } from "../control/client.ts";
import { Reject } from "../errors.ts";
import { Log } from "../log/log.ts";

export type Place = Pick<Config, "dataDir" | "name">;

/**
 * Calls `work` with the administration of what the settings name, and closes it. `mayMake`: where there is no database, one
 * is made. Throws `Reject` where a node runs and cannot be reached, or nothing is there.
 */
export async function administer<Result>(
  { dataDir, name }: Place,
  work: (administration: Administration) => Promise<Result>,
  { mayMake = false } = {},
): Promise<Result> {
  const isThere = await hasDatabase(dataDir);
  if (!isThere && !mayMake) throw new Reject("data-dir", `${dataDir} holds no database: set PORT or DATA_DIR`);
  const remote = isThere ? await RemoteAdministration.open(dataDir) : undefined;
  const administration = remote ?? (await openLog(dataDir, name));
  try {
    return await work(administration);
  } finally {
    await administration.close();
  }
}

/** Throws `Reject` where this user may not know. */
export async function hasDatabase(dataDir: string): Promise<boolean> {
  try {
    return (await stat(join(dataDir, "log.db"))).isFile();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    if (code === "EACCES") throw new Reject("not-allowed", `${dataDir} belongs to another user: run this as that one`);
    throw new Reject("data-dir", `${dataDir} cannot be read (${message}): set DATA_DIR`);
  }
}

async function openLog(dataDir: string, name: string): Promise<Administration> {
  const log = await Log.open(dataDir).catch((error: unknown) => {
    if (!(error instanceof Reject) || error.code !== "data-dir-busy") throw error;
    throw new Reject("unreachable", `${dataDir} is in use, by a node without a control socket or another command`);
  });
  return new LogAdministration(log, new Clock(Date.now, await log.lastHlc()), name);
}
