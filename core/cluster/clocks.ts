/** How far the clocks of two nodes are apart. */

/**
 * Milliseconds that a peer's clock is ahead of this node's; negative where it is behind. From one question and its answer,
 * and wrong by half of their way at most (Cristian, "Probabilistic clock synchronization", 1989).
 *
 * `peerMs` is what the peer's clock showed when it answered, `nowMs` what this node's shows when the answer is here.
 */
export function clockAhead(peerMs: number, nowMs: number, rttMs: number): number {
  return Math.round(peerMs + rttMs / 2 - nowMs);
}
