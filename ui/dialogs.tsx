/** The dialog that is open, if any. */
import { useEffect } from "preact/hooks";
import { lazy } from "./lazy.tsx";
import type { menus } from "./menus.ts";
import { closeDialog, dialog, question } from "./view.ts";

const menu = (name: keyof typeof menus) =>
  lazy(() => import("./menus.ts").then(({ menus }) => menus[name]), closeDialog);
const loadConfirmation = () => import("./dialog.tsx").then(({ Confirmation }) => Confirmation);
const Confirmation = lazy(loadConfirmation, closeQuestion);

function closeQuestion(): void {
  question.value = undefined;
}

const DIALOGS = {
  switcher: menu("switcher"),
  search: menu("search"),
  account: menu("account"),
  link: menu("link"),
  logout: menu("logout"),
  shortcuts: menu("shortcuts"),
};

export function Dialogs() {
  // What is asked has to be asked without a connection, too.
  useEffect(() => void loadConfirmation().catch(() => {}), []);
  const Open = dialog.value && DIALOGS[dialog.value];
  return (
    <>
      {Open && <Open key={dialog.value} />}
      <Confirm />
    </>
  );
}

function Confirm() {
  const asked = question.value;
  if (!asked) return null;
  return (
    <Confirmation title={asked.label} onClose={closeQuestion} run={asked.run}>
      <p>{asked.text}</p>
    </Confirmation>
  );
}
