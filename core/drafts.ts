/** What is to become an envelope: packed, and later than all that its author wrote before. */
import { v7 as uuid } from "uuid";
import type { BlobFiles } from "./blobs/files.ts";
import { dropFirst } from "./bounded.ts";
import type { Clock } from "./clock.ts";
import type { Draft } from "./envelope.ts";
import { Reject } from "./errors.ts";
import type { Person } from "./plugin.ts";
import type { Type } from "./registry.ts";

export type DraftsParts = { clock: Clock; blobs: Pick<BlobFiles, "touch"> };

/** Authors whose clocks are remembered: who has more come back at once is under attack. */
const MAX_AHEAD = 10_000;

export class Drafts {
  readonly #parts: DraftsParts;
  /** Last hlc of authors that are ahead of this node's clock: they wrote on a node whose clock is. */
  readonly #ahead = new Map<string, number>();

  constructor(parts: DraftsParts) {
    this.#parts = parts;
  }

  /** Throws `Reject` where the plugin fails, or this node lacks a blob. */
  make(
    type: Type,
    author: Person,
    body: unknown,
    { id = uuid(), room, ref = null }: { id?: string | undefined; room: string; ref?: string | null | undefined },
  ): Draft {
    // First, as it looks at what the plugin made.
    const packed = type.pack(body);
    return {
      id,
      room,
      ref,
      hlc: this.#stamp(author.id),
      type: type.name,
      version: type.version,
      role: type.role,
      author: author.id,
      authorName: author.name,
      alt: type.summary(body),
      body: packed,
      blobs: this.#blobsOf(type, body),
      extra: null,
    };
  }

  #blobsOf(type: Type, body: unknown): string[] {
    const hashes = type.blobs(body);
    for (const hash of hashes)
      if (!this.#parts.blobs.touch(hash)) throw new Reject("not-found", `this node does not hold the blob ${hash}`);
    return hashes;
  }

  /** Later than everything of this node, and than everything of this author elsewhere. */
  #stamp(author: string): number {
    const tick = this.#parts.clock.tick();
    const ahead = this.#ahead.get(author);
    if (ahead === undefined) return tick;
    if (ahead >= tick) {
      this.#ahead.set(author, ahead + 1);
      return ahead + 1;
    }
    this.#ahead.delete(author);
    return tick;
  }

  /** The author has written up to that time, on whichever node. */
  authorWasAt(author: string, hlc: number): void {
    const believed = this.#parts.clock.believable(hlc);
    if (believed <= this.#parts.clock.last) return;
    this.#ahead.set(author, Math.max(believed, this.#ahead.get(author) ?? 0));
    if (this.#ahead.size > MAX_AHEAD) this.#forget();
  }

  /** First those who have been overtaken, and never wrote. */
  #forget(): void {
    const { last } = this.#parts.clock;
    for (const [author, hlc] of this.#ahead) if (hlc <= last) this.#ahead.delete(author);
    dropFirst(this.#ahead, MAX_AHEAD);
  }
}
