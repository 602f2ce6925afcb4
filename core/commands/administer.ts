/** Reaches what a command is to work on: the node that runs on a data directory, or the database itself where none does. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Administration, LogAdministration } from "../administration.ts";
import { BlobFiles } from "../blobs/files.ts";
import { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import { RemoteAdministration } from "../control/client.ts";
import { sharedFolder } from "../datadir.ts";
import { Reject } from "../errors.ts";
import { Log } from "../log/log.ts";

export type Place = Pick<Config, "dataDir" | "name">;

/**
 * Calls `work` with the administration of what the settings name, and closes it. `mayMake`: where there is no database, one
 * is made. Throws `Reject` where a node runs and cannot be reached, or nothing is there.
 */
export async function administer<Result>(
  place: Place,
  work: (administration: Administration) => Promise<Result>,
  { mayMake = false } = {},
): Promise<Result> {
  const dataDir = await findDatabase(place);
  if (dataDir === undefined && !mayMake) throw noDatabase(place);
  const remote = dataDir === undefined ? undefined : await RemoteAdministration.open(dataDir);
  const administration = remote ?? (await openLog(dataDir ?? place.dataDir, place.name));
  try {
    return await work(administration);
  } finally {
    await administration.close();
  }
}

/**
 * The data directory that is meant; undefined where none there holds a database. Of `folder/*` it is the only one there, or
 * that of the running node which these settings name, as in a container. Throws `Reject` where that leaves several, or this
 * user may not know.
 */
export async function findDatabase({ dataDir: given, name }: Place): Promise<string | undefined> {
  const shared = sharedFolder(given);
  if (shared === undefined) return (await hasDatabase(given)) ? given : undefined;
  const siblings = (await readable(shared, readdir(shared))) ?? [];
  const numbered = siblings.filter(name => /^[1-9]\d*$/.test(name)).map(name => join(shared, name));
  const found = await keep(numbered, hasDatabase);
  const named = found.length > 1 ? await keep(found, async dataDir => (await runningNode(dataDir)) === name) : found;
  if (named.length === 1 || found.length === 0) return named[0];
  throw new Reject("data-dir", `${given} stands for several nodes: name one with --data-dir, such as ${found[0]}`);
}

async function keep(dataDirs: readonly string[], holds: (dataDir: string) => Promise<boolean>): Promise<string[]> {
  const kept = await Promise.all(dataDirs.map(holds));
  return dataDirs.filter((_, index) => kept[index]);
}

/** Its name; undefined where none runs. */
async function runningNode(dataDir: string): Promise<string | undefined> {
  const remote = await RemoteAdministration.open(dataDir);
  try {
    return (await remote?.standing())?.node.name;
  } finally {
    await remote?.close();
  }
}

export const noDatabase = ({ dataDir }: Place) =>
  new Reject("data-dir", `${dataDir} holds no database: set PORT or DATA_DIR`);

async function hasDatabase(dataDir: string): Promise<boolean> {
  return (await readable(dataDir, stat(join(dataDir, "log.db"))))?.isFile() ?? false;
}

/** What is there, or undefined; throws `Reject` where this user may not know. */
async function readable<Result>(dataDir: string, reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "EACCES") throw new Reject("not-allowed", `${dataDir} belongs to another user: run this as that one`);
    throw new Reject("data-dir", `${dataDir} cannot be read (${message}): set DATA_DIR`);
  }
}

async function openLog(dataDir: string, name: string): Promise<Administration> {
  const log = await Log.open(dataDir).catch((error: unknown) => {
    if (!(error instanceof Reject) || error.code !== "data-dir-busy") throw error;
    throw new Reject("unreachable", `${dataDir} is in use, by a node without a control socket or another command`);
  });
  try {
    const blobs = await BlobFiles.open(join(log.directory, "blobs"));
    return new LogAdministration(log, blobs, new Clock(Date.now, await log.lastHlc()), name);
  } catch (error) {
    // Its threads would keep the command from ending.
    await log.close();
    throw error;
  }
}
