/**
 * What each peer said of blobs, and how far it had this node's streams by then. A hint when a blob is fetched, and what an ack
 * waits for under `ACK=peer`: who has committed a message keeps its blobs, who said it before may have lost them since.
 */
import { dropFirst } from "../bounded.ts";

/** Blobs remembered of each peer: those that it spoke of last. */
const MAX_OF_PEER = 8_192;
/** Peers remembered, also those that are down: what they hold is on a disk. */
const MAX_PEERS = 64;

/** How far each of this node's streams was committed. */
export type Seqs = Readonly<Record<string, number>>;
type Said = { boot: string | undefined; held: Map<string, Seqs> };

export class Holdings {
  readonly #said = new Map<string, Said>();

  /** It holds these, having committed so much. */
  add(peer: string, hashes: readonly string[], committed: Seqs): void {
    const said = this.#said.get(peer) ?? { boot: undefined, held: new Map() };
    this.#said.delete(peer);
    this.#said.set(peer, said);
    for (const hash of hashes) {
      said.held.delete(hash);
      said.held.set(hash, committed);
    }
    dropFirst(said.held, MAX_OF_PEER);
    dropFirst(this.#said, MAX_PEERS);
  }

  /** It does not hold these, or not any more. */
  drop(peer: string, hashes: readonly string[]): void {
    for (const hash of hashes) this.#said.get(peer)?.held.delete(hash);
  }

  /** What another run of it said is forgotten: its disk may be another one. */
  up(peer: string, boot: string): void {
    if (this.#said.get(peer)?.boot === boot) return;
    this.#said.delete(peer);
    this.#said.set(peer, { boot, held: new Map() });
    dropFirst(this.#said, MAX_PEERS);
  }

  has(peer: string, hash: string): boolean {
    return this.#said.get(peer)?.held.has(hash) === true;
  }

  /** Whether it said so when it had committed that place of a stream of this node. */
  hadAt(peer: string, hash: string, { origin, seq }: { origin: string; seq: number }): boolean {
    return (this.#said.get(peer)?.held.get(hash)?.[origin] ?? 0) >= seq;
  }
}
