/** Blobs in memory, for tests without a disk: as strict with hashes as the real ones, and it can be full. */
import type { BlobFiles } from "../../core/blobs/files.ts";
import type { Incoming } from "../../core/blobs/incoming.ts";
import type { BlobsPorts } from "../../core/cluster/blobs.ts";
import { Reject } from "../../core/errors.ts";
import { hashOf } from "./blobs.ts";

export class MemoryFiles implements Record<keyof BlobsPorts["files"], unknown> {
  readonly kept = new Map<string, Uint8Array>();
  readonly #damaged = new Set<Uint8Array>();
  damaged: (hash: string) => void = () => {};
  isFull = false;
  /** What the disk does not take. */
  readonly refuses = new Set<string>();
  /** Files that are coming in. */
  incoming = 0;

  /** Keeps it, and returns its hash. */
  keep(bytes: Uint8Array): string {
    const hash = hashOf(bytes);
    this.kept.set(hash, bytes);
    return hash;
  }

  has(hash: string): boolean {
    return this.#held(hash) !== undefined;
  }

  touch(hash: string): boolean {
    return this.has(hash);
  }

  size(hash: string): number | undefined {
    return this.#held(hash)?.length;
  }

  #held(hash: string): Uint8Array | undefined {
    const bytes = this.kept.get(hash);
    return bytes && !this.#damaged.has(bytes) ? bytes : undefined;
  }

  async isWhole(hash: string): Promise<boolean> {
    return this.has(hash) && this.verify(hash);
  }

  async read(hash: string, from: number, to: number): Promise<Uint8Array> {
    const bytes = this.kept.get(hash);
    if (!bytes) throw new Reject("not-found");
    return bytes.subarray(from, to);
  }

  async verify(hash: string): Promise<boolean> {
    const bytes = await this.read(hash, 0, Number.POSITIVE_INFINITY);
    if (hashOf(bytes) === hash) return true;
    this.#damaged.add(this.kept.get(hash) as Uint8Array);
    this.damaged(hash);
    return false;
  }

  async assertRoom(): Promise<void> {
    if (this.isFull) throw new Reject("no-space");
  }

  async receive(): ReturnType<BlobFiles["receive"]> {
    const parts: Uint8Array[] = [];
    let isOpen = true;
    this.incoming++;
    const close = () => {
      if (isOpen) this.incoming--;
      isOpen = false;
    };
    const incoming: Pick<Incoming, "write" | "finish" | "abandon"> = {
      write: async bytes => {
        if (this.isFull) throw new Reject("no-space");
        parts.push(new Uint8Array(bytes));
      },
      finish: async expected => {
        close();
        const bytes = Buffer.concat(parts);
        if (expected !== undefined && hashOf(bytes) !== expected) throw new Reject("invalid");
        if (this.refuses.has(hashOf(bytes))) throw new Reject("storage-failed");
        return this.keep(bytes);
      },
      abandon: async () => close(),
    };
    return incoming as Incoming;
  }
}
