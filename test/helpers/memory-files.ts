/** Blobs in memory, for tests without a disk: as strict with hashes as the real ones, and it can be full. */
import type { BlobFiles, Incoming } from "../../core/blobs/files.ts";
import type { BlobsPorts } from "../../core/cluster/blobs.ts";
import { Reject } from "../../core/errors.ts";
import { hashOf } from "./blobs.ts";

export class MemoryFiles implements Record<keyof BlobsPorts["files"], unknown> {
  readonly kept = new Map<string, Uint8Array>();
  isFull = false;
  /** Files that are coming in. */
  incoming = 0;

  /** Keeps it, and returns its hash. */
  keep(bytes: Uint8Array): string {
    const hash = hashOf(bytes);
    this.kept.set(hash, bytes);
    return hash;
  }

  has(hash: string): boolean {
    return this.kept.has(hash);
  }

  touch(hash: string): boolean {
    return this.kept.has(hash);
  }

  size(hash: string): number | undefined {
    return this.kept.get(hash)?.length;
  }

  async read(hash: string, from: number, to: number): Promise<Uint8Array> {
    const bytes = this.kept.get(hash);
    if (!bytes) throw new Reject("not-found");
    return bytes.subarray(from, to);
  }

  async verify(hash: string): Promise<boolean> {
    return hashOf(await this.read(hash, 0, Number.POSITIVE_INFINITY)) === hash;
  }

  async remove(hash: string): Promise<void> {
    this.kept.delete(hash);
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
        return this.keep(bytes);
      },
      abandon: async () => close(),
    };
    return incoming as Incoming;
  }
}
