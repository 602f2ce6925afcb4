/** Where something is in the sources of a plugin, by the maps that compiling it left beside its module. */
import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Frame } from "./pause.ts";

const MODULE = /file:\/\/\S*?\/cache\/plugins\/[^\s/:()]+\.mjs/;
const FRAME = new RegExp(`(${MODULE.source}):(\\d+):(\\d+)`, "g");

/** Such as `server.ts:12`, of the innermost frame in the plugin's own files, or else in its packages; undefined where none is. */
export function placeOf(error: unknown): string | undefined {
  return nearest(stackOf(error).map(({ url, line, column }) => placeAt(url, line, column)));
}

/** The same of frames of a halted thread. */
export function innermost(frames: readonly Frame[]): string | undefined {
  return nearest(frames.map(({ url, line, column }) => placeAt(url, line + 1, column + 1)));
}

function nearest(places: readonly (string | undefined)[]): string | undefined {
  return places.find(place => place && !place.includes("node_modules/")) ?? places.find(place => place);
}

/** The same of a line and a column, both beginning with 1, in the module of that URL. Can be called in any thread. */
export function placeAt(url: string, line: number, column: number): string | undefined {
  if (!MODULE.test(url)) return undefined;
  try {
    return placeByMap(readFileSync(`${fileURLToPath(url)}.map`, "utf8"), line, column);
  } catch {
    return undefined;
  }
}

/** The same by a source map, or by its text. */
export function placeByMap(map: SourceMap | string, line: number, column: number): string | undefined {
  try {
    const entry = (typeof map === "string" ? readMap(map) : map).findEntry(line - 1, column - 1);
    if (!("originalSource" in entry) || entry.originalSource.startsWith("contract:")) return undefined;
    return `${entry.originalSource}:${entry.originalLine + 1}`;
  } catch {
    return undefined;
  }
}

/** Throws where it is none. A large one takes 200 ms. */
export function readMap(text: string): SourceMap {
  return new SourceMap(JSON.parse(text) as SourceMapPayload);
}

/** The name of the plugin folder that the module of that URL was made of; undefined for other modules. */
export function folderAt(url: string): string | undefined {
  return MODULE.test(url) ? basename(url).replace(/-[^-]+\.mjs$/, "") : undefined;
}

/** The name of the plugin folder that an error was thrown in; undefined where no frame is a plugin's. */
export function folderOf(error: unknown): string | undefined {
  return stackOf(error)
    .map(({ url }) => folderAt(url))
    .find(folder => folder);
}

const MAX_CAUSES = 8;

/** The frames that are plugins', innermost first, those of the cause before. What was thrown may be anything, also a trap. */
function stackOf(error: unknown, depth = 0): { url: string; line: number; column: number }[] {
  try {
    if (depth > MAX_CAUSES || !(error instanceof Error)) return [];
    const own = [...String(error.stack).matchAll(FRAME)].map(([, url = "", line, column]) => ({
      url,
      line: Number(line),
      column: Number(column),
    }));
    return [...stackOf(error.cause, depth + 1), ...own];
  } catch {
    return [];
  }
}
