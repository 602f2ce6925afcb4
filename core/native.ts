/** The executable carries zeromq's native library and esbuild's program inside; the system takes both only from real files, written here. */
import { hash, randomUUID } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { isSea } from "node:sea";
import { brotliDecompressSync } from "node:zlib";
import { nameDistances } from "./bcj.ts";
import type { Config } from "./config.ts";
import { sharedFolder } from "./datadir.ts";
import { Reject } from "./errors.ts";

type Settings = Pick<Config, "nativeDir"> & { dataDir: string | undefined };

/** Where the executable holds it, beside the folder of this file. */
const EMBEDDED = join(import.meta.dirname, "../native");
/** Of a hash, what is enough in the names of unpacked files. */
const SHORT = 16;

let library: unknown;
let loadedFrom: string | undefined;
/** Of the node that runs; a command that needs no more than the compiler has none. */
let known: Settings = { nativeDir: undefined, dataDir: undefined };

/** In the executable, what zeromq gets in place of a library that it looks for by itself. */
export function nativeLibrary(): unknown {
  return library;
}

/** To be called before zeromq is imported; does nothing when run from source. Throws `Reject` where no folder will do. */
export function loadNative(settings: Settings): void {
  known = settings;
  if (!isSea()) return;
  ({ library, path: loadedFrom } = unpack(embedded("zeromq"), foldersFor(settings)));
}

/** In the executable, where esbuild's program was written to, once. Throws `Reject` where no folder will do. */
export function embeddedCompiler(): string | undefined {
  if (!isSea()) return undefined;
  return unpackProgram(embedded("esbuild"), foldersFor(known));
}

/** Removes what earlier versions left in the data directory; to be called by the node that holds it. */
export function removeLeftovers({ dataDir }: Pick<Config, "dataDir">): void {
  // Siblings of another version may be about to load theirs.
  if (loadedFrom === undefined || sharedFolder(dataDir) !== undefined) return;
  const folder = inDataDir(dataDir);
  const own = [basename(loadedFrom), programName(embedded("esbuild"))];
  try {
    for (const name of readdirSync(folder))
      if (/^(zeromq|esbuild)-/.test(name) && !own.includes(name)) rmSync(join(folder, name), { force: true });
  } catch {
    // There is no such folder, or Windows still holds a file in it: a later start may have more luck.
  }
}

/** Folders to try, in this order. */
export function foldersFor({ nativeDir, dataDir }: Settings, environment = process.env): string[] {
  const uid = process.getuid?.();
  const own = uid === undefined ? "web-chat" : `web-chat-${uid}`;
  // A folder of its own even there: what is named may be shared, and only a private one keeps a foreign library out.
  if (nativeDir !== undefined) return [join(resolve(nativeDir), own)];
  const caches = [environment.XDG_CACHE_HOME, join(home(), ".cache")].filter(path => path && isAbsolute(path));
  const cache = caches.slice(0, 1).map(path => join(path as string, "web-chat"));
  return [...(dataDir === undefined ? [] : [inDataDir(dataDir)]), ...cache, join(tmpdir(), own)];
}

/** Of a shared folder that itself: which directory in it this node takes is not known yet. */
const inDataDir = (dataDir: string) => join(resolve(sharedFolder(dataDir) ?? dataDir), "native");

function home(): string {
  try {
    return homedir();
  } catch {
    // A user without HOME and without an entry in the system's list of users.
    return "";
  }
}

/** The path of what the executable holds under a name that ends with its hash: so it is read only where it is written. */
function embedded(name: string): string {
  const file = readdirSync(EMBEDDED).find(file => file.startsWith(`${name}-`));
  if (file === undefined) throw new Error(`there is no ${name} in ${EMBEDDED}`);
  return join(EMBEDDED, file);
}

/** The SHA-256 that a file has in its name. */
function hashIn(path: string): string {
  return /-([0-9a-f]{64})\./.exec(basename(path))?.[1] as string;
}

/** Unpacks a program into the first of the folders where it can be run, unless it is there already. Returns its path. */
function unpackProgram(packed: string, folders: readonly string[]): string {
  let bytes: Buffer | undefined;
  return firstOf(folders, programName(packed), "the compiler cannot be unpacked", path => {
    // Written at once or not at all: what has that name is that.
    if (!isThere(path)) {
      bytes ??= unpackedProgram(packed);
      write(path, bytes, hash("sha256", bytes));
    }
    // A file system with noexec says no here.
    accessSync(path, constants.X_OK);
    return path;
  });
}

function unpackedProgram(packed: string): Buffer {
  const bytes = brotliDecompressSync(readFileSync(packed));
  if (process.arch === "x64") nameDistances(bytes);
  return bytes;
}

/** After what it is unpacked from, so that it is known without unpacking. */
function programName(packed: string): string {
  return `esbuild-${hashIn(packed).slice(0, SHORT)}${process.platform === "win32" ? ".exe" : ""}`;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Writes a library, named `zeromq-<SHA-256>.node`, into the first of the folders where that can be done, and loads it from there. */
export function unpack(packed: string, folders: readonly string[]): { library: unknown; path: string } {
  const sum = hashIn(packed);
  return firstOf(
    folders,
    `zeromq-${sum.slice(0, SHORT)}.node`,
    "the native library cannot be unpacked and loaded",
    path => {
      if (!holds(path, sum)) write(path, readFileSync(packed), sum);
      return { library: load(path), path };
    },
  );
}

/** What `take` returns for a file of that name in the first folder where it does not throw. */
function firstOf<Taken>(
  folders: readonly string[],
  name: string,
  failure: string,
  take: (path: string) => Taken,
): Taken {
  const failures: string[] = [];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      makePrivate(folder);
      return take(path);
    } catch (error) {
      failures.push(`${folder} (${reason(error as NodeJS.ErrnoException, path)})`);
    }
  }
  throw new Reject(
    "native-dir",
    `${failure}; tried ${failures.join(", ")}: set NATIVE_DIR to a folder that this user can write to, on a file system without noexec`,
  );
}

/** Whoever could write into the folder could have this process run whatever they like. */
function makePrivate(folder: string): void {
  // This runs before there is a data directory, and what is in that is nobody else's business either.
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  // Not stat: in a shared folder a link of that name may be anybody's.
  const stats = lstatSync(folder);
  if (!stats.isDirectory()) throw new Error("it is no folder");
  const uid = process.getuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid) throw new Error("it belongs to another user");
  if ((stats.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** Appears whole or not at all, so that nodes which start at the same moment may all write it. */
function write(path: string, bytes: Uint8Array, sum: string): void {
  const draft = `${path}.${randomUUID()}`;
  try {
    writeFileSync(draft, bytes, { flag: "wx", mode: 0o700 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    // Windows replaces no file that is in use: another node had it written by then.
    if (!holds(path, sum)) throw error;
  }
}

function holds(path: string, sum: string): boolean {
  try {
    return hash("sha256", readFileSync(path)) === sum;
  } catch {
    return false;
  }
}

function load(path: string): unknown {
  const module = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return module.exports;
}

const REASONS: Record<string, string> = {
  // What mkdir says of every folder on the way that it may not make.
  ENOENT: "it cannot be made",
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "part of the path is a file",
};

function reason({ code = "", message }: NodeJS.ErrnoException, path: string): string {
  if (message.includes("failed to map segment")) return "its file system is mounted noexec";
  // What the system's loader says has the path in front.
  return (REASONS[code] ?? message.replace(`${path}: `, "")).replace(/\p{Cc}+/gu, " ");
}
