/** The list of keys. */
import { Dialog } from "./dialog.tsx";
import { type Key, t } from "./i18n.ts";
import { labelOf, shortcuts } from "./tools.tsx";
import { closeDialog } from "./view.ts";

const CONTROL = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";
const KEYS: [keys: string[], does: Key][] = [
  [[CONTROL, "K"], "keySwitch"],
  [[CONTROL, "Shift", "F"], "keySearch"],
  [["Alt", "↑ ↓"], "keyNext"],
  [["Enter"], "keySend"],
  [["Shift", "Enter"], "keyBreak"],
  [["↑ ↓"], "keyRows"],
  [["End"], "keyEnd"],
  [["Esc"], "keyClose"],
  [["?"], "keyList"],
];

export function Shortcuts() {
  return (
    <Dialog title={t("shortcuts")} onClose={closeDialog}>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(does)}</dd>
          </div>
        ))}
        {[...shortcuts].map(([shortcut, plugin]) => (
          <div key={shortcut}>
            <dt>
              {shortcut.split("+").map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{labelOf(plugin)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
