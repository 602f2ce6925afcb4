/** What is played, above everything: it stays while the reader moves between rooms. */
import { useEffect } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { clock } from "./measures.ts";
import { close, current, playing, position, seek, type VoiceShell } from "./player.ts";
import { forget } from "./restore.ts";
import { PlayButton, Speed, wordsOf } from "./row.tsx";
import { Waveform } from "./waveform.tsx";

export function Dock({ shell }: { shell: VoiceShell }) {
  useEffect(
    () => () => {
      // It leaves the page when nobody is signed in any more.
      close();
      forget();
    },
    [],
  );
  const message = current.value;
  if (!message) return null;
  const length = message.body.durationMs / 1_000;
  const at = position.value;
  const label = shell.t("close");
  return (
    <section class="voice-dock" aria-label={shell.t("player", { name: message.author.name })}>
      <PlayButton shell={shell} message={message} isPlaying={playing.value} />
      <strong class="author">{message.author.name}</strong>
      <Waveform
        peaks={message.body.peaks}
        length={length}
        at={at}
        words={wordsOf(shell)}
        seek={to => seek(message, to)}
      />
      <span class="voice-time">{clock(length - at)}</span>
      <Speed shell={shell} />
      <button type="button" class="icon-button" aria-label={label} title={label} onClick={close}>
        <Icon name="close" />
      </button>
    </section>
  );
}
