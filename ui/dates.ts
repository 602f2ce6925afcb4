/** Dates as the reader's language writes them. */
import { language } from "./i18n.ts";

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string, options: Intl.DateTimeFormatOptions, at: number): string {
  const code = language.value === "zh" ? "zh-CN" : (navigator.languages.find(code => code.startsWith("en")) ?? "en");
  const made = formats.get(code + name) ?? new Intl.DateTimeFormat(code, options);
  formats.set(code + name, made);
  return made.format(at);
}

export function time(at: number): string {
  return format("time", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, at);
}

export function moment(at: number): string {
  return format("moment", { dateStyle: "full", timeStyle: "medium" }, at);
}

/** The start of the day that `at` lies in. */
export function dayOf(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** "Today", "Yesterday", a weekday for the last week, else the date. */
export function dayName(day: number, now = Date.now()): string {
  const ago = Math.round((dayOf(now) - day) / DAY_MS);
  if (ago === 0 || ago === 1) {
    const word = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(-ago, "day");
    return word.charAt(0).toUpperCase() + word.slice(1);
  }
  if (ago > 1 && ago < 7) return format("weekday", { weekday: "long" }, day);
  const year = new Date(day).getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return format(`date${"year" in year}`, { weekday: "long", month: "long", day: "numeric", ...year }, day);
}
