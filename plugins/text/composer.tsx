/** The field that people write in. */
import type { ComponentProps } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Shell } from "../../core/plugin.ts";
import text, { MAX_CHARACTERS } from "./message.ts";

/** From here on it says how much is left. */
const NEAR_CHARACTERS = 500;
/** As much of the draft as makes the field as tall as it gets: laying out a huge paste a second time would freeze the page. */
const MIRRORED = 4_000;
/** An input method that is at work: its Enter takes a word over and sends nothing. Safari says it by key code only. */
const COMPOSING_KEY = 229;

type Body = { text: string };
type Props = { shell: Shell<Body>; room: string; roomName: string; typed(unsent: boolean): void };

export function Composer(props: Props) {
  const { shell, room, roomName } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const judge = useRef<((draft: string) => string) | undefined>(undefined);
  const { draft, fault, left, change, send } = useDraft(props, judge);
  const sendable = draft.trim() !== "" && left >= 0;
  const wrong = left < 0 || fault !== "";
  const label = shell.t("message", { room: `#${roomName}` });
  useEffect(() => {
    // On a phone this would bring the keyboard up unasked.
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [room]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (sendable) send();
    field.current?.focus();
  };
  return (
    <form class="text-composer" onSubmit={submit}>
      {draft.startsWith("/") && field.current && (
        <Slash shell={shell} draft={draft} field={field.current} change={change} judge={judge} />
      )}
      {/* The style sheet draws the text once more, unseen, and so makes this as tall as the field has to be. */}
      <div class="text-field" data-text={draft.slice(0, MIRRORED)}>
        <textarea
          ref={field}
          rows={1}
          value={draft}
          placeholder={label}
          aria-label={label}
          aria-describedby="text-note"
          aria-invalid={wrong}
          enterkeyhint="send"
          dir="auto"
          onInput={event => change(event.currentTarget.value)}
          onKeyDown={event => isSend(event) && submit(event)}
        />
      </div>
      <span id="text-note" class={wrong ? "text-note fault" : "text-note"} role="status">
        {fault || (left <= NEAR_CHARACTERS && shell.t("left", { used: MAX_CHARACTERS - left, most: MAX_CHARACTERS }))}
      </span>
      <button type="submit" class="text-send" aria-label={shell.t("send")} disabled={!sendable}>
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M2 8h8M2 8 1.5 2.5 14.5 8l-13 5.5z" />
        </svg>
      </button>
    </form>
  );
}

type Judge = { readonly current: ((draft: string) => string) | undefined };
/** Loaded when somebody begins a command. */
let Commands: typeof import("./commands.tsx").Commands | undefined;

function Slash(props: ComponentProps<NonNullable<typeof Commands>>) {
  const [, loaded] = useState(false);
  useEffect(() => {
    import("./commands.tsx").then(
      module => {
        Commands = module.Commands;
        loaded(true);
      },
      // What is written out works without the menu.
      () => {},
    );
  }, []);
  return Commands ? <Commands {...props} /> : null;
}

/** The text that is being written, kept for each room. */
function useDraft({ shell, room, typed }: Props, judge: Judge) {
  const [draft, setDraft] = useState(() => shell.recall(`draft:${room}`));
  const [fault, setFault] = useState("");
  function change(to: string) {
    setDraft(to);
    setFault("");
    shell.remember(`draft:${room}`, to);
    typed(to.trim() !== "");
  }
  function send() {
    try {
      if (shell.command(draft, room)) return change("");
      const doubt = judge.current?.(draft);
      if (doubt) return setFault(doubt);
      // The shell would refuse it too, but by then the field would be empty.
      text.parse({ text: draft });
    } catch (error) {
      setFault((error as Error).message);
      return;
    }
    shell.send({ text: draft }, { room });
    change("");
  }
  return { draft, fault, left: MAX_CHARACTERS - count(draft), change, send };
}

function isSend({ key, shiftKey, isComposing, keyCode }: KeyboardEvent): boolean {
  return key === "Enter" && !shiftKey && !isComposing && keyCode !== COMPOSING_KEY;
}

/** Characters as the message type counts them; exact only where it matters. */
function count(draft: string): number {
  return draft.length < MAX_CHARACTERS - NEAR_CHARACTERS ? draft.length : [...draft].length;
}
