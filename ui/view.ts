/** What is open on the screen. */
import { computed, signal } from "@preact/signals";
import { keep, kept, keptList } from "./keep.ts";
import { plugins } from "./registry.ts";

export type DialogName = "switcher" | "search" | "account" | "link" | "shortcuts" | "logout";
export type Question = { text: string; label: string; run(): void };

export const dialog = signal<DialogName | "">("");
/** What is asked before something that cannot be undone. */
export const question = signal<Question | undefined>(undefined);

export function closeDialog(): void {
  dialog.value = "";
}

export const panels = () => plugins.filter(({ hooks }) => hooks.panel);
/** Wide enough for panels to stand beside the timeline. */
export const wide = media("(min-width: 1080px)");
/** One pane at a time. */
export const narrow = media("(max-width: 640px)");
/** The panels that stand beside the timeline, by type; all of them as long as nobody chose. */
const chosen = signal(kept("panels") ? keptList("panels") : undefined);
const beside = computed<readonly string[]>(() => chosen.value ?? panels().map(({ message }) => message.type));
/** The one panel that lies above it, where the screen is narrow. */
const sheet = signal("");

export const openPanels = computed(() => (wide.value ? beside.value : sheet.value === "" ? [] : [sheet.value]));

export function togglePanel(type: string): void {
  if (!wide.peek()) {
    sheet.value = sheet.peek() === type ? "" : type;
    return;
  }
  const open = beside.peek();
  chosen.value = open.includes(type) ? open.filter(other => other !== type) : [...open, type];
  keep("panels", JSON.stringify(chosen.value));
}

/** What had the focus is gone: the writing goes on, or with a touch screen, where that would bring the keyboard up, the reading. */
export function refocus(): void {
  const next = matchMedia("(hover: hover)").matches ? ".composers textarea" : ".scroller";
  document.querySelector<HTMLElement>(next)?.focus({ preventScroll: true });
}

function media(query: string) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => {
    matches.value = list.matches;
  });
  return matches;
}
