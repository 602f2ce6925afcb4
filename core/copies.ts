/** How many nodes hold what people on this node have sent: learned from the heads that peers publish, and from what they say of blobs. */

type Sent = { seq: number; author: string; id: string; blobs: readonly string[]; copies: number };
/** For each author, whose messages more nodes hold now than they were told. */
export type News = Map<string, { id: string; copies: number }[]>;

/** Messages remembered at most; for older ones nobody is told any more. */
const MAX_REMEMBERED = 10_000;

export class Copies {
  /** In the order of seq. */
  readonly #sent: Sent[] = [];
  /** Those of them that refer to a blob. */
  readonly #byBlob = new Map<string, Set<Sent>>();
  readonly #held = new Map<string, number>();
  readonly #holds: (peer: string, blobs: readonly string[], seq: number) => boolean;

  /** `holds` says whether a peer is known to hold all of these blobs since it committed that place. */
  constructor(holds: (peer: string, blobs: readonly string[], seq: number) => boolean) {
    this.#holds = holds;
  }

  /** The author's sessions are to hear of it, also where it was sent again and has an old seq. */
  sent(seq: number, author: string, id: string, blobs: readonly string[]): void {
    const at = this.#firstAfter(seq);
    const known = this.#sent[at - 1];
    if (known?.seq === seq) {
      // Which blobs a peer holds may be forgotten, and heard again.
      known.copies = Math.min(known.copies, this.of(seq, known.blobs));
      return;
    }
    const sent = { seq, author, id, blobs, copies: this.of(seq, blobs) };
    this.#sent.splice(at, 0, sent);
    for (const blob of blobs) {
      const referring = this.#byBlob.get(blob) ?? new Set();
      this.#byBlob.set(blob, referring.add(sent));
    }
    if (this.#sent.length > MAX_REMEMBERED)
      for (const forgotten of this.#sent.splice(0, MAX_REMEMBERED / 2)) this.#forget(forgotten);
  }

  #forget(sent: Sent): void {
    for (const blob of sent.blobs) {
      const referring = this.#byBlob.get(blob);
      referring?.delete(sent);
      if (referring?.size === 0) this.#byBlob.delete(blob);
    }
  }

  /** A peer holds this node's stream up to `seq`. */
  held(peer: string, seq: number): News {
    const before = this.#held.get(peer) ?? 0;
    if (seq <= before) return new Map();
    this.#held.set(peer, seq);
    return this.#news(this.#sent.slice(this.#firstAfter(before), this.#firstAfter(seq)));
  }

  /** A peer holds these blobs. */
  blobsHeld(hashes: readonly string[]): News {
    return this.#news(new Set(hashes.flatMap(hash => [...(this.#byBlob.get(hash) ?? [])])));
  }

  #news(some: Iterable<Sent>): News {
    const news: News = new Map();
    for (const sent of some) {
      const copies = this.of(sent.seq, sent.blobs);
      if (copies <= sent.copies) continue;
      sent.copies = copies;
      const list = news.get(sent.author) ?? [];
      list.push({ id: sent.id, copies });
      news.set(sent.author, list);
    }
    return news;
  }

  /** Index of the first message whose seq is greater. */
  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#sent.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sent[middle] as Sent).seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Nodes, this one included, that hold this node's stream up to `seq`, and these blobs. */
  of(seq: number, blobs: readonly string[]): number {
    let copies = 1;
    for (const [peer, held] of this.#held) if (held >= seq && this.#holds(peer, blobs, seq)) copies++;
    return copies;
  }
}
