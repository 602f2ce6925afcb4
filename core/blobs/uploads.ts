/** Files on their way in from people: how large, how many at a time, and how much an hour. */
import { Reject } from "../errors.ts";
import { type Bucket, Buckets } from "../limits.ts";
import type { BlobFiles } from "./files.ts";

export type UploadLimits = {
  /** Bytes of one file. */
  maxBytes: number;
  /** Bytes of one person; 0 is no limit. */
  bytesPerHour: number;
};
export type Uploaded = { hash: string; size: number; isNew: boolean };

const MAX_AT_ONCE = 64;
const MAX_AT_ONCE_OF_A_PERSON = 4;
const ASK_AGAIN_MS = 1_000;

/** One that is under way. */
type Upload = { person: string; quota: Bucket; length: number | undefined; left: number };

export class Uploads {
  readonly #files: Pick<BlobFiles, "assertRoom" | "receive">;
  readonly #limits: UploadLimits;
  readonly #underWay = new Set<Upload>();
  readonly #quotas: Buckets;
  #settled: (() => void) | undefined;

  /** `now` returns milliseconds. */
  constructor(files: Pick<BlobFiles, "assertRoom" | "receive">, limits: UploadLimits, now?: () => number) {
    this.#files = files;
    this.#limits = limits;
    const { bytesPerHour } = limits;
    this.#quotas = new Buckets({ perSecond: bytesPerHour / 3_600, burst: bytesPerHour }, now);
  }

  /** How many are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Keeps what `chunks` bring. Throws `Reject` where that is too much, and leaves nothing behind then; before the first chunk
   * is asked for where `length`, the bytes to come, says so already.
   */
  async receive(person: string, length: number | undefined, chunks: AsyncIterable<Uint8Array>): Promise<Uploaded> {
    const upload = this.#enter(person, length);
    try {
      await this.#files.assertRoom([...this.#underWay].reduce((sum, { left }) => sum + left, 0));
      return await this.#keep(upload, chunks);
    } finally {
      if (upload.length !== undefined) upload.quota.giveBack(upload.left);
      this.#underWay.delete(upload);
      if (this.#underWay.size === 0) this.#settled?.();
    }
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    if (this.#underWay.size > 0) await new Promise<void>(resolve => (this.#settled = resolve));
  }

  #enter(person: string, length: number | undefined): Upload {
    const { maxBytes } = this.#limits;
    if (length !== undefined && length > maxBytes) throw this.#tooLarge();
    if (length === 0) throw new Reject("invalid", "the file is empty");
    const own = [...this.#underWay].filter(upload => upload.person === person);
    if (this.#underWay.size >= MAX_AT_ONCE || own.length >= MAX_AT_ONCE_OF_A_PERSON)
      throw new Reject("rate-limited", "too many files at a time", { retryAfterMs: ASK_AGAIN_MS });
    const quota = this.#quotas.of(person);
    quota.take(length ?? 0);
    const upload = { person, quota, length, left: length ?? maxBytes };
    this.#underWay.add(upload);
    return upload;
  }

  async #keep(upload: Upload, chunks: AsyncIterable<Uint8Array>): Promise<Uploaded> {
    const incoming = await this.#files.receive();
    try {
      for await (const chunk of chunks) {
        if (incoming.size + chunk.length > this.#limits.maxBytes) throw this.#tooLarge();
        if (upload.length === undefined) upload.quota.take(chunk.length);
        await incoming.write(chunk);
        upload.left -= chunk.length;
      }
      if (incoming.size === 0) throw new Reject("invalid", "the file is empty");
    } catch (error) {
      await incoming.abandon();
      throw error;
    }
    const hash = await incoming.finish();
    return { hash, size: incoming.size, isNew: incoming.isNew };
  }

  #tooLarge(): Reject {
    return new Reject("too-large", `a file has at most ${this.#limits.maxBytes} bytes here`);
  }
}
