/** Finds messages by their words, in this room or in all, and goes to the one that is picked. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "../core/plugin.ts";
import { Choice, Choices } from "./choices.tsx";
import { type Answer, request } from "./connection.ts";
import { dayName, dayOf, time } from "./dates.ts";
import { Dialog } from "./dialog.tsx";
import { excerptOf } from "./excerpt.ts";
import { goTo } from "./goto.ts";
import { t } from "./i18n.ts";
import { isComposing } from "./ime.ts";
import { useLong } from "./long.ts";
import { reason } from "./reason.ts";
import { lineOf } from "./registry.ts";
import { current, heldRoom } from "./rooms.ts";
import { me } from "./session.ts";
import { identity } from "./timeline.ts";
import { closeDialog } from "./view.ts";

const MAX_QUERY = 100;
/** Whoever types on does not want to know of half a word. */
const PAUSE_MS = 150;

/** What was looked for last, and by whom: whoever comes back from one message may want the next. */
const typed = signal("");
const isEverywhere = signal(true);
let whose = "";

type Page = { messages: Message[]; older: boolean; behind: number };
/** What was asked for, and came: the newest first. `refusal` says why nothing more did. */
type Found = { query: string; room: string | undefined; refusal: string } & Page;

export function Search() {
  useState(forgetOthers);
  const field = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(0);
  const here = current.value;
  const query = typed.value.trim();
  const room = isEverywhere.value ? undefined : here.id;
  const { found, isBusy, more } = useSearch(query, room);
  useLayoutEffect(() => field.current?.select(), []);
  useEffect(() => setAt(0), [query, room]);
  const messages = found?.messages ?? [];
  const chosen = Math.max(0, Math.min(at, messages.length - 1));
  useEffect(() => document.getElementById(idOf(chosen))?.scrollIntoView({ block: "nearest" }), [chosen, found?.query]);
  const isStale = found !== undefined && (found.query !== query || found.room !== room);
  const pick = (message: Message | undefined) => {
    // Of words that are no longer there nobody wants the first.
    if (!message || isStale) return;
    closeDialog();
    goTo(message);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") pick(messages[chosen]);
    else if (event.key === "ArrowDown") setAt(chosen + 1);
    else if (event.key === "ArrowUp") setAt(chosen - 1);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t("search")} kind="search" onClose={closeDialog}>
      <input
        ref={field}
        class="field"
        role="combobox"
        aria-label={t("searchFor")}
        aria-expanded={messages.length > 0}
        aria-controls={messages.length > 0 ? "found" : undefined}
        aria-activedescendant={messages.length > 0 ? idOf(chosen) : undefined}
        aria-autocomplete="list"
        autocomplete="off"
        autofocus
        maxLength={MAX_QUERY}
        placeholder={t("searchFor")}
        value={typed.value}
        onInput={event => {
          typed.value = event.currentTarget.value;
        }}
        onKeyDown={onKeyDown}
      />
      <Where room={`#${here.name.value}`} />
      <Note found={found} isBusy={isBusy} />
      {messages.length > 0 && (
        <div id="found" class={isStale ? "found stale" : "found"} role="listbox" aria-label={t("messagesFound")}>
          {messages.map((message, index) => (
            <Hit
              key={identity(message)}
              id={idOf(index)}
              message={message}
              query={found?.query ?? ""}
              isChosen={index === chosen}
              pick={pick}
            />
          ))}
        </div>
      )}
      {found?.older && !isStale && (
        <button
          type="button"
          class="button"
          onClick={async () => {
            // The first of those that come, from where the keyboard goes on.
            if (!(await more())) return;
            setAt(messages.length);
            field.current?.focus();
          }}
        >
          {t("olderFound")}
        </button>
      )}
    </Dialog>
  );
}

function idOf(index: number): string {
  return `hit-${index}`;
}

/** Another person may have come since. */
function forgetOthers(): void {
  if (whose !== me.peek().id) {
    typed.value = "";
    isEverywhere.value = true;
  }
  whose = me.peek().id;
}

function Where({ room }: { room: string }) {
  const choose = (value: boolean) => () => {
    isEverywhere.value = value;
  };
  return (
    <Choices legend={t("searchWhere")}>
      <Choice group="where" label={t("allRooms")} checked={isEverywhere.value} onChoose={choose(true)} />
      <Choice group="where" label={room} checked={!isEverywhere.value} onChoose={choose(false)} />
    </Choices>
  );
}

type HitProps = { id: string; message: Message; query: string; isChosen: boolean; pick(message: Message): void };

function Hit({ id, message, query, isChosen, pick }: HitProps) {
  const { author, at, room } = message;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard works in the field, which points here
    // biome-ignore lint/a11y/useFocusableInteractive: as above
    <div id={id} class="hit" role="option" aria-selected={isChosen} onClick={() => pick(message)}>
      <span class="hit-head">
        <strong>{author.name}</strong>
        <span>
          {`#${heldRoom(room)?.name.value ?? room} · ${dayName(dayOf(at))} `}
          <time dateTime={new Date(at).toISOString()}>{time(at)}</time>
        </span>
      </span>
      <span class="hit-line">
        {excerptOf(lineOf(message), query).map(({ text, isMatch }, index) =>
          isMatch ? <mark key={index}>{text}</mark> : text,
        )}
      </span>
    </div>
  );
}

/** How it stands, for the eye where no message shows it. */
function Note({ found, isBusy }: { found: Found | undefined; isBusy: boolean }) {
  const isLong = useLong(isBusy);
  const note = isLong ? t("searching") : noteOf(found);
  const count = found?.messages.length ?? 0;
  return (
    <p class={note === "" ? "hidden" : "note"} role="status">
      {note || t("foundCount", { n: count })}
    </p>
  );
}

function noteOf(found: Found | undefined): string {
  if (!found || !/[\p{L}\p{N}\p{S}]/u.test(found.query)) return t("searchHint");
  if (found.refusal !== "") return found.refusal;
  if (found.behind > 0) return t("searchBehind", { n: found.behind });
  return found.messages.length === 0 ? t("nothingFound", { query: found.query }) : "";
}

/** Asks when the typing pauses. What was found for other words stays until there is something for these. */
function useSearch(query: string, room: string | undefined) {
  const [found, setFound] = useState<Found | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const asked = useRef(0);
  const ask = async (before: Found | undefined): Promise<boolean> => {
    const mine = ++asked.current;
    setBusy(true);
    const oldest = before?.messages.at(-1)?.key;
    const answer = await request<Page>("search", {
      query,
      ...(room !== undefined && { room }),
      ...(oldest !== undefined && { before: oldest }),
    });
    if (asked.current !== mine) return false;
    setFound({ query, room, ...joinedTo(before, answer) });
    setBusy(false);
    return answer.ok;
  };
  useEffect(() => {
    // What is under way is of other words.
    asked.current++;
    setBusy(false);
    if (query === "") setFound(undefined);
    const timer = setTimeout(() => query !== "" && ask(undefined), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [query, room]);
  return { found, isBusy, more: () => ask(found) };
}

function joinedTo(before: Page | undefined, answer: Answer<Page>): Page & { refusal: string } {
  const { messages, older } = before ?? { messages: [], older: false };
  // Signs without a word are no fault: there is more to come.
  if (!answer.ok && answer.code === "invalid") return { messages: [], older: false, behind: 0, refusal: "" };
  if (!answer.ok) return { messages, older, behind: 0, refusal: reason(answer.code, answer.message) };
  return { ...answer, messages: [...messages, ...answer.messages.toReversed()], refusal: "" };
}
