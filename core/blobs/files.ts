/** Immutable files, each named by the SHA-256 of its bytes: there whole and on disk, or not at all. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, statSync, unlinkSync, utimesSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Reject } from "../errors.ts";
import { flushFolder } from "../files.ts";
import { Checks } from "./checks.ts";
import { Incoming } from "./incoming.ts";
import { asReadError, asWriteError } from "./refusals.ts";
import { HEAD_BYTES, typeOf } from "./type.ts";

/** The form of a blob's name. */
export const HASH = /^[0-9a-f]{64}$/;
/** The largest that any node takes, whatever it is set to: a peer that speaks of more would fill the disk. */
export const MAX_BLOB_BYTES = 4 * 1024 ** 3;
const INCOMING = "incoming";
/** This part of the disk stays free for the log, which acks what people write. */
const KEPT_FREE = 0.01;
/**
 * What is larger is read by the collector alone: four times what an upload may have unless it is set otherwise, and half a
 * second's work of a slow disk, which whoever wants to hear something should not have to wait for any longer.
 */
const MAX_CHECKED_BYTES = 64 * 1024 ** 2;

export type BlobInfo = { size: number; type: string };
export type BlobFile = { hash: string; size: number; modifiedMs: number };

export class BlobFiles {
  readonly #directory: string;
  /** What is being given its name, by hash. */
  readonly #placing = new Map<string, Promise<unknown>>();
  readonly #counted: Promise<void>;
  /** Given their name while the files are being counted; undefined after that. */
  #uncounted: Set<string> | undefined = new Set();
  #usage = { files: 0, bytes: 0 };
  readonly #checks = new Checks();
  /** Called with what `verify` found to be damaged. */
  damaged: (hash: string) => void = () => {};
  /** Called with what was removed. */
  removed: (hash: string) => void = () => {};
  /** Called with why the disk does not tell of some of them: they are not here then for whoever asks. */
  unreadable: (error: NodeJS.ErrnoException) => void = () => {};

  private constructor(directory: string) {
    this.#directory = directory;
    // Nobody waits for it: it takes a second for 100,000 files.
    this.#counted = this.#count().catch(() => {});
  }

  /** Opens the folder, made if need be. What came in when the node last ended is removed. */
  static async open(directory: string): Promise<BlobFiles> {
    const incoming = join(directory, INCOMING);
    try {
      await rm(incoming, { recursive: true, force: true });
      await mkdir(incoming, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new Reject("data-dir", `${directory} cannot be used: ${(error as Error).message}`);
    }
    return new BlobFiles(directory);
  }

  /** What is kept; less than that while it is being counted after the start. */
  get usage(): Readonly<{ files: number; bytes: number }> {
    return this.#usage;
  }

  /** Whether it is on disk, and not known to be damaged. */
  has(hash: string): boolean {
    return this.#held(hash) !== undefined;
  }

  /** Whether it is on disk, and known to be damaged: it is not here then for whoever asks. */
  isDamaged(hash: string): boolean {
    const found = this.#stat(hash);
    return found !== undefined && this.#checks.isDamaged(hash, found);
  }

  /** Its size in bytes; undefined where it is not here. */
  size(hash: string): number | undefined {
    return this.#held(hash)?.size;
  }

  /** As `has`, and makes it as young as one that came just now: something is about to refer to it. */
  touch(hash: string): boolean {
    const found = this.#held(hash);
    if (!found) return false;
    const isWhole = this.#checks.isWhole(hash, found);
    const now = new Date();
    try {
      utimesSync(this.#pathOf(hash), now, now);
    } catch (error) {
      this.unreadable(error as Error);
      return this.has(hash);
    }
    if (isWhole) this.#cameWhole(hash);
    return true;
  }

  /** Its size in bytes, and its type as its first bytes say it. */
  async info(hash: string): Promise<BlobInfo | undefined> {
    const size = this.size(hash);
    if (size === undefined) return undefined;
    return { size, type: await typeOf(await this.read(hash, 0, Math.min(size, HEAD_BYTES))) };
  }

  /** The bytes from `from` up to, and without, `to`; fewer where it is shorter. Throws `Reject` where it is not here. */
  async read(hash: string, from: number, to: number): Promise<Uint8Array> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#pathOf(hash), "r");
      const bytes = Buffer.alloc(Math.max(0, to - from));
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, from + length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return bytes.subarray(0, length);
    } catch (error) {
      throw asReadError(error);
    } finally {
      await handle?.close();
    }
  }

