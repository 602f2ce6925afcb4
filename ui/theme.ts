/** Light or dark: as the system says, unless the person chose. */
import { effect, signal } from "@preact/signals";
import { keep, kept } from "./keep.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>(THEMES.find(name => name === kept("theme")) ?? "system");

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => {
  systemDark.value = system.matches;
});

export function dress(name: Theme): void {
  keep("theme", name);
  theme.value = name;
}

effect(() => {
  const dark = theme.value === "system" ? systemDark.value : theme.value === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
});
