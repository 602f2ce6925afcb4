/** The menu of slash commands: above the field, while the text is no more than the beginning of one. */
import { closest, distance } from "fastest-levenshtein";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Command, Shell } from "../../core/plugin.ts";
import "./commands.css";

type Props = {
  shell: Shell<{ text: string }>;
  draft: string;
  field: HTMLTextAreaElement;
  change(to: string): void;
  /** Is given what says of a text why it should not be sent, or "". */
  judge: { current: ((draft: string) => string) | undefined };
};

const BEGUN = /^\/(\S*)$/;

export function Commands({ shell, draft, field, change, judge }: Props) {
  const [at, setAt] = useState(0);
  const [closed, setClosed] = useState(false);
  const begun = BEGUN.exec(draft)?.[1];
  const offered =
    begun === undefined || closed ? [] : shell.commands.filter(({ name }) => name.startsWith(begun.toLowerCase()));
  const chosen = offered[Math.min(at, offered.length - 1)];
  const pick = ({ name }: Command) => {
    change(`/${name} `);
    setAt(0);
  };
  useJudge(shell, judge);
  useFieldKeys(field, event => {
    if (!chosen || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return false;
    // Written out it is no matter of choice any more: Enter runs it.
    const completes = event.key === "Tab" || (event.key === "Enter" && chosen.name !== begun);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.shiftKey || !(completes || step || event.key === "Escape")) return false;
    if (completes) pick(chosen);
    else if (step) setAt((offered.indexOf(chosen) + step + offered.length) % offered.length);
    else setClosed(true);
    return true;
  });
  useLayoutEffect(() => {
    if (!chosen) return;
    const words = { controls: "text-commands", activedescendant: `text-command-${chosen.name}`, autocomplete: "list" };
    for (const [name, value] of Object.entries(words)) field.setAttribute(`aria-${name}`, value);
    return () => {
      for (const name of Object.keys(words)) field.removeAttribute(`aria-${name}`);
    };
  }, [chosen?.name]);
  if (!chosen) return null;
  return (
    <div id="text-commands" class="text-commands" role="listbox" aria-label={shell.t("commands")}>
      {offered.map(command => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard works in the field, which points here
        // biome-ignore lint/a11y/useFocusableInteractive: as above
        <div
          key={command.name}
          id={`text-command-${command.name}`}
          class="text-command"
          role="option"
          aria-selected={command === chosen}
          // The field keeps the focus.
          onPointerDown={event => event.preventDefault()}
          onClick={() => pick(command)}
        >
          <strong>/{command.name}</strong> <span>{command.takes}</span> <small>{command.label}</small>
        </div>
      ))}
    </div>
  );
}

/** Before the field itself hears of a key: one that `handle` used goes no further. */
function useFieldKeys(field: HTMLTextAreaElement, handle: (event: KeyboardEvent) => boolean): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (!latest.current(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    field.addEventListener("keydown", listen, { capture: true });
    return () => field.removeEventListener("keydown", listen, { capture: true });
  }, [field]);
}

/** What looks like a command with a slip in its name is asked about once, and then sent as the text that it is. */
function useJudge(shell: Props["shell"], judge: Props["judge"]): void {
  const asked = useRef("");
  useEffect(() => {
    judge.current = draft => {
      const typed = /^\/(\S+)/.exec(draft)?.[1] ?? "";
      const names = shell.commands.map(({ name }) => name);
      if (draft === asked.current || typed.length < 3 || names.length === 0) return "";
      const name = closest(typed.toLowerCase(), names);
      if (distance(typed.toLowerCase(), name) > 1) return "";
      asked.current = draft;
      return shell.t("meant", { typed, name });
    };
    return () => {
      judge.current = undefined;
    };
  }, [shell]);
}
