/** A file on its way to the disk: hashed as it comes, and nowhere to be seen before it is there whole. */
import { createHash } from "node:crypto";
import { type FileHandle, rm } from "node:fs/promises";
import { Reject } from "../errors.ts";
import { asWriteError } from "./refusals.ts";

/** Whoever began it ends it, with `finish` or `abandon`. */
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
      throw asWriteError(error);
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
      throw asWriteError(error);
    }
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#path, { force: true });
  }
}
