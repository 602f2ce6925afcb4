/** Looks after the blobs of a node: what no message refers to goes, and what is damaged is found. */
import { asReject } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import type { BlobFiles } from "./files.ts";

/** Whoever sent a file has that long to send the message that refers to it: a phone may be in a tunnel. */
export const ORPHAN_AFTER_MS = 24 * 60 * 60_000;
const LOOK_EVERY_MS = 60 * 60_000;
/** Not while a node starts. */
const LOOK_FIRST_AFTER_MS = 60_000;
/** Old blobs that are looked for in the log at a time. */
const BATCH = 20_000;
const PAGE = 2_000;
/** Read at each look to see whether they are whole: some seconds' work. */
const VERIFIED_BYTES = 1024 ** 3;

export type CollectorParts = {
  files: Pick<BlobFiles, "all" | "remove" | "verify">;
  log: Pick<Log, "blobsReferenced">;
  time: Time;
  failed(what: string, error: unknown): void;
};

export class Collector {
  readonly #parts: CollectorParts;
  readonly #timers: Cancel[];
  #collecting: Promise<unknown> | undefined;
  readonly #releasing = new Set<Promise<void>>();
  /** Up to that hash they were looked at. */
  #verifiedTo = "";
  #closed = false;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    const look = () => {
      this.#collecting ??= this.collect()
        .then(() => this.verify())
        .catch(error => parts.failed("collecting blobs", error))
        .finally(() => (this.#collecting = undefined));
    };
    this.#timers = [parts.time.after(LOOK_FIRST_AFTER_MS, look), parts.time.every(LOOK_EVERY_MS, look)];
  }

  /** Resolves with how many were removed. */
  async collect(): Promise<number> {
    const { files, time } = this.#parts;
    const since = time.wall() - ORPHAN_AFTER_MS;
    let removed = 0;
    let old = new Set<string>();
    const remove = async () => {
      for (const hash of await this.#unreferenced(old)) {
        if (this.#closed) return;
        // What came again, or was referred to, since it was found here is young again.
        if (await files.remove(hash, since)) removed++;
      }
      old = new Set();
    };
    for await (const { hash, modifiedMs } of files.all()) {
      if (this.#closed) return removed;
      if (modifiedMs < since) old.add(hash);
      if (old.size >= BATCH) await remove();
    }
    await remove();
    return removed;
  }

  /** Messages that referred to these were erased: what no other one refers to goes at once, for it is not to be heard. */
  release(hashes: readonly string[]): void {
    const { files, time, failed } = this.#parts;
    const since = time.wall() - 1;
    const releasing = (async () => {
      // What another message is about to refer to has been touched by then.
      for (const hash of await this.#unreferenced(new Set(hashes))) await files.remove(hash, since);
    })()
      .catch(error => failed("removing what was erased", error))
      .finally(() => this.#releasing.delete(releasing));
    this.#releasing.add(releasing);
  }

  /** Reads the next so many bytes of them, then begins anew: a disk that rots does not say so. */
  async verify(maxBytes = VERIFIED_BYTES): Promise<void> {
    const { files } = this.#parts;
    let bytes = 0;
    for await (const { hash, size } of files.all()) {
      if (hash <= this.#verifiedTo) continue;
      if (this.#closed || bytes >= maxBytes) return;
      bytes += size;
      this.#verifiedTo = hash;
      await files.verify(hash).catch(error => {
        // It may have been removed meanwhile.
        if (asReject(error).code !== "not-found") this.#parts.failed(`reading the blob ${hash}`, error);
      });
    }
    this.#verifiedTo = "";
  }

  /** Those of them that the log does not refer to. */
  async #unreferenced(hashes: ReadonlySet<string>): Promise<Set<string>> {
    const left = new Set(hashes);
    for (let pos = 0; left.size > 0 && !this.#closed; ) {
      const page = await this.#parts.log.blobsReferenced(pos, PAGE);
      for (const { blobs } of page) for (const hash of blobs) left.delete(hash);
      pos = page.at(-1)?.pos ?? pos;
      if (page.length < PAGE) return left;
    }
    return new Set();
  }

  /** Resolves when it looks no more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    await Promise.all([this.#collecting, ...this.#releasing]);
  }
}
