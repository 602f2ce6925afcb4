/** What is opened now and then: loaded together, and not before. */
import "./menus.css";
import { Account } from "./account.tsx";
import { Link } from "./link.tsx";
import { Logout } from "./logout.tsx";
import { en as texts } from "./menu-strings.ts";
import { Search } from "./search.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import { en } from "./strings.ts";
import { Switcher } from "./switcher.tsx";

Object.assign(en, texts);

export const menus = {
  account: Account,
  link: Link,
  logout: Logout,
  search: Search,
  shortcuts: Shortcuts,
  switcher: Switcher,
};
