/** Tells when files of a plugin folder may have changed, and files elsewhere that it was made of. */
import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";

/** An editor's save is several changes, one upon the other. */
const SETTLE_MS = 25;

type Watched = { watcher: FSWatcher; inode: number };
/** Names of files in a directory; without any, all that are not hidden. */
type Names = Set<string> | undefined;

/**
 * Folder by folder rather than recursively: what is built in for that does not see files that are replaced by renaming another,
 * and goes through all packages.
 */
export class Watch {
  readonly #folder: string;
  readonly #changed: () => void;
  readonly #failed: (error: Error) => void;
  readonly #watched = new Map<string, Watched>();
  #wanted = new Map<string, Names>();
  #others: readonly string[] = [];
  #settling: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(folder: string, { changed, failed }: { changed(): void; failed(error: Error): void }) {
    this.#folder = folder;
    this.#changed = changed;
    this.#failed = failed;
    this.#rescan();
  }

  /** The files outside of the folder that count from now on. */
  others(paths: readonly string[]): void {
    this.#others = paths;
    this.#rescan();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settling);
    for (const path of this.#watched.keys()) this.#forget(path);
  }

  /** Folders come and go. */
  #rescan(): void {
    const wanted = new Map<string, Names>();
    for (const path of [this.#folder, ...this.#others]) {
      const names = wanted.get(dirname(path)) ?? new Set();
      wanted.set(dirname(path), names.add(basename(path)));
    }
    for (const path of foldersIn(this.#folder)) wanted.set(path, undefined);
    this.#wanted = wanted;
    for (const [path, { inode }] of this.#watched) if (!wanted.has(path) || inodeOf(path) !== inode) this.#forget(path);
    for (const path of wanted.keys()) if (!this.#watched.has(path)) this.#watch(path);
  }

  #watch(path: string): void {
    const inode = inodeOf(path);
    if (inode === undefined) return;
    try {
      const watcher = watch(path, (_, name) => this.#heard(path, name));
      watcher.on("error", error => {
        this.#forget(path);
        this.#failed(error);
      });
      this.#watched.set(path, { watcher, inode });
    } catch (error) {
      // It may have gone since, which its parent tells.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#failed(error as Error);
    }
  }

  #forget(path: string): void {
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }

  #heard(path: string, name: string | null): void {
    const names = this.#wanted.get(path);
    if (this.#closed || (name !== null && (names ? !names.has(name) : name.startsWith(".")))) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#rescan();
      this.#changed();
    }, SETTLE_MS);
  }
}

/** It, and all below it that can hold sources. */
function foldersIn(path: string): string[] {
  try {
    const below = readdirSync(path, { withFileTypes: true })
      .filter(entry => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
      .flatMap(({ name }) => foldersIn(join(path, name)));
    return [path, ...below];
  } catch {
    return [];
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
