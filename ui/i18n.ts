/** The language of the page, and texts in it. */
import { effect, signal } from "@preact/signals";
import { keep, kept } from "./keep.ts";
import type { en as ofMenus } from "./menu-strings.ts";
import { en as first } from "./strings.ts";

export const LANGUAGES = { en: "English", zh: "中文" };
export type Language = keyof typeof LANGUAGES;
export type Key = keyof typeof first | keyof typeof ofMenus;

/** The menus bring theirs when they are loaded. */
const en = first as Record<Key, string>;
const texts: Partial<Record<Language, Record<Key, string>>> = { en };
export const language = signal<Language>("en");

/** Turns the page to the language that was chosen, else to the browser's. */
export function speak(): Promise<void> {
  return turnTo(chosen() ?? preferred());
}

function chosen(): Language | undefined {
  const code = kept("language");
  return code in LANGUAGES ? (code as Language) : undefined;
}

function preferred(): Language {
  const codes = navigator.languages.map(code => code.slice(0, 2).toLowerCase());
  return (codes.find(code => code in LANGUAGES) as Language | undefined) ?? "en";
}

export async function choose(code: Language): Promise<void> {
  keep("language", code);
  await turnTo(code);
}

async function turnTo(code: Language): Promise<void> {
  // English is good enough where the other texts cannot be loaded.
  if (code === "zh" && !texts.zh)
    texts.zh = (await import("./zh.ts").then(({ zh }) => zh).catch(() => undefined)) ?? en;
  language.value = code;
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
});

export type Values = Record<string, string | number>;

/** The text of the shell that `key` names, with `{name}` replaced by the value of that name. */
export function t(key: Key, values?: Values): string {
  return fill((texts[language.value] ?? en)[key], values);
}

/** The same from a plugin's own texts: in English where the reader's language lacks it, else the key itself. */
export function translate(
  own: Record<string, Record<string, string>> | undefined,
  key: string,
  values?: Values,
): string {
  return fill(own?.[language.value]?.[key] ?? own?.en?.[key] ?? key, values);
}

function fill(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
