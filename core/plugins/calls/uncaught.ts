/** What plugins leave uncaught outside of any hook: in timers, promises and events of their own. It costs the plugin a fault, and not the node. */
import { AsyncLocalStorage } from "node:async_hooks";
import { writeSync } from "node:fs";
import { inspect } from "node:util";
import { folderOf } from "../sources.ts";

const running = new AsyncLocalStorage<string>();

/** Calls into a plugin folder's code: what that begins, and fails later without a frame of its own, is laid to it. */
export function runIn<Result>(folder: string, call: () => Result): Result {
  return running.run(folder, call);
}

/**
 * Tells `failed` of what plugins of these folders leave uncaught; all else ends the process as it does without this. Returns
 * what ends it.
 */
export function catchUncaught(
  folders: readonly string[],
  failed: (folder: string, error: unknown) => void,
): () => void {
  const caught = (error: unknown) => {
    const folder = folderToBlame(error, folders, running.getStore());
    if (folder === undefined) crash(error);
    else failed(folder, error);
  };
  process.on("uncaughtException", caught);
  return () => void process.off("uncaughtException", caught);
}

/**
 * The plugin folder that has to answer for an error that nobody caught: one of its frames is that folder's, or else all are
 * Node's own and what was begun while that folder's code ran brought it about. Undefined where it is the node's.
 */
export function folderToBlame(error: unknown, folders: readonly string[], running?: string): string | undefined {
  const folder = folderOf(error) ?? (hasOwnFrames(error) ? undefined : running);
  return folder !== undefined && folders.includes(folder) ? folder : undefined;
}

/** Whether a frame is of a file: the node's code, or a plugin's. Node's own have no path. */
function hasOwnFrames(error: unknown): boolean {
  try {
    return error instanceof Error && /^ {4}at (?!.*\(?node:)(?!.*<anonymous>\)?$)/m.test(String(error.stack));
  } catch {
    return false;
  }
}

/** As Node itself does, which leaves that to whoever listens. */
function crash(error: unknown): never {
  const text = error instanceof Error ? inspect(error) : `Uncaught:\n${inspect(error)}`;
  try {
    writeSync(2, `${text}\n\nNode.js ${process.version}\n`);
  } catch {
    // Nobody reads it.
  }
  process.exit(1);
}
