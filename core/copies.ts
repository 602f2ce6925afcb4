/** How many nodes hold what people on this node have sent: learned from the heads that peers publish. */

type Sent = { seq: number; author: string; id: string; copies: number };

/** Messages remembered at most; for older ones nobody is told any more. */
const MAX_REMEMBERED = 10_000;

export class Copies {
  /** In the order of seq. */
  readonly #sent: Sent[] = [];
  readonly #held = new Map<string, number>();

  /** The author's sessions are to hear of it, also where it was sent again and has an old seq. */
  sent(seq: number, author: string, id: string): void {
    const at = this.#firstAfter(seq);
    if (this.#sent[at - 1]?.seq === seq) return;
    this.#sent.splice(at, 0, { seq, author, id, copies: this.of(seq) });
    if (this.#sent.length > MAX_REMEMBERED) this.#sent.splice(0, MAX_REMEMBERED / 2);
  }

  /** A peer holds this node's stream up to `seq`; returns what that changes, for each author. */
  held(peer: string, seq: number): Map<string, { id: string; copies: number }[]> {
    const before = this.#held.get(peer) ?? 0;
    const news = new Map<string, { id: string; copies: number }[]>();
    if (seq <= before) return news;
    this.#held.set(peer, seq);
    for (let at = this.#firstAfter(before); at < this.#sent.length; at++) {
      const sent = this.#sent[at] as Sent;
      if (sent.seq > seq) break;
      sent.copies++;
      const list = news.get(sent.author) ?? [];
      list.push({ id: sent.id, copies: sent.copies });
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

  /** Nodes, this one included, that hold this node's stream up to `seq`. */
  of(seq: number): number {
    let copies = 1;
    for (const held of this.#held.values()) if (held >= seq) copies++;
    return copies;
  }
  /** The nodes besides this one that hold this node's stream up to `seq`. */
  holders(seq: number): string[] {
    return [...this.#held].flatMap(([peer, held]) => (held >= seq ? [peer] : []));
  }
}
