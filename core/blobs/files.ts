/** Immutable files, each named by the SHA-256 of its bytes: there whole and on disk, or not at all. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, statSync, unlinkSync, utimesSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Reject } from "../errors.ts";
import { flushFolder } from "../files.ts";
import { HEAD_BYTES, typeOf } from "./type.ts";

/** The form of a blob's name. */
export const HASH = /^[0-9a-f]{64}$/;
const INCOMING = "incoming";
/** This part of the disk stays free for the log, which acks what people write. */
const KEPT_FREE = 0.01;

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

  /** Whether it is on disk, whole. */
  has(hash: string): boolean {
    return this.#stat(hash) !== undefined;
  }

  /** Its size in bytes; undefined where it is not here. */
  size(hash: string): number | undefined {
    return this.#stat(hash)?.size;
  }

  /** As `has`, and makes it as young as one that came just now: something is about to refer to it. */
  touch(hash: string): boolean {
    if (!this.has(hash)) return false;
    const now = new Date();
    utimesSync(this.#pathOf(hash), now, now);
    return true;
  }

  /** Its size in bytes, and its type as its first bytes say it. */
  async info(hash: string): Promise<BlobInfo | undefined> {
    const size = this.#stat(hash)?.size;
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
      throw asDiskError(error);
    } finally {
      await handle?.close();
    }
  }

  /** As `read`, piece by piece. */
  stream(hash: string, from: number, to: number): Readable {
    return to > from ? createReadStream(this.#pathOf(hash), { start: from, end: to - 1 }) : Readable.from([]);
  }

  /** Whether its bytes are still those of its name. */
  async verify(hash: string): Promise<boolean> {
    const found = createHash("sha256");
    for await (const chunk of readBlob(this.#pathOf(hash))) found.update(chunk);
    return found.digest("hex") === hash;
  }

  /** A file that comes in pieces; nothing of it is seen before `finish`. */
  async receive(): Promise<Incoming> {
    const path = join(this.#directory, INCOMING, randomBytes(16).toString("hex"));
    try {
      return new Incoming(path, await open(path, "wx", 0o600), (hash, size) => this.#place(path, hash, size));
    } catch (error) {
      throw asDiskError(error);
    }
  }

  /** Throws `Reject` where so many bytes more would leave the disk too full. */
  async assertRoom(bytes: number): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(this.#directory);
    if (bavail * bsize - bytes < blocks * bsize * KEPT_FREE) throw new Reject("no-space");
  }

  /** Removes it, if it was neither brought nor touched after `untouchedSinceMs`. */
  async remove(hash: string, untouchedSinceMs = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#counted;
    // In one turn of the loop: it may be wanted again in the next.
    const found = this.#stat(hash);
    if (!found || found.mtimeMs > untouchedSinceMs || this.#placing.has(hash)) return;
    unlinkSync(this.#pathOf(hash));
    this.#add(-1, -found.size);
  }

  /** What is here, in the order of the hashes. */
  all(): AsyncIterable<BlobFile> {
    return blobsIn(this.#directory);
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
    const found = statSync(this.#pathOf(hash), { throwIfNoEntry: false });
    return found?.isFile() ? found : undefined;
  }

  /** Gives what came in its name, over one of that name: that may be damaged. Resolves with whether it is new. */
  async #place(partial: string, hash: string, size: number): Promise<boolean> {
    const others = this.#placing.get(hash);
    const placed = (async () => {
      await others?.catch(() => {});
      const before = this.#stat(hash);
      await this.#rename(partial, hash);
      if (!before) {
        this.#uncounted?.add(hash);
        this.#add(1, size);
      }
      return before === undefined;
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
      await rename(partial, join(folder, hash));
    } catch (error) {
      // Windows replaces no file that somebody reads.
      if (process.platform !== "win32" || !this.touch(hash)) throw error;
      await rm(partial, { force: true });
    }
    await flushFolder(folder);
  }
}

/** The blobs in a folder of them, in the order of their hashes; none where there is no such folder. */
export async function* blobsIn(directory: string): AsyncGenerator<BlobFile> {
  const folders = await readdir(directory).catch(() => []);
  for (const folder of folders.filter(name => /^[0-9a-f]{2}$/.test(name)).sort()) {
    const path = join(directory, folder);
    for (const name of (await readdir(path)).sort()) {
      const found = HASH.test(name) ? await stat(join(path, name)).catch(() => undefined) : undefined;
      if (found?.isFile()) yield { hash: name, size: found.size, modifiedMs: found.mtimeMs };
    }
  }
}

/** The bytes of a file, piece by piece; throws `Reject` where it is not there, or the disk fails. */
export async function* readBlob(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw asDiskError(error);
  }
}

/** A file on its way in. Whoever began it ends it, with `finish` or `abandon`. */
export class Incoming {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #place: (hash: string, size: number) => Promise<boolean>;
  readonly #hash = createHash("sha256");
  #size = 0;
  /** After `finish`: whether nobody had brought the same bytes before. */
  isNew = false;

  constructor(path: string, handle: FileHandle, place: (hash: string, size: number) => Promise<boolean>) {
    this.#path = path;
    this.#handle = handle;
    this.#place = place;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** One call at a time. Throws `Reject` where the disk is full or fails. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; )
        written += (await this.#handle.write(bytes, written, bytes.length - written)).bytesWritten;
    } catch (error) {
      throw asDiskError(error);
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /**
   * Resolves with its hash when it is on disk under that name. Rejects with `Reject`, and leaves nothing behind, where the
   * disk refuses, or where it is not what was `expected`.
   */
  async finish(expected?: string): Promise<string> {
    try {
      const hash = this.#hash.digest("hex");
      if (expected !== undefined && hash !== expected)
        throw new Reject("invalid", "the bytes are not those of that name");
      await this.#handle.sync();
      await this.#handle.close();
      this.isNew = await this.#place(hash, this.#size);
      return hash;
    } catch (error) {
      await this.abandon();
      throw asDiskError(error);
    }
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#path, { force: true });
  }
}

/** What a disk refused to do with a blob, as a `Reject` in words for people; any other error as it is. */
function asDiskError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof Reject || typeof code !== "string") return error;
  if (code === "ENOENT") return new Reject("not-found", "this node does not hold that blob");
  return new Reject(code === "ENOSPC" || code === "EDQUOT" ? "no-space" : "storage-failed");
}
