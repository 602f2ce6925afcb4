/** Goes to a room by a few letters of its name, and makes one where there is none. */
import { useState } from "preact/hooks";
import { createRoom } from "./chat.ts";
import { Dialog } from "./dialog.tsx";
import { t } from "./i18n.ts";
import { isComposing } from "./ime.ts";
import { reason } from "./reason.ts";
import type { Room } from "./room.ts";
import { open, rooms, visited } from "./rooms.ts";
import { closeDialog } from "./view.ts";

const MAX_NAME = 64;
const MAX_SHOWN = 50;

type Choice = { id: string; label: string; unread: number; pick(): Promise<string> };

export function Switcher() {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const [fault, setFault] = useState("");
  const choices = choicesFor(typed);
  const chosen = choices[Math.min(at, choices.length - 1)];
  const pick = async (choice: Choice | undefined) => setFault((await choice?.pick()) ?? "");
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") pick(chosen);
    else if (event.key === "ArrowDown") setAt((at + 1) % choices.length);
    else if (event.key === "ArrowUp") setAt((at + choices.length - 1) % choices.length);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t("findRoom")} kind="switcher" onClose={closeDialog}>
      <input
        class="field"
        role="combobox"
        aria-label={t("roomName")}
        aria-expanded="true"
        aria-controls="switcher-list"
        aria-activedescendant={chosen ? `switcher-${chosen.id}` : undefined}
        aria-autocomplete="list"
        autocomplete="off"
        spellcheck={false}
        autofocus
        maxLength={MAX_NAME}
        placeholder={t("roomName")}
        value={typed}
        onInput={event => {
          setTyped(event.currentTarget.value);
          setAt(0);
          setFault("");
        }}
        onKeyDown={onKeyDown}
      />
      <Choices choices={choices} chosen={chosen} onPick={pick} />
      {fault !== "" && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
    </Dialog>
  );
}

type ChoicesProps = { choices: Choice[]; chosen: Choice | undefined; onPick(choice: Choice): void };

function Choices({ choices, chosen, onPick }: ChoicesProps) {
  return (
    <div id="switcher-list" class="switcher-list" role="listbox" aria-label={t("rooms")}>
      {choices.map(choice => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard works in the field, which points here
        // biome-ignore lint/a11y/useFocusableInteractive: as above
        <div
          key={choice.id}
          id={`switcher-${choice.id}`}
          class="switcher-choice"
          role="option"
          aria-selected={choice === chosen}
          onClick={() => onPick(choice)}
        >
          <span>{choice.label}</span>
          {choice.unread > 0 && <span class="count">{choice.unread}</span>}
        </div>
      ))}
    </div>
  );
}

/** The rooms whose names hold what was typed, visited ones first, and a new one unless that is the name of one. */
function choicesFor(typed: string): Choice[] {
  const wanted = fold(typed);
  const found = rooms.value
    .filter(room => fold(room.name.value).includes(wanted))
    .sort((a, b) => rank(a, wanted) - rank(b, wanted))
    .slice(0, MAX_SHOWN);
  const choices: Choice[] = found.map(room => ({
    id: `room-${room.id}`,
    label: `#${room.name.value}`,
    unread: room.unread.value,
    async pick() {
      closeDialog();
      open(room.id);
      return "";
    },
  }));
  if (wanted !== "" && !found.some(room => fold(room.name.value) === wanted)) choices.push(creation(typed.trim()));
  return choices;
}

function creation(typed: string): Choice {
  const name = typed.replace(/^#/, "");
  return {
    id: "new",
    label: t("createRoom", { name: `#${name}` }),
    unread: 0,
    async pick() {
      const refusal = await createRoom(name);
      if (refusal) return reason(refusal.code, refusal.message);
      closeDialog();
      return "";
    },
  };
}

function fold(text: string): string {
  return text.trim().replace(/^#/, "").normalize("NFKC").toLowerCase();
}

function rank(room: Room, wanted: string): number {
  return (fold(room.name.value).startsWith(wanted) ? 0 : 2) + (visited.value.includes(room.id) ? 0 : 1);
}
