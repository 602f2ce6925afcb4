/** What is played, above the room: while its row is in another one, or out of sight. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { close, current, forget, position, seek, toggle, type Voice, type VoiceShell } from "./player.ts";
import { forget as forgetRecordings } from "./restore.ts";
import { PlayButton, Speed, wordsOf } from "./row.tsx";
import { lead, seen } from "./sight.ts";
import { Waveform } from "./waveform.tsx";

export function Dock({ shell }: { shell: VoiceShell }) {
  useEffect(
    () => () => {
      // It leaves the page when nobody is signed in any more.
      forget();
      forgetRecordings();
    },
    [],
  );
  const message = current.value;
  return message && seen.value !== message.id ? <Player shell={shell} message={message} /> : null;
}

function Player({ shell, message }: { shell: VoiceShell; message: Voice }) {
  const { id, room, author, body } = message;
  const box = useRef<HTMLElement>(null);
  useLayoutEffect(
    () => () => {
      if (box.current?.contains(document.activeElement)) shell.refocus();
    },
    [],
  );
  const label = shell.t("close");
  return (
    <section ref={box} class="voice-dock" aria-label={shell.t("player", { name: author.name })}>
      <PlayButton shell={shell} message={message} />
      <a
        class="voice-from"
        href={`#/room/${encodeURIComponent(room)}`}
        title={shell.t("show")}
        onClick={() => lead(id)}
      >
        <strong class="author">{author.name}</strong> <span>#{shell.roomName(room)}</span>
      </a>
      <Waveform
        peaks={body.peaks}
        length={body.durationMs / 1_000}
        at={position.value}
        current={true}
        words={wordsOf(shell)}
        seek={to => seek(message, to)}
        toggle={() => toggle(message)}
      />
      <Speed shell={shell} />
      <button type="button" class="icon-button" aria-label={label} title={label} onClick={close}>
        <Icon name="close" />
      </button>
    </section>
  );
}
