/** The dialog that is open, if any. */
import { lazy } from "./lazy.tsx";
import type { menus } from "./menus.ts";
import { dialog, question } from "./view.ts";

const menu = (name: keyof typeof menus) => lazy(() => import("./menus.ts").then(({ menus }) => menus[name]));
const Confirmation = lazy(() => import("./dialog.tsx").then(({ Confirmation }) => Confirmation));
const DIALOGS = {
  switcher: menu("switcher"),
  search: menu("search"),
  account: menu("account"),
  link: menu("link"),
  logout: menu("logout"),
  shortcuts: menu("shortcuts"),
};

export function Dialogs() {
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
  const close = () => {
    question.value = undefined;
  };
  return (
    <Confirmation title={asked.label} onClose={close} run={asked.run}>
      <p>{asked.text}</p>
    </Confirmation>
  );
}
