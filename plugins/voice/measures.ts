/** Durations, as the page's parts need them. They take none of message.ts, or the first page would be cut into more files. */

/** As in message.ts. */
export const MIN_MS = 500;
export const MAX_MS = 15 * 60_000;

/** Seconds as a player shows them: `0:07`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Words by language and seconds: a format is slow, and hundreds of rows say the same. */
const words = new Map<string, string>();

/** Seconds as one says them. */
export function spoken(seconds: number, language: string): string {
  const whole = Math.round(seconds);
  const key = `${language} ${whole}`;
  const said = words.get(key) ?? say(whole, language);
  words.set(key, said);
  return said;
}

function say(seconds: number, language: string): string {
  // In Chinese, the long units are those of forms.
  const style = language === "zh" ? "narrow" : "long";
  const count = (n: number, unit: "minute" | "second") =>
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: style }).format(n);
  const rest = count(seconds % 60, "second");
  if (seconds < 60) return rest;
  const list = new Intl.ListFormat(language, { type: "unit", style });
  return list.format([count(Math.floor(seconds / 60), "minute"), rest]);
}
