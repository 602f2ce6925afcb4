/**
 * The executable in a system with nothing else in it: Debian's smallest, read-only but for the folders that a test wants,
 * entered as a user without rights. All of it is mounted in a view of its own, which ends with the process.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, constants, copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { executable, noExecutable } from "./executable.ts";
import { temporaryDirectory } from "./node.ts";

/** Made by the set-up of `npm test`, with the folders on which something can be mounted. */
export const SYSTEM = join(import.meta.dirname, "../../node_modules/.cache/web-chat/bare");
/** No user of that id is in the system's list, and so none has a home. */
export const STRANGER = 4_242;
export const NOBODY = 65_534;

const ENTER = `
system=$1 user=$2
shift 2
mount --bind "$system" "$system"
while [ "$1" != -- ]; do
  mount --bind "$2" "$system$1"
  [ -z "$3" ] || mount -o "remount,bind,$3" "$system$1"
  shift 3
done
shift
mount -o remount,bind,ro "$system"
exec chroot --userspec="$user:$user" --groups= "$system" "$@"`;

export type BareOptions = {
  /** Where the executable lies inside. */
  at?: string;
  /** Programs besides the executable, which is called web-chat: files by their name. */
  programs?: Readonly<Record<string, string>>;
  /** Folders inside that its user may write to. */
  writable?: readonly string[];
  /** Those of them from which nothing may be run or loaded. */
  noexec?: readonly string[];
  user?: number;
};

export type Bare = {
  /** What goes before a program to run it inside. */
  wrapper: string[];
  /** The folder that is mounted on a writable one. */
  outside(path: string): string;
  /** The native libraries that were unpacked into the writable folders, by their place inside. */
  libraries(): Library[];
};

export type Library = { name: string; folder: string; mode: number; beside: string[] };

const LIBRARY = /^zeromq-[0-9a-f]{16}\.node$/;

/** Why there can be none here, in words for `t.skip`; undefined where there can. */
export function noBareSystem(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "entering a bare system needs root on Linux";
  if (!existsSync(SYSTEM)) return "there is no bare system: npm test makes one where debootstrap can";
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) return "mounting is not allowed here";
  return noExecutable();
}

export function bareSystem(t: TestContext, options: BareOptions = {}): Bare {
  const { at = "/opt/web-chat", programs = {}, writable = [], noexec = [], user = NOBODY } = options;
  const directory = temporaryDirectory(t);
  // Else only root could go further.
  chmodSync(directory, 0o755);
  const bin = join(directory, "bin");
  mkdirSync(bin);
  for (const [name, path] of Object.entries({ "web-chat": executable, ...programs }))
    copyFileSync(path, join(bin, name), constants.COPYFILE_FICLONE);
  const outside = (path: string) => join(directory, path.replaceAll("/", "-"));
  for (const path of writable) {
    mkdirSync(outside(path));
    chownSync(outside(path), user, user);
  }
  const mounts = [
    [at, bin, "ro"],
    ...writable.map(path => [path, outside(path), noexec.includes(path) ? "noexec" : ""]),
  ];
  return {
    wrapper: ["unshare", "--mount", "sh", "-euc", ENTER, "sh", SYSTEM, String(user), ...mounts.flat(), "--"],
    outside,
    libraries: () => writable.flatMap(path => librariesIn(outside(path), path)),
  };
}

function librariesIn(directory: string, path: string): Library[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  const names = entries.map(({ name }) => name);
  const found = names.filter(name => LIBRARY.test(name));
  const here = found.map(name => ({
    name,
    folder: path,
    mode: statSync(directory).mode & 0o777,
    beside: names.filter(other => !found.includes(other)),
  }));
  const folders = entries.filter(entry => entry.isDirectory()).map(({ name }) => name);
  return [...here, ...folders.flatMap(name => librariesIn(join(directory, name), `${path}/${name}`))];
}
