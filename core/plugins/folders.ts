/** The plugin folders that lie in a folder: what each has, and what is in it. */
import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { distance } from "fastest-levenshtein";
import { Reject } from "../errors.ts";

export type PluginFolder = {
  /** Its types are named that, or that and more after a dot. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** It is being written: its next version takes the place of this one while the node runs. */
  readonly dev?: true;
};

export type Half = "message" | "server" | "client";

const HALVES: Readonly<Record<Half, readonly string[]>> = {
  message: [".ts", ".tsx", ".js", ".jsx"],
  server: [".ts", ".tsx", ".js", ".jsx"],
  client: [".tsx", ".ts", ".jsx", ".js"],
};
export const SETTINGS_FILE = "settings.json";
/** Further apart, the name of a file has nothing to do with that of a half. */
const MAX_TYPOS = 2;

/** The name of the plugin folder that a type belongs to, built in or not: `poll` of `poll.vote`. */
export function folderOfType(type: string): string {
  return type.split(".", 1)[0] as string;
}

/** Those with a message file, in the order of their names; none where there is no such folder. */
export function pluginFolders(directory: string): PluginFolder[] {
  return names(directory)
    .filter(name => !name.startsWith("."))
    .map(name => ({ name, path: resolve(directory, name) }))
    .filter(({ path }) => fileOf(path, "message") !== undefined);
}

/** Throws `Reject` where a folder of plugins that somebody named is none. */
export function assertFolder(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new Reject("config-invalid", `PLUGINS is “${path}”, and there is no such folder`);
  if ((["message", "server"] as const).some(half => fileOf(path, half) !== undefined))
    throw new Reject("config-invalid", `PLUGINS is “${path}”, which is a plugin itself: name the folder it lies in`);
}

/** The name of the file with that half of a plugin; undefined where it has none. */
export function fileOf(folder: string, half: Half): string | undefined {
  const there = names(folder);
  return HALVES[half].map(ending => half + ending).find(name => there.includes(name));
}

/** What may be that half under a name that is misspelt, such as `sever.ts`; with `has`, only where that is in it. */
export function lookalike(folder: string, half: Half, has?: RegExp): string | undefined {
  return names(folder).find(name => {
    const [, stem = "", ending = ""] = /^([\w-]+)(\.[jt]sx?)$/.exec(name) ?? [];
    if (!HALVES[half].includes(ending) || distance(stem.toLowerCase(), half) > MAX_TYPOS) return false;
    return has?.test(readFileSync(join(folder, name), "utf8")) ?? true;
  });
}

/** A hash of all that is in a plugin folder, without hidden files and packages. */
export function contentsOf(folder: string): string {
  const lines = filesBelow(folder).map(path => `${path} ${hash("sha256", readFileSync(join(folder, path)))}`);
  return hash("sha256", lines.join("\n"));
}

/** Paths within the folder, in an order that is the same everywhere. Links to folders are not followed: they may lead around. */
function filesBelow(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .filter(({ name }) => !name.startsWith(".") && name !== "node_modules")
    .flatMap(entry => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(folder, path);
      return statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() ? [path] : [];
    });
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
