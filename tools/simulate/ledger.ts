/** What people sent, and what they were told of it: kept outside all nodes, and what these are judged by. */

/** `file` is the hash of the file that the message refers to, if it does to any. */
export type Sent = { id: string; author: string; room: string; acked: boolean; file?: string };

export class Ledger {
  /** By id, in the order of sending. */
  readonly sent = new Map<string, Sent>();
  /** Acked, and lost with a disk that held the only copy: nobody promised those. */
  readonly forgiven = new Set<string>();

  /** Files that stood only on a disk that is no more: nobody promised those either. */
  readonly lostFiles = new Set<string>();

  /** One of several copies was lost so: another one may stand elsewhere in the order. */
  readonly displaced = new Set<string>();

  /** Disks that are no more. */
  #gone = 0;
  /** How many these were when each message was sent. */
  readonly #goneBefore = new Map<string, number>();
  readonly #acked: (sent: Sent) => void;

  /** `acked` hears of each ack of a message since whose sending no disk was lost: all that it promises holds now. */
  constructor(acked: (sent: Sent) => void) {
    this.#acked = acked;
  }

  /** What stood only on a disk that is no more. */
  lose(copies: ReadonlySet<string>, left: ReadonlySet<string>): void {
    this.#gone++;
    const ids = new Set([...left].map(idOf));
    for (const copy of copies)
      if (!left.has(copy)) (ids.has(idOf(copy)) ? this.displaced : this.forgiven).add(idOf(copy));
  }

  /** What was on a disk, and is nowhere any more. */
  loseFiles(hashes: readonly string[], left: ReadonlySet<string>): void {
    for (const hash of hashes) if (!left.has(hash)) this.lostFiles.add(hash);
  }

  /** Copies are gone with their disk; what was acked is to be found all the same. */
  displace(copies: ReadonlySet<string>): void {
    this.#gone++;
    for (const copy of copies) this.displaced.add(idOf(copy));
  }

  send(sent: Sent): void {
    this.sent.set(sent.id, sent);
    this.#goneBefore.set(sent.id, this.#gone);
  }

  ack(id: string): void {
    const sent = this.sent.get(id);
    if (!sent) return;
    sent.acked = true;
    if (this.#goneBefore.get(id) === this.#gone) this.#acked(sent);
  }

  /** What has to be on every node in the end. */
  owed(): Sent[] {
    return [...this.sent.values()].filter(({ id, acked }) => acked && !this.forgiven.has(id));
  }
}

const idOf = (copy: string) => copy.slice(0, copy.indexOf(" "));
