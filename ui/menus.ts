/** What is opened now and then: loaded together, and not before. */
import "./menus.css";
import { Account } from "./account.tsx";
import { Link } from "./link.tsx";
import { Logout } from "./logout.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import { Switcher } from "./switcher.tsx";

export const menus = { account: Account, link: Link, logout: Logout, shortcuts: Shortcuts, switcher: Switcher };
