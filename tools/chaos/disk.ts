/** A small disk that can be filled: a tmpfs. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LARGEST_PIECE = 1024 * 1024;
const SMALLEST_PIECE = 4_096;

export class Disk {
  readonly directory: string;
  readonly #ballast: string;
  #isMounted = true;

  private constructor(directory: string) {
    this.directory = directory;
    this.#ballast = join(directory, "ballast");
  }

  /** Mounted there; undefined where this user cannot mount one. */
  static mount(directory: string, megabytes: number): Disk | undefined {
    mkdirSync(directory, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", directory], { stdio: "ignore" });
    } catch {
      return undefined;
    }
    return new Disk(directory);
  }

  /** Until nothing more fits. A database that is written to meanwhile may free a little: call it again. */
  fill(): void {
    for (let bytes = LARGEST_PIECE; this.#isMounted && bytes >= SMALLEST_PIECE; ) {
      try {
        writeFileSync(this.#ballast, Buffer.alloc(bytes), { flag: "a" });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        bytes /= 2;
      }
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Nothing is to be writing there any more. What is on it stays in the directory where `keeps` says so. */
  unmount(keeps: boolean): void {
    this.free();
    const copy = `${this.directory}.copy`;
    if (keeps) cpSync(this.directory, copy, { recursive: true, filter: path => !path.endsWith(".sock") });
    this.#isMounted = false;
    execFileSync("umount", ["-l", this.directory], { stdio: "ignore" });
    if (!keeps) return;
    rmSync(this.directory, { recursive: true });
    renameSync(copy, this.directory);
  }
}
