/** Finds messages by their words, in this room or in all, and goes to the one that is picked. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Message } from "../core/plugin.ts";
import { Choice, Choices } from "./choices.tsx";
import { type Answer, request } from "./connection.ts";
import { dayName, dayOf, time } from "./dates.ts";
import { Dialog } from "./dialog.tsx";
import { excerptOf } from "./excerpt.ts";
import { show } from "./goto.ts";
import { t } from "./i18n.ts";
import { useLong } from "./long.ts";
import { reason } from "./reason.ts";
import { lineOf } from "./registry.ts";
import { current, heldRoom } from "./rooms.ts";
import { identity } from "./timeline.ts";
import { closeDialog } from "./view.ts";

const MAX_QUERY = 100;
/** Whoever types on does not want to know of half a word. */
const PAUSE_MS = 150;

/** What was looked for last: whoever comes back from one message may want the next. */
const typed = signal("");
const isEverywhere = signal(true);

type Page = { messages: Message[]; older: boolean; behind: number };
/** The newest first; `refusal` where the last page could not be had. */
type Found = { query: string; messages: Message[]; older: boolean; behind: number; refusal: string };
type Searching = { found: Found | undefined; isBusy: boolean; more(): void };

export function Search() {
  const [at, setAt] = useState(0);
  const room = current.value;
  const { found, isBusy, more } = useSearch(typed.value.trim(), isEverywhere.value ? undefined : room.id);
  const messages = found?.messages ?? [];
  const chosen = messages[Math.min(at, messages.length - 1)];
  const pick = (message: Message) => {
    closeDialog();
    show(message);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && chosen) pick(chosen);
    else if (event.key === "ArrowDown") setAt(Math.min(at + 1, messages.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t("search")} kind="search" onClose={closeDialog}>
      <input
        class="field"
        role="combobox"
        aria-label={t("searchFor")}
        aria-expanded={messages.length > 0}
        aria-controls="found"
        aria-activedescendant={chosen ? "found-chosen" : undefined}
        aria-autocomplete="list"
        autocomplete="off"
        autofocus
        maxLength={MAX_QUERY}
        placeholder={t("searchFor")}
        value={typed.value}
        onInput={event => {
          typed.value = event.currentTarget.value;
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <Where room={`#${room.name.value}`} />
      {messages.length > 0 && (
        <div id="found" class="found" role="listbox" aria-label={t("messagesFound")}>
          {messages.map(message => (
            <Hit
              key={identity(message)}
              message={message}
              query={found?.query ?? ""}
              isChosen={message === chosen}
              pick={pick}
            />
          ))}
        </div>
      )}
      <Note found={found} isBusy={isBusy} />
      {found?.older && (
        <button type="button" class="button" disabled={isBusy} onClick={more}>
          {t("olderFound")}
        </button>
      )}
    </Dialog>
  );
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

type HitProps = { message: Message; query: string; isChosen: boolean; pick(message: Message): void };

function Hit({ message, query, isChosen, pick }: HitProps) {
  const { author, at, room } = message;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard works in the field, which points here
    // biome-ignore lint/a11y/useFocusableInteractive: as above
    <div
      id={isChosen ? "found-chosen" : undefined}
      ref={row => {
        if (isChosen) row?.scrollIntoView({ block: "nearest" });
      }}
      class="hit"
      role="option"
      aria-selected={isChosen}
      onClick={() => pick(message)}
    >
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

/** What there is to say where no message is. */
function Note({ found, isBusy }: { found: Found | undefined; isBusy: boolean }) {
  const isLong = useLong(isBusy);
  const note = noteOf(found, isLong);
  return (
    <p class="note" role="status">
      {note}
    </p>
  );
}

function noteOf(found: Found | undefined, isLong: boolean): string {
  if (isLong) return t("searching");
  if (!found) return t("searchHint");
  if (found.refusal !== "") return found.refusal;
  if (found.behind > 0) return t("searchBehind", { n: found.behind });
  return found.messages.length === 0 ? t("nothingFound", { query: found.query }) : "";
}

/** Searches when the typing pauses. What was found for other words stays until there is something for these. */
function useSearch(query: string, room: string | undefined): Searching {
  const [found, setFound] = useState<Found | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const ask = async (before?: Found): Promise<Found> => {
    const oldest = before?.messages.at(-1)?.key;
    const answer = await request<Page>("search", {
      query,
      ...(room !== undefined && { room }),
      ...(oldest !== undefined && { before: oldest }),
    });
    return foundOf(query, before?.messages ?? [], answer);
  };
  useEffect(() => {
    let isOver = false;
    setBusy(query !== "");
    if (query === "") setFound(undefined);
    const timer = setTimeout(async () => {
      if (query === "") return;
      const answer = await ask();
      if (isOver) return;
      setFound(answer);
      setBusy(false);
    }, PAUSE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [query, room]);
  const more = async () => {
    setBusy(true);
    const answer = await ask(found);
    setFound(now => (now === found ? answer : now));
    setBusy(false);
  };
  return { found, isBusy, more };
}

function foundOf(query: string, before: readonly Message[], answer: Answer<Page>): Found {
  const none = { query, messages: [...before], older: before.length > 0, behind: 0, refusal: "" };
  // Nothing but signs is no fault: there is more to come.
  if (!answer.ok) return { ...none, refusal: answer.code === "invalid" ? "" : reason(answer.code, answer.message) };
  const { messages, older, behind } = answer;
  return { ...none, messages: [...before, ...messages.toReversed()], older, behind };
}
