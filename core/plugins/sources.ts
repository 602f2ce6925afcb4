/** Where something is in the sources of a plugin: by the maps that compiling it left beside its module, or by how it is written. */
import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Frame } from "./watchdog/pause.ts";

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

/**
 * The same of an error that a built-in plugin threw: `plugins/text/server.ts:12`, the first of its frames. No path of this machine
 * stands in it.
 */
export function builtInPlace(error: unknown): string | undefined {
  try {
    const { stack } = error as Error;
    // What the core has in a folder of that name is no plugin.
    const [, path, line] =
      /(?<!\bcore)[/\\](plugins\/[^/\s:()]+\/[^\s:()]+\.tsx?):(\d+):\d+\)?$/m.exec(stack ?? "") ?? [];
    return path === undefined ? undefined : `${path}:${line}`;
  } catch {
    return undefined;
  }
}

/** The first that is in the plugin's own files, or else in its packages. */
export function nearest(places: readonly (string | undefined)[]): string | undefined {
  return places.find(place => place && !place.includes("node_modules/")) ?? places.find(place => place);
}

/** The same of a line and a column, both beginning with 1, in the module of that URL. Can be called in any thread. */
function placeAt(url: string, line: number, column: number): string | undefined {
  if (!MODULE.test(url)) return undefined;
  try {
    const map = readMap(readFileSync(`${fileURLToPath(url)}.map`, "utf8"));
    return map && sourceAt(map, line, column);
  } catch {
    return undefined;
  }
}

/** A source map out of its text; undefined where it is none. */
export function readMap(text: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(text) as SourceMapPayload);
  } catch {
    return undefined;
  }
}

/** The source and the line that a line and a column come from, both beginning with 1. */
export function sourceAt(map: SourceMap, line: number, column: number): string | undefined {
  const entry = map.findEntry(line - 1, column - 1);
  if (!("originalSource" in entry) || entry.originalSource.startsWith("contract:")) return undefined;
  return `${entry.originalSource}:${entry.originalLine + 1}`;
}

/** The name of the plugin folder that the module of that URL was made of; undefined for other modules. */
function folderAt(url: string): string | undefined {
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

export type Place = {
  /** Within the plugin folder; "" is the folder itself. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
};

/** Where the first of the patterns is found that is in one of these files; the beginning of the first file where none is. */
export function placeIn(folder: string, files: readonly string[], ...patterns: readonly RegExp[]): Place {
  const texts = files.map(file => ({ file, text: read(join(folder, file)) }));
  const [first] = texts;
  const beginning = { file: first?.file ?? "", ...(first?.text !== undefined && { line: 1 }) };
  return patterns.flatMap(pattern => placesIn(folder, files, pattern))[0] ?? beginning;
}

/** Wherever the pattern is found in these files. */
export function placesIn(folder: string, files: readonly string[], pattern: RegExp): Place[] {
  return files.flatMap(file => {
    const text = read(join(folder, file)) ?? "";
    return [...text.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(({ index }) => {
      const before = text.slice(0, index).split("\n");
      return { file, line: before.length, column: (before.at(-1) ?? "").length + 1 };
    });
  });
}

/** As the log says it: `server.ts:12`. */
export function whereOf({ file, line }: { file?: string; line?: number }): string | undefined {
  return file === undefined || line === undefined ? file : `${file}:${line}`;
}

/** The same, read; `otherwise` where there is none. */
export function placeAs(where: string | undefined, otherwise: Place): Place {
  if (where === undefined) return otherwise;
  const [file = "", line] = where.split(/:(?=\d+$)/);
  return { file, ...(line !== undefined && { line: Number(line) }) };
}

/** A text as a regular expression that finds it. */
export function escaped(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
