/** The person's own menu. */
import { Choice, Choices } from "./choices.tsx";
import { Dialog } from "./dialog.tsx";
import { choose, LANGUAGES, type Language, language, t } from "./i18n.ts";
import { me } from "./session.ts";
import { dress, THEMES, theme } from "./theme.ts";
import { closeDialog, type DialogName, dialog } from "./view.ts";

export function Account() {
  return (
    <Dialog title={me.value.name} kind="account" onClose={closeDialog}>
      <Choices legend={t("theme")}>
        {THEMES.map(name => (
          <Choice
            key={name}
            group="theme"
            label={t(name)}
            checked={theme.value === name}
            onChoose={() => dress(name)}
          />
        ))}
      </Choices>
      <Choices legend={t("language")}>
        {(Object.keys(LANGUAGES) as Language[]).map(code => (
          <Choice
            key={code}
            group="language"
            label={LANGUAGES[code]}
            checked={language.value === code}
            onChoose={() => choose(code)}
          />
        ))}
      </Choices>
      <div class="menu">
        <MenuButton to="link" label={t("linkDevice")} />
        <MenuButton to="shortcuts" label={t("shortcuts")} />
        <MenuButton to="logout" label={t("logout")} />
      </div>
    </Dialog>
  );
}

function MenuButton({ to, label }: { to: DialogName; label: string }) {
  return (
    <button
      type="button"
      class="menu-button"
      onClick={() => {
        dialog.value = to;
      }}
    >
      {label}
    </button>
  );
}
