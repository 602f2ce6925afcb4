/** The first screen: who are you? */
import { useEffect, useRef, useState } from "preact/hooks";
import { decide, joinAs, joining, undecided } from "./chat.ts";
import { troubled } from "./connection.ts";
import { choose, type Key, LANGUAGES, type Language, language, t } from "./i18n.ts";
import { kept } from "./keep.ts";
import { me, problem, suggestion } from "./session.ts";

const MAX_NAME = 32;
/** What the person has to correct, rather than merely to know. */
const FAULTS: readonly (Key | "")[] = ["name-taken", "name-required", "invalid", "too-large"];

export function Join() {
  return (
    <main class="join">
      <div class="join-card">
        <Logo />
        <h1>web-chat</h1>
        {undecided.value ? <Decision /> : <NameForm />}
      </div>
      <nav class="join-languages" aria-label={t("language")}>
        {(Object.keys(LANGUAGES) as Language[]).map(code => (
          <button
            key={code}
            type="button"
            class="plain-button"
            lang={code}
            aria-pressed={code === language.value}
            onClick={() => choose(code)}
          >
            {LANGUAGES[code]}
          </button>
        ))}
      </nav>
    </main>
  );
}

function NameForm() {
  const [name, setName] = useState(kept("name"));
  const field = useRef<HTMLInputElement>(null);
  const fault = FAULTS.includes(problem.value);
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    if (fault) field.current?.select();
  }, [fault, problem.value]);
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        if (name.trim() !== "") joinAs(name.trim());
      }}
    >
      <label for="name">{t("welcome")}</label>
      <input
        ref={field}
        id="name"
        name="name"
        class="field"
        autocomplete="nickname"
        autocapitalize="words"
        spellcheck={false}
        maxLength={MAX_NAME}
        placeholder={t("name")}
        value={name}
        aria-invalid={fault}
        aria-describedby="join-note"
        onInput={event => {
          setName(event.currentTarget.value);
          problem.value = "";
        }}
      />
      <button type="submit" class="button primary" disabled={joining.value || name.trim() === ""}>
        {joining.value ? t("joining") : t("join")}
      </button>
      <div id="join-note" class={fault ? "join-note fault" : "join-note"} role="status">
        <Note />
      </div>
    </form>
  );
}

function Note() {
  if (joining.value) return troubled.value ? <p>{t("unreachable")}</p> : null;
  const free = suggestion.value;
  return (
    <>
      {problem.value !== "" && <p>{t(problem.value)}</p>}
      {free !== "" && problem.value === "name-taken" && (
        <button type="button" class="button" onClick={() => joinAs(free)}>
          {t("useName", { name: free })}
        </button>
      )}
    </>
  );
}

function Decision() {
  return (
    <div class="join-decision">
      <p>{t("linkQuestion")}</p>
      <button type="button" class="button primary" onClick={() => decide(true)}>
        {t("signIn")}
      </button>
      <button type="button" class="button" onClick={() => decide(false)}>
        {t("stay", { name: me.value.name })}
      </button>
    </div>
  );
}

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M10 4h12a7 7 0 0 1 7 7v7a7 7 0 0 1-7 7h-6.5l-5.9 4.4A1 1 0 0 1 8 28.6v-3.9A7 7 0 0 1 3 18v-7a7 7 0 0 1 7-7z" />
      <g>
        <path d="M10.5 12.5 21 11M10.5 12.5 17 19M21 11l-4 8" />
        <circle cx="10.5" cy="12.5" r="2.6" />
        <circle cx="21" cy="11" r="2.6" />
        <circle cx="17" cy="19" r="2.6" />
      </g>
    </svg>
  );
}
