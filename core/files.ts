/** Files for people to keep: there whole, or not at all. */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Reject } from "./errors.ts";

/** Signals that end a command, and the numbers that its exit code is made of. */
const ENDING = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/**
 * Has `write` fill an empty file under another name, for its owner only, and gives it its name when it is on disk. Throws
 * `Reject` where that cannot be done; nothing is left behind then, nor by a signal.
 */
export async function writeWhole(path: string, force: boolean, write: (partial: string) => Promise<void>) {
  await assertFree(path, force);
  const partial = `${path}.${randomBytes(4).toString("hex")}.partial`;
  // Where it could not even be made, there is nothing to clear, and another error to tell of.
  const clear = () => rm(partial, { force: true }).catch(() => {});
  const ends = Object.entries(ENDING).map(([signal, number]) => {
    const end = () => void clear().finally(() => process.exit(128 + number));
    process.once(signal, end);
    return () => process.off(signal, end);
  });
  try {
    await (await open(partial, "wx", 0o600)).close();
    await write(partial);
    await flush(partial, "r+");
    await rename(partial, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await clear();
    throw asFileError(error, path);
  } finally {
    for (const end of ends) end();
  }
}

/** Throws `Reject` unless a file of that name may be made. */
async function assertFree(path: string, force: boolean): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there && !there.isFile()) throw new Reject("file-unusable", `${path} is there already, and is no file`);
  if (there && !force) throw new Reject("file-exists", `${path} is there already`);
}

async function flush(path: string, flags: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, flags);
    await handle.sync();
  } finally {
    await handle?.close();
  }
}

/** Resolves when the names in it are on disk. A folder cannot be opened on Windows, where a rename needs no such help. */
export async function flushFolder(path: string): Promise<void> {
  if (process.platform !== "win32") await flush(path, "r");
}

/** What the system refused to do with a file, as a `Reject` in words for people; any other error as it is. */
export function asFileError(error: unknown, path: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof Reject || typeof code !== "string") return error;
  if (code === "ENOSPC" || code === "EDQUOT") return new Reject("no-space", `${path}: the disk is full`);
  if (code === "EPIPE") return new Reject("file-unusable", `${path}: whoever read it has stopped reading`);
  return new Reject("file-unusable", `${path} cannot be used: ${message}`);
}
