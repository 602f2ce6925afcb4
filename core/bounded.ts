/** Maps and sets that remember only so much. */

/** Lets go of the first ones in it, which came first, until `max` are left. */
export function dropFirst(
  kept: { size: number; keys(): Iterable<string>; delete(key: string): boolean },
  max: number,
): void {
  for (const key of kept.keys()) {
    if (kept.size <= max) return;
    kept.delete(key);
  }
}
