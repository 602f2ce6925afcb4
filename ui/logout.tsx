/** Asks before it forgets the person. */
import { logOut } from "./chat.ts";
import { Confirmation } from "./dialog.tsx";
import { t } from "./i18n.ts";
import { items } from "./outbox.ts";
import { closeDialog } from "./view.ts";

export function Logout() {
  const unsent = items.value.length;
  return (
    <Confirmation title={t("logout")} onClose={closeDialog} run={logOut}>
      {unsent > 0 && <p class="fault">{t("logoutUnsent", { n: unsent })}</p>}
      <p>{t("logoutHint")}</p>
    </Confirmation>
  );
}