  /** As `read`, piece by piece. */
  stream(hash: string, from: number, to: number): Readable {
    return to > from ? createReadStream(this.#pathOf(hash), { start: from, end: to - 1 }) : Readable.from([]);
  }

  /**
   * Whether it is here and its bytes are those of its name. They are read for that once, and not at all where they came since
   * this start, and were held against it then, or are more than 64 MB. Throws `Reject` where the disk fails.
   */
  async isWhole(hash: string): Promise<boolean> {
    const found = this.#held(hash);
    if (!found) return false;
    if (found.size > MAX_CHECKED_BYTES || this.#checks.isWhole(hash, found)) return true;
    return this.#checks.share(hash, () => this.verify(hash));
  }

  /**
   * Reads all of it: whether its bytes are still those of its name. Where they are not it is told to be `damaged`, and is not
   * here any more until right ones come. Its bytes stay until then: perhaps nobody has better ones, and a recording with
   * one wrong bit can still be heard by whoever takes it from the disk. Throws `Reject` where it is not on disk, or that fails.
   */
  async verify(hash: string): Promise<boolean> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#pathOf(hash), "r");
      const file = await handle.stat();
      const isWhole = (await hashOf(handle)) === hash;
      this.#checks.found(hash, file, isWhole);
      if (!isWhole) this.damaged(hash);
      return isWhole;
    } catch (error) {
      throw asReadError(error);
    } finally {
      await handle?.close();
    }
  }

  /** A file that comes in pieces; nothing of it is seen before `finish`. */
  async receive(): Promise<Incoming> {
    const path = join(this.#directory, INCOMING, randomBytes(16).toString("hex"));
    const handle = await this.#inFolders(() => open(path, "wx", 0o600));
    return new Incoming(path, handle, (hash, size) => this.#place(path, hash, size));
  }

  /** Throws `Reject` where so many bytes more, in a file, would leave the disk too full. */
  async assertRoom(bytes: number): Promise<void> {
    const { bavail, blocks, bsize, files, ffree } = await this.#inFolders(() => statfs(this.#directory));
    // Some file systems do not count their files.
    const hasInodes = files === 0 || ffree >= files * KEPT_FREE;
    if (!hasInodes || bavail * bsize - bytes < blocks * bsize * KEPT_FREE) throw new Reject("no-space");
  }

  /** Somebody may have removed the folders under a node that runs: then they are made anew, once. */
  async #inFolders<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action().catch(async error => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        // Not the data directory: without it there is nothing that this node could go on with.
        for (const folder of [this.#directory, join(this.#directory, INCOMING)])
          await mkdir(folder, { mode: 0o700 }).catch(() => {});
        return action();
      });
    } catch (error) {
      throw asWriteError(error);
    }
  }

