/**
 * How many parts of blobs one peer is asked for at a time. What people write goes the same way, and must not stand in line
 * behind files: where parts come later than they could, fewer are asked for (as LEDBAT, RFC 6817, by the delay above the least).
 */

/** More bring no more from one host to the next, and twice the delay for texts. */
const MAX_PARTS = 2;
const FIRST_PARTS = 1;
/** A part that takes so much longer than the quickest one has stood in line. */
const LATE_MS = 10;
const STEP = 0.25;
/** Parts after which the quickest is looked for anew: the way to the peer may be another one by then. */
const FORGET_AFTER = 256;

export class Window {
  #parts = FIRST_PARTS;
  #leastMs = Number.POSITIVE_INFINITY;
  #answers = 0;

  get parts(): number {
    return Math.floor(this.#parts);
  }

  /** A part came `tookMs` after it was asked for. */
  answered(tookMs: number): void {
    if (this.#answers++ % FORGET_AFTER === 0) this.#leastMs = tookMs;
    this.#leastMs = Math.min(this.#leastMs, tookMs);
    const isLate = tookMs > this.#leastMs + LATE_MS;
    this.#parts = isLate ? Math.max(1, this.#parts / 2) : Math.min(MAX_PARTS, this.#parts + STEP);
  }
}
