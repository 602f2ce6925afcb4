/** Requests to peers that are under way, and what they brought that is not committed yet: what may be asked for beside them. */

/** Limits of one answer. */
export const PULL_MAX_COUNT = 1_000;
export const PULL_MAX_BYTES = 512 * 1024;
/** Requests to one peer: whoever answers none of them is not to hold up what others would answer. */
const MAX_PULLS_OF_PEER = 4;
/** Bytes of what peers were asked for, or sent, and what is not committed yet, for all streams together. */
const MAX_BYTES = 4 * 1024 * 1024;

export class Pulls {
  readonly #ofPeer = new Map<string, number>();
  #running = 0;
  /** Bytes that came and are not committed yet. */
  #came = 0;

  /** Requests that are under way. */
  get running(): number {
    return this.#running;
  }

  /** Bytes that came and are not committed yet. */
  get bytes(): number {
    return this.#came;
  }

  /** Whether whatever else is asked for has to wait. */
  get isFull(): boolean {
    return this.#came + this.#running * PULL_MAX_BYTES >= MAX_BYTES;
  }

  /** Whether a peer has enough to answer. */
  isBusy(peer: string): boolean {
    return this.#of(peer) >= MAX_PULLS_OF_PEER;
  }

  #of(peer: string): number {
    return this.#ofPeer.get(peer) ?? 0;
  }

  began(peer: string): void {
    this.#ofPeer.set(peer, this.#of(peer) + 1);
    this.#running++;
  }

  /** It was answered, or is waited for no longer. */
  ended(peer: string): void {
    const others = this.#of(peer) - 1;
    if (others > 0) this.#ofPeer.set(peer, others);
    else this.#ofPeer.delete(peer);
    this.#running--;
  }

  came(bytes: number): void {
    this.#came += bytes;
  }

  /** What came is committed, or was refused. */
  settled(bytes: number): void {
    this.#came -= bytes;
  }
}
