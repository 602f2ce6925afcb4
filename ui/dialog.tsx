/** A modal dialog: Esc, its close button and a click beside it close it, and the focus goes back to where it was. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";

type Props = { title: string; kind?: string; onClose(): void; children: ComponentChildren };

export function Dialog({ title, kind = "", onClose, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    const dialog = box.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      // Where the opener went away with the dialog, the writing goes on.
      if (!opener?.isConnected || opener === document.body) document.querySelector<HTMLElement>("textarea")?.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Esc, which the dialog brings
    <dialog
      ref={box}
      class={`dialog ${kind}`}
      aria-label={title}
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onClick={event => {
        if (event.target === box.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2>{title}</h2>
          <button type="button" class="icon-button" aria-label={t("close")} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