  /** Removes it, if it was neither brought nor touched after `untouchedSinceMs`; resolves with whether it did. */
  async remove(hash: string, untouchedSinceMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    await this.#counted;
    // In one turn of the loop: it may be wanted again in the next.
    const found = this.#stat(hash);
    if (!found || found.mtimeMs > untouchedSinceMs || this.#placing.has(hash)) return false;
    unlinkSync(this.#pathOf(hash));
    this.#checks.forget(hash);
    this.#add(-1, -found.size);
    this.removed(hash);
    return true;
  }

  /** What is here, in the order of the hashes. */
  all(): AsyncIterable<BlobFile> {
    return blobsIn(this.#directory, error => this.unreadable(error));
  }

  async #count(): Promise<void> {
    for await (const { hash, size } of this.all()) if (!this.#uncounted?.has(hash)) this.#add(1, size);
    this.#uncounted = undefined;
  }

  #add(files: number, bytes: number): void {
    this.#usage = { files: this.#usage.files + files, bytes: this.#usage.bytes + bytes };
  }

  #pathOf(hash: string): string {
    if (!HASH.test(hash)) throw new Reject("invalid", "a blob's name is 64 hexadecimal digits");
    return join(this.#directory, hash.slice(0, 2), hash);
  }

  #stat(hash: string) {
    if (!HASH.test(hash)) return undefined;
    try {
      const found = statSync(this.#pathOf(hash), { throwIfNoEntry: false });
      return found?.isFile() ? found : undefined;
    } catch (error) {
      // One folder that fails must not hold up what has nothing to do with it.
      this.unreadable(error as Error);
      return undefined;
    }
  }

  /** As `#stat`; undefined where it is known to be damaged. */
  #held(hash: string) {
    const found = this.#stat(hash);
    return found && !this.#checks.isDamaged(hash, found) ? found : undefined;
  }

  /** The bytes on disk are those of that name. */
  #cameWhole(hash: string): void {
    const found = this.#stat(hash);
    if (found) this.#checks.found(hash, found, true);
  }

  /** Gives what came in its name, over one of that name: that may be damaged. Resolves with whether it is new. */
  async #place(partial: string, hash: string, size: number): Promise<boolean> {
    const others = this.#placing.get(hash);
    const placed = (async () => {
      await others?.catch(() => {});
      const before = this.#stat(hash);
      const isNew = !this.has(hash);
      await this.#rename(partial, hash);
      if (!before) {
        this.#uncounted?.add(hash);
        this.#add(1, size);
      }
      return isNew;
    })();
    this.#placing.set(hash, placed);
    try {
      return await placed;
    } finally {
      if (this.#placing.get(hash) === placed) this.#placing.delete(hash);
    }
  }

  async #rename(partial: string, hash: string): Promise<void> {
    const folder = join(this.#directory, hash.slice(0, 2));
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await flushFolder(this.#directory);
    try {
      // Before it has its name: from then on it may be damaged by anybody.
      const whole = await stat(partial);
      await rename(partial, join(folder, hash));
      this.#checks.found(hash, whole, true);
    } catch (error) {
      // Windows replaces no file that somebody reads.
      if (process.platform !== "win32" || !this.touch(hash)) throw error;
      await rm(partial, { force: true });
    }
    await flushFolder(folder);
  }
}

/**
 * The blobs in a folder of them, in the order of their hashes; none where there is no such folder. What cannot be read in it is
 * passed over where `unreadable` is given, which is told why, and else thrown.
 */
export async function* blobsIn(
  directory: string,
  unreadable: (error: Error) => void = error => {
    throw error;
  },
): AsyncGenerator<BlobFile> {
  const folders = await readdir(directory).catch(() => []);
  for (const folder of folders.filter(name => /^[0-9a-f]{2}$/.test(name)).sort()) {
    const path = join(directory, folder);
    const names = await readdir(path).catch((error: Error) => {
      unreadable(error);
      return [];
    });
    for (const name of names.sort()) {
      const found = HASH.test(name) ? await stat(join(path, name)).catch(() => undefined) : undefined;
      if (found?.isFile()) yield { hash: name, size: found.size, modifiedMs: found.mtimeMs };
    }
  }
}

/** The hash of an open file; undefined where the disk cannot read all of it any more. */
async function hashOf(handle: FileHandle): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) hash.update(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EIO") return undefined;
    throw error;
  }
  return hash.digest("hex");
}

/** The bytes of a file, piece by piece; throws `Reject` where it is not there, or the disk fails. */
export async function* readBlob(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw asReadError(error);
  }
}
