/** Asks before it forgets the person. */
import { logOut } from "./chat.ts";
import { Dialog } from "./dialog.tsx";
import { t } from "./i18n.ts";
import { items } from "./outbox.ts";
import { closeDialog } from "./view.ts";

export function Logout() {
  const unsent = items.value.length;
  return (
    <Dialog title={t("logout")} kind="small" onClose={closeDialog}>
      {unsent > 0 && <p class="fault">{t("logoutUnsent", { n: unsent })}</p>}
      <p>{t("logoutHint")}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={closeDialog}>
          {t("cancel")}
        </button>
        <button
          type="button"
          class="button danger"
          onClick={() => {
            closeDialog();
            logOut();
          }}
        >
          {t("logout")}
        </button>
      </div>
    </Dialog>
  );
}
