/** The files on a simulated node's disk: in memory, so that nothing of them takes time that no seed decides. */
import { createHash } from "node:crypto";
import type { BlobFiles } from "../../core/blobs/files.ts";
import type { Incoming } from "../../core/blobs/incoming.ts";
import type { BlobsPorts } from "../../core/cluster/blobs.ts";
import { Reject } from "../../core/errors.ts";

export const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export class Files implements Record<keyof BlobsPorts["files"] | "info", unknown> {
  readonly #isFull: () => boolean;
  #kept = new Map<string, Uint8Array>();
  #backup = new Map<string, Uint8Array>();

  constructor(isFull: () => boolean) {
    this.#isFull = isFull;
  }

  /** Somebody uploads it. */
  keep(bytes: Uint8Array): void {
    this.#assertNotFull();
    this.#kept.set(hashOf(bytes), bytes);
  }

  get hashes(): string[] {
    return [...this.#kept.keys()];
  }

  has(hash: string): boolean {
    return this.#kept.has(hash);
  }

  async isWhole(hash: string): Promise<boolean> {
    return this.has(hash);
  }

  touch(hash: string): boolean {
    return this.has(hash);
  }

  size(hash: string): number | undefined {
    return this.#kept.get(hash)?.length;
  }

  async info(hash: string) {
    const size = this.size(hash);
    return size === undefined ? undefined : { size, type: "application/octet-stream" };
  }

  async read(hash: string, from: number, to: number): Promise<Uint8Array> {
    const bytes = this.#kept.get(hash);
    if (!bytes) throw new Reject("not-found");
    return bytes.subarray(from, to);
  }

  async verify(hash: string): Promise<boolean> {
    return hashOf(await this.read(hash, 0, Number.POSITIVE_INFINITY)) === hash;
  }

  async assertRoom(): Promise<void> {
    this.#assertNotFull();
  }

  async receive(): ReturnType<BlobFiles["receive"]> {
    const parts: Uint8Array[] = [];
    const incoming: Pick<Incoming, "write" | "finish" | "abandon"> = {
      write: async bytes => {
        this.#assertNotFull();
        parts.push(Uint8Array.from(bytes));
      },
      finish: async expected => {
        const bytes = Buffer.concat(parts);
        const hash = hashOf(bytes);
        if (expected !== undefined && hash !== expected) throw new Reject("invalid");
        this.#kept.set(hash, bytes);
        return hash;
      },
      abandon: async () => {},
    };
    return incoming as Incoming;
  }

  #assertNotFull(): void {
    if (this.#isFull()) throw new Reject("no-space");
  }

  backUp(): void {
    this.#backup = new Map(this.#kept);
  }

  restore(): void {
    this.#kept = new Map(this.#backup);
  }

  /** The disk is gone, and its backup with it. */
  clear(): void {
    this.#kept = new Map();
    this.#backup = new Map();
  }
}
