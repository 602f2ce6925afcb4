/** Durations, as the page's parts need them. They take none of message.ts, or the first page would be cut into more files. */

/** As in message.ts. */
export const MIN_MS = 500;
export const MAX_MS = 15 * 60_000;

/** Seconds as a player shows them: `0:07`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
