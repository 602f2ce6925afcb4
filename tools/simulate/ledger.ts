/** What people sent, and what they were told of it: kept outside all nodes, and what these are judged by. */

export type Sent = { id: string; author: string; room: string; acked: boolean };

export class Ledger {
  /** By id, in the order of sending. */
  readonly sent = new Map<string, Sent>();
  /** Acked, and lost with a disk that held the only copy: nobody promised those. */
  readonly forgiven = new Set<string>();

  /** One of several copies was lost so: another one may stand elsewhere in the order. */
  readonly displaced = new Set<string>();

  /** What stood only on a disk that is no more. */
  lose(copies: ReadonlySet<string>, left: ReadonlySet<string>): void {
    const ids = new Set([...left].map(idOf));
    for (const copy of copies)
      if (!left.has(copy)) (ids.has(idOf(copy)) ? this.displaced : this.forgiven).add(idOf(copy));
  }

  /** Copies are gone with their disk; what was acked is to be found all the same. */
  displace(copies: ReadonlySet<string>): void {
    for (const copy of copies) this.displaced.add(idOf(copy));
  }

  send(sent: Sent): void {
    this.sent.set(sent.id, sent);
  }

  ack(id: string): void {
    const sent = this.sent.get(id);
    if (sent) sent.acked = true;
  }

  /** What has to be on every node in the end. */
  owed(): Sent[] {
    return [...this.sent.values()].filter(({ id, acked }) => acked && !this.forgiven.has(id));
  }
}

const idOf = (copy: string) => copy.slice(0, copy.indexOf(" "));
