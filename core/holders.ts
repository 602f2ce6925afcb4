/** Which nodes hold what was written here: as far as it is known, told to the authors, and waited for before an ack where it has to be. */
import type { BlobFiles } from "./blobs/files.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { Confirmations } from "./confirmations.ts";
import { Copies, type News } from "./copies.ts";
import type { Log, Stored } from "./log/log.ts";
import type { Time } from "./time.ts";

export type HoldersParts = {
  log: Pick<Log, "origin">;
  blobs: Pick<BlobFiles, "has">;
  time: Time;
  /** More nodes hold messages of that author. */
  stored(author: string, messages: { id: string; copies: number }[]): void;
};

/** An envelope, as far as it has to be known for saying who holds all of it. */
export type Held = Pick<Stored, "origin" | "seq" | "blobs">;

export class Holders {
  readonly #parts: HoldersParts;
  #cluster: Pick<Cluster, "holders" | "holdsBlobs" | "askForBlobs"> | undefined;
  #copies: Copies;
  readonly #confirmations: Confirmations;
  /** The stream that the copies are counted of. */
  #origin: string | undefined;
  /** Streams that this node wrote before that one. */
  readonly #former = new Set<string>();

  constructor(parts: HoldersParts) {
    this.#parts = parts;
    this.#origin = parts.log.origin;
    this.#copies = this.#noCopies();
    this.#confirmations = new Confirmations(parts.time);
  }

  /** Before this nobody is known to hold anything. */
  connect(cluster: Pick<Cluster, "holders" | "holdsBlobs" | "askForBlobs">): void {
    this.#cluster = cluster;
  }

  /** The stream that this node writes; where it is another one than before, all that was counted begins anew. */
  currentOrigin(): string | undefined {
    const { origin } = this.#parts.log;
    if (origin === this.#origin) return origin;
    if (this.#origin !== undefined) this.#former.add(this.#origin);
    this.#origin = origin;
    this.#copies = this.#noCopies();
    this.#confirmations.giveUp();
    return origin;
  }

  #noCopies(): Copies {
    const origin = this.#origin ?? "";
    return new Copies((peer, blobs, seq) => this.#holds(peer, blobs, { origin, seq }));
  }

  #holds(peer: string, blobs: readonly string[], place: { origin: string; seq: number }): boolean {
    return blobs.length === 0 || this.#cluster?.holdsBlobs(peer, blobs, place) === true;
  }

  /** Committed: its author is to hear how many hold it. */
  sent(held: Held, author: string, id: string): void {
    if (held.origin === this.currentOrigin()) this.#copies.sent(held.seq, author, id, held.blobs);
  }

  /**
   * How many nodes are known to hold an envelope and its blobs: of another node's stream that node and this one, at least. Which
   * blobs peers hold is not known any more after a start, until they are asked.
   */
  copiesOf({ origin, seq, blobs }: Held): number {
    if (origin === this.currentOrigin()) return this.#copies.of(seq, blobs);
    const place = { origin, seq };
    if (this.#former.has(origin))
      return 1 + (this.#cluster?.holders(origin, seq) ?? []).filter(peer => this.#holds(peer, blobs, place)).length;
    // That node took it only with its blobs; here they may be on their way.
    return blobs.every(hash => this.#parts.blobs.has(hash)) ? 2 : 1;
  }

  /** Whether no more acks can wait. */
  get areFull(): boolean {
    return this.#confirmations.isFull;
  }

  /** Acks that wait for another node. */
  get waiting(): number {
    return this.#confirmations.size;
  }

  /** Resolves with whether, in time, one other node has committed an envelope and holds its blobs. */
  async confirmed(held: Held): Promise<boolean> {
    const isSafe = () => this.copiesOf(held) >= 2;
    if (isSafe()) return true;
    if (held.blobs.length === 0) return held.origin === this.currentOrigin() && this.#confirmations.wait(held.seq);
    // What peers said of them may have been lost, or said to the run before this one.
    this.#cluster?.askForBlobs(held.blobs);
    return this.#confirmations.waitUntil(isSafe);
  }

  /** People see these messages of theirs: where no peer is known to hold the blobs all are asked, and the author hears of it. */
  shown(own: readonly Stored[]): void {
    const origin = this.currentOrigin();
    const unsure = own.filter(
      stored => stored.blobs.length > 0 && stored.origin === origin && this.copiesOf(stored) < 2,
    );
    for (const { seq, author, id, blobs } of unsure) this.#copies.sent(seq, author, id, blobs);
    this.#cluster?.askForBlobs([...new Set(unsure.flatMap(({ blobs }) => blobs))]);
  }

  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void {
    this.currentOrigin();
    this.#tell(this.#copies.held(peer, seq));
    this.#confirmations.held(seq);
    this.#confirmations.changed();
  }

  /** A peer said that it holds these blobs. */
  blobsHeld(hashes: readonly string[]): void {
    this.#tell(this.#copies.blobsHeld(hashes));
    this.#confirmations.changed();
  }

  #tell(news: News): void {
    for (const [author, messages] of news) this.#parts.stored(author, messages);
  }

  /** Acks wait for no other node any more. */
  stopWaiting(): void {
    this.#confirmations.end();
  }
}
