/** Keys that work everywhere on the page. */
import { present } from "./chat.ts";
import { step } from "./rooms.ts";
import { dialog } from "./view.ts";

export function listenForKeys(): void {
  addEventListener("keydown", event => {
    if (!present.peek() || event.defaultPrevented || event.isComposing) return;
    if (handle(event)) event.preventDefault();
  });
}

function handle({ key, ctrlKey, metaKey, altKey, shiftKey, target }: KeyboardEvent): boolean {
  if ((ctrlKey || metaKey) && !altKey && !shiftKey && key.toLowerCase() === "k") {
    dialog.value = dialog.peek() === "switcher" ? "" : "switcher";
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
