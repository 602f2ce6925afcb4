/** Reaches what a command is to work on: the node that runs on a data directory, or the database itself where none does. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
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
  { dataDir: given, name }: Place,
  work: (administration: Administration) => Promise<Result>,
  { mayMake = false } = {},
): Promise<Result> {
  const dataDir = await findDatabase(given);
  if (dataDir === undefined && !mayMake) throw noDatabase(given);
  const remote = dataDir === undefined ? undefined : await RemoteAdministration.open(dataDir);
  const administration = remote ?? (await openLog(dataDir ?? given, name));
  try {
    return await work(administration);
  } finally {
    await administration.close();
  }
}

/**
 * The data directory that is meant; undefined where none there holds a database. Throws `Reject` where several do, or this
 * user may not know.
 */
export async function findDatabase(given: string): Promise<string | undefined> {
  if (basename(given) !== "*") return (await hasDatabase(given)) ? given : undefined;
  const siblings = (await readable(dirname(given), readdir(dirname(given)))) ?? [];
  const found: string[] = [];
  for (const name of siblings.filter(name => /^[1-9]\d*$/.test(name)).sort((a, b) => Number(a) - Number(b))) {
    const directory = join(dirname(given), name);
    if (await hasDatabase(directory)) found.push(directory);
  }
  if (found.length > 1)
    throw new Reject("data-dir", `${given} stands for several nodes: name one with --data-dir ${found[0]}`);
  return found[0];
}

export const noDatabase = (given: string) => new Reject("data-dir", `${given} holds no database: set PORT or DATA_DIR`);

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
  return new LogAdministration(log, new Clock(Date.now, await log.lastHlc()), name);
}
