/** Files on their way in from people: how large, how many at a time, and how much an hour. */
import { networkOf } from "../addresses.ts";
import { Reject } from "../errors.ts";
import { type Bucket, Buckets } from "../limits.ts";
import type { BlobFiles } from "./files.ts";

export type UploadLimits = {
  /** Bytes of one file. */
  maxBytes: number;
  /** Bytes of one person; 0 is no limit. Each file counts as 16 KB at least. */
  bytesPerHour: number;
};
/** Whose file it is, by person and network address. */
export type Sender = { person: string; address: string };
export type Uploaded = { hash: string; size: number; isNew: boolean };

const MAX_AT_ONCE = 64;
const MAX_AT_ONCE_OF_A_PERSON = 4;
/** One computer may be many people. */
const MAX_AT_ONCE_OF_A_NETWORK = MAX_AT_ONCE / 2;
const ASK_AGAIN_MS = 1_000;
/** What the least file counts as: it takes a block and an inode, and is looked at each hour. */
const LEAST_BYTES = 16 * 1024;

/** One that is under way. */
type Upload = {
  person: string;
  network: string;
  quota: Bucket;
  /** Bytes that were taken from the quota. */
  charged: number;
  /** Bytes that came. */
  came: number;
  /** Bytes that it may have in all. */
  most: number;
};

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

  /** Places are few: whoever holds one has to hurry. */
  get isCrowded(): boolean {
    return this.#underWay.size > MAX_AT_ONCE / 4;
  }

  /** How many are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Keeps what `chunks` bring. Throws `Reject` where that is too much, and leaves nothing behind then; before the first chunk
   * is asked for where `length`, the bytes to come, says so already.
   */
  async receive(from: Sender, length: number | undefined, chunks: AsyncIterable<Uint8Array>): Promise<Uploaded> {
    const upload = this.#enter(from, length);
    try {
      await this.#files.assertRoom([...this.#underWay].reduce((sum, { most, came }) => sum + most - came, 0));
      return await this.#keep(upload, chunks);
    } finally {
      upload.quota.giveBack(Math.max(0, upload.charged - Math.max(upload.came, this.#least)));
      this.#underWay.delete(upload);
      if (this.#underWay.size === 0) this.#settled?.();
    }
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    if (this.#underWay.size > 0) await new Promise<void>(resolve => (this.#settled = resolve));
  }

  #enter({ person, address }: Sender, length: number | undefined): Upload {
    const { maxBytes } = this.#limits;
    if (length !== undefined && length > maxBytes) throw this.#tooLarge();
    if (length === 0) throw new Reject("invalid", "the file is empty");
    const network = networkOf(address);
    const others = [...this.#underWay];
    const isFull =
      others.length >= MAX_AT_ONCE ||
      others.filter(upload => upload.network === network).length >= MAX_AT_ONCE_OF_A_NETWORK ||
      others.filter(upload => upload.person === person).length >= MAX_AT_ONCE_OF_A_PERSON;
    if (isFull) throw new Reject("rate-limited", "too many files at a time", { retryAfterMs: ASK_AGAIN_MS });
    const quota = this.#quotas.of(person);
    const charged = Math.max(length ?? 0, this.#least);
    quota.take(charged);
    const upload = { person, network, quota, charged, came: 0, most: length ?? maxBytes };
    this.#underWay.add(upload);
    return upload;
  }

  async #keep(upload: Upload, chunks: AsyncIterable<Uint8Array>): Promise<Uploaded> {
    const incoming = await this.#files.receive();
    try {
      for await (const chunk of chunks) {
        if (incoming.size + chunk.length > this.#limits.maxBytes) throw this.#tooLarge();
        upload.came += chunk.length;
        const due = upload.came - upload.charged;
        if (due > 0) {
          upload.quota.take(due);
          upload.charged += due;
        }
        await incoming.write(chunk);
      }
      if (incoming.size === 0) throw new Reject("invalid", "the file is empty");
    } catch (error) {
      await incoming.abandon();
      throw error;
    }
    const hash = await incoming.finish();
    return { hash, size: incoming.size, isNew: incoming.isNew };
  }

  get #least(): number {
    return Math.min(LEAST_BYTES, this.#limits.maxBytes);
  }

  #tooLarge(): Reject {
    return new Reject("too-large", `a file has at most ${this.#limits.maxBytes} bytes here`);
  }
}
