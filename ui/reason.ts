/** Why something was refused, in the reader's language where that is known. */
import { type Key, t } from "./i18n.ts";
import { en } from "./strings.ts";

export function reason(code: string, message: string): string {
  return Object.hasOwn(en, code) ? t(code as Key) : message || code;
}
