/** A modal dialog: Esc, its close button and a click beside it close it, and the focus goes back to where it was. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { refocus } from "./view.ts";
import "./dialog.css";

type Props = { title: string; kind?: string; onClose(): void; children: ComponentChildren };

export function Dialog({ title, kind = "", onClose, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  // Not useEffect: that one ends after the dialog has left the page, and then it gives the focus back to nobody.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const dialog = box.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (document.activeElement === opener && opener !== document.body) return;
      // The opener is gone, or seen only while its row has the focus.
      const row = opener?.isConnected && opener.closest<HTMLElement>("article");
      if (row) row.focus({ preventScroll: true });
      else refocus();
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

type Question = { title: string; onClose(): void; run(): void; children: ComponentChildren };

/** Asks before something that cannot be undone; the button that does it says so in the words of the title. */
export function Confirmation({ title, onClose, run, children }: Question) {
  return (
    <Dialog title={title} kind="small" onClose={onClose}>
      {children}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={onClose}>
          {t("cancel")}
        </button>
        <button
          type="button"
          class="button danger"
          onClick={() => {
            onClose();
            run();
          }}
        >
          {title}
        </button>
      </div>
    </Dialog>
  );
}
