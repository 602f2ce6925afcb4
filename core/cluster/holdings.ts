/** Which blobs each peer was heard to hold. A hint when one is fetched, and what an ack waits for under `ACK=peer`. */

/** Blobs remembered of each peer: those that it spoke of last. */
const MAX_OF_PEER = 8_192;
/** Peers remembered, also those that are down: what they hold is on a disk. */
const MAX_PEERS = 64;

export class Holdings {
  readonly #held = new Map<string, Set<string>>();

  add(peer: string, hashes: readonly string[]): void {
    const held = this.#held.get(peer) ?? new Set<string>();
    this.#held.delete(peer);
    this.#held.set(peer, held);
    for (const hash of hashes) {
      held.delete(hash);
      held.add(hash);
    }
    dropFirst(held, MAX_OF_PEER);
    dropFirst(this.#held, MAX_PEERS);
  }

  /** It does not hold it after all. */
  drop(peer: string, hash: string): void {
    this.#held.get(peer)?.delete(hash);
  }

  has(peer: string, hash: string): boolean {
    return this.#held.get(peer)?.has(hash) === true;
  }
}

function dropFirst(kept: { size: number; keys(): Iterable<string>; delete(key: string): boolean }, max: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= max) return;
    kept.delete(key);
  }
}
