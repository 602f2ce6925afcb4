/** One blob on its way here: the parts that were asked for, and what came of it, written in order. */
import { type BlobFiles, MAX_BLOB_BYTES } from "../blobs/files.ts";
import type { Incoming } from "../blobs/incoming.ts";
import { BLOB_PART_BYTES, type Payload } from "./frames.ts";
import type { Want } from "./wants.ts";

export type FetchPorts = {
  files: Pick<BlobFiles, "receive" | "assertRoom">;
  /** More may be asked for. */
  moved(): void;
  /** It is on disk whole, or `error` says why it never will be. */
  ended(error?: unknown): void;
};

export class Fetch {
  readonly want: Want;
  /** It was begun for those who wait for it. */
  readonly isAwaited: boolean;
  readonly #ports: FetchPorts;
  #peer: string;
  #since: number;
  /** The other peers were asked whether they have it. */
  hasInquired = false;
  /** Which of all questions for parts was the last one for this blob. */
  lastAsked = 0;
  /** Whoever sent something of what is written. */
  readonly sources = new Set<string>();
  /** When each part was asked for, by offset. */
  readonly #asked = new Map<number, number>();
  /** Parts that came and are not written yet. */
  readonly #came = new Map<number, Uint8Array>();
  #size: number | undefined;
  #written = 0;
  #incoming: Incoming | undefined;
  #isWriting = false;
  #isOver = false;

  constructor(
    want: Want,
    { peer, isAwaited, now }: { peer: string; isAwaited: boolean; now: number },
    ports: FetchPorts,
  ) {
    this.want = want;
    this.isAwaited = isAwaited;
    this.#peer = peer;
    this.#since = now;
    this.#ports = ports;
  }

  /** Whom it is asked of. */
  get peer(): string {
    return this.#peer;
  }

  /** When it was first asked of that peer. */
  get since(): number {
    return this.#since;
  }

  /** Parts that are asked for, or not written yet. */
  get underWay(): number {
    return this.#asked.size + this.#came.size;
  }

  /** Whether all of it came: only the disk is waited for. */
  get isComplete(): boolean {
    return this.#written === this.#size;
  }

  /** The part to be asked for next; undefined where all are, or its size is still to be told. */
  get next(): number | undefined {
    if (this.#isOver) return undefined;
    const end = this.#size ?? 1;
    for (let offset = this.#written; offset < end; offset += BLOB_PART_BYTES)
      if (!this.#asked.has(offset) && !this.#came.has(offset)) return offset;
    return undefined;
  }

  /** Whether what came waits for a part before it that nobody is asked for. */
  get isStuck(): boolean {
    return this.#asked.size === 0 && this.#came.size > 0 && !this.#came.has(this.#written);
  }

  asked(offset: number, now: number): void {
    this.#asked.set(offset, now);
  }

  /** Since when the peer owes a part; undefined where it owes none. */
  get owedSince(): number | undefined {
    const [first] = this.#asked.values();
    return first;
  }

  /** The rest is asked of another peer. */
  turnTo(peer: string, now: number): void {
    this.#peer = peer;
    this.#since = now;
    this.#asked.clear();
  }

  /** When that part was asked for of that peer; undefined where it was not, or came before. */
  askedAt({ id, offset }: Payload<"blobPart">): number | undefined {
    return id === this.#peer ? this.#asked.get(offset) : undefined;
  }

  /** Takes a part that was asked for; false where it cannot be one. */
  take({ id, offset, size = 0, bytes }: Payload<"blobPart">): boolean {
    this.#asked.delete(offset);
    const length = Math.min(BLOB_PART_BYTES, size - offset);
    this.sources.add(id);
    if (size !== (this.#size ?? size) || size > MAX_BLOB_BYTES || bytes.length !== length) return false;
    this.#size = size;
    this.#came.set(offset, bytes);
    void this.#write();
    return true;
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      this.#incoming ??= await this.#begin();
      for (let bytes = this.#came.get(this.#written); bytes && !this.#isOver; bytes = this.#came.get(this.#written)) {
        await this.#incoming.write(bytes);
        this.#came.delete(this.#written);
        this.#written += bytes.length;
        if (this.isComplete) await this.#finish(this.#incoming);
        else if (!this.#isOver) this.#ports.moved();
      }
    } catch (error) {
      this.#end(error);
    }
    this.#isWriting = false;
    if (this.#isOver) await this.#discard();
  }

  async #begin(): Promise<Incoming> {
    await this.#ports.files.assertRoom(this.#size ?? 0);
    return this.#ports.files.receive();
  }

  async #finish(incoming: Incoming): Promise<void> {
    if (this.#isOver) return;
    await incoming.finish(this.want.hash);
    this.#incoming = undefined;
    this.#end();
  }

  #end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ports.ended(error);
  }

  /** Nothing more is taken, and nothing of it is left behind. */
  abandon(): void {
    this.#isOver = true;
    this.#asked.clear();
    this.#came.clear();
    if (!this.#isWriting) void this.#discard();
  }

  async #discard(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    // What cannot be removed now is at the next start.
    await incoming?.abandon().catch(() => {});
  }
}
