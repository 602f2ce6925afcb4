/** Which of the rows of voice messages have the reader's eye, or the keyboard's. */
import { signal } from "@preact/signals";

/** The id of what is played, if its row can be seen: then it needs no other place on the screen. */
export const seen = signal("");
/** The id of the one that has the focus, or had it last. */
export const focused = signal("");
/** The id of the one that somebody wants to see, and whose row is not there yet. */
let wanted = "";

const ENOUGH = 0.5;

const rowOf = (id: string) =>
  document.querySelector<HTMLElement>(`[data-voice="${CSS.escape(id)}"]`)?.closest("article");

/** That one is played from now on. */
export function lookFor(id: string): void {
  const row = rowOf(id)?.getBoundingClientRect();
  const box = document.querySelector("[role=log]")?.getBoundingClientRect();
  seen.value = row && box && row.bottom > box.top && row.top < box.bottom ? id : "";
}

/** Follows the row of what is played, as long as it is drawn; returns what ends that. */
export function watch(id: string): () => void {
  const row = rowOf(id);
  if (!row) return () => {};
  const observer = new IntersectionObserver(
    ([entry]) => {
      seen.value = (entry as IntersectionObserverEntry).intersectionRatio >= ENOUGH ? id : "";
    },
    { threshold: ENOUGH },
  );
  observer.observe(row);
  if (wanted === id) lead(id);
  return () => {
    observer.disconnect();
    if (seen.peek() === id) seen.value = "";
  };
}

/** Brings its row into sight, now or when its room has been opened. */
export function lead(id: string): void {
  const row = rowOf(id);
  wanted = row ? "" : id;
  row?.scrollIntoView({ block: "center" });
  row?.focus({ preventScroll: true });
}

addEventListener("focusin", ({ target }) => {
  const row = (target as Element).closest("article");
  if (row) focused.value = row.querySelector<HTMLElement>("[data-voice]")?.dataset.voice ?? "";
});
