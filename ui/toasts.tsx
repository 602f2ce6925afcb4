/** Short notes that go by themselves. */
import { signal } from "@preact/signals";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { refocus } from "./view.ts";

const SHOWN_MS = 7_000;

const toasts = signal<readonly { id: number; text: string }[]>([]);
let nextId = 0;

export function toast(text: string): void {
  const id = nextId++;
  toasts.value = [...toasts.peek().filter(other => other.text !== text), { id, text }];
  setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  toasts.value = toasts.peek().filter(other => other.id !== id);
}

function close(id: number): void {
  dismiss(id);
  refocus();
}

export function Toasts() {
  return (
    <div class="toasts" role="status">
      {toasts.value.map(({ id, text }) => (
        <p key={id} class="toast">
          {text}
          <button type="button" class="icon-button" aria-label={t("close")} onClick={() => close(id)}>
            <Icon name="close" />
          </button>
        </p>
      ))}
    </div>
  );
}
