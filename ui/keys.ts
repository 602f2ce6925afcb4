/** Keys that work everywhere on the page. */
import { present } from "./chat.ts";
import { step } from "./rooms.ts";
import { type DialogName, dialog } from "./view.ts";

/** With Ctrl, or ⌘. */
const OPENED: Record<string, DialogName> = { K: "switcher", "Shift+F": "search" };

export function listenForKeys(): void {
  addEventListener("keydown", event => {
    if (!present.peek() || event.defaultPrevented || event.isComposing) return;
    if (handle(event)) event.preventDefault();
  });
}

function handle({ key, ctrlKey, metaKey, altKey, shiftKey, target }: KeyboardEvent): boolean {
  const opened = (ctrlKey || metaKey) && !altKey && OPENED[`${shiftKey ? "Shift+" : ""}${key.toUpperCase()}`];
  if (opened) {
    dialog.value = dialog.peek() === opened ? "" : opened;
    return true;
  }
  if (document.querySelector("dialog[open]")) return false;
  if (altKey && !ctrlKey && !metaKey && (key === "ArrowUp" || key === "ArrowDown")) {
    step(key === "ArrowUp" ? -1 : 1);
    return true;
  }
  if (key === "?" && !ctrlKey && !metaKey && !isField(target)) {
    dialog.value = "shortcuts";
    return true;
  }
  return false;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input, textarea, select") || target.isContentEditable);
}
