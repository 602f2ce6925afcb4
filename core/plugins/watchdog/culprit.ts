/** Whose code it is that keeps the main thread. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { folderOfType } from "../folders.ts";
import { readMap, sourceAt } from "../sources.ts";
import { CALL, LOADING } from "./marks.ts";
import type { Frame } from "./pause.ts";

/** What runs there. */
export type Culprit = {
  /** The plugin folder; undefined where it is a built-in type. */
  readonly folder?: string | undefined;
  readonly type?: string | undefined;
  readonly hook?: string | undefined;
  /** In the plugin's own sources: `server.ts:12`. */
  readonly where?: string | undefined;
  readonly function?: string | undefined;
};

export type Known = {
  readonly folders: readonly string[];
  readonly compiled: string;
  readonly hooks: readonly string[];
  readonly types: readonly string[];
};

const COMPILED = /^(.+)-[^-]+\.mjs$/;

/** Undefined where nothing points to a plugin: the node itself may have much to do. */
export function culpritOf(marks: Int32Array, frames: readonly Frame[], known: Known): Culprit | undefined {
  const called = callOf(Atomics.load(marks, CALL), known);
  const own = frames.flatMap(frame => ownFrame(frame, known) ?? []);
  // The innermost is the place, but many a function has no name of its own.
  const found = own[0] && { ...own.find(({ function: name }) => name), ...own[0] };
  const dropped = called && known.folders.find(name => name === folderOfType(called.type));
  const folder = found?.folder ?? dropped ?? (called ? undefined : known.folders[Atomics.load(marks, LOADING) - 1]);
  return folder === undefined && !called ? undefined : { ...called, ...found, folder };
}

/** One line for people. */
export function wordsFor({ folder, type, hook, where }: Culprit): string {
  const whole = type === undefined ? `“${folder}” never came to an end` : `“${type}” never returned from ${hook}`;
  return where === undefined ? whole : `${whole} (${where})`;
}

/** What a number among the marks stands for. */
export function callOf(
  call: number,
  { types, hooks }: Pick<Known, "types" | "hooks">,
): { type: string; hook: string } | undefined {
  const type = types[Math.floor((call - 1) / hooks.length)];
  const hook = hooks[(call - 1) % hooks.length];
  return call > 0 && type !== undefined && hook !== undefined ? { type, hook } : undefined;
}

/** What a frame says, where it is one of a plugin folder. */
function ownFrame({ name, url, line, column }: Frame, { folders, compiled }: Known): Culprit | undefined {
  if (!url.startsWith(`${pathToFileURL(compiled).href}/`)) return undefined;
  const path = fileURLToPath(url);
  const folder = COMPILED.exec(basename(path))?.[1];
  if (folder === undefined || !folders.includes(folder)) return undefined;
  return { folder, where: placeIn(path, line, column), ...(name && { function: name }) };
}

function placeIn(path: string, line: number, column: number): string | undefined {
  try {
    const map = readMap(readFileSync(`${path}.map`, "utf8"));
    return map && sourceAt(map, line + 1, column + 1);
  } catch {
    return undefined;
  }
}
