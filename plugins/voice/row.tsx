/** A voice message in the timeline. */
import { useComputed } from "@preact/signals";
import { Icon } from "./icon.tsx";
import { clock } from "./measures.ts";
import {
  current,
  failed,
  listenedTo,
  playing,
  position,
  rate,
  seek,
  toggle,
  turn,
  type Voice,
  type VoiceShell,
} from "./player.ts";
import { Waveform } from "./waveform.tsx";

export function Row({ shell, message }: { shell: VoiceShell; message: Voice }) {
  const { id, author, body } = message;
  const listened = listenedTo(shell);
  // Each row looks at what concerns it alone: there may be hundreds.
  const isCurrent = useComputed(() => current.value?.id === id).value;
  const leftAt = useComputed(() => listened.positionOf(id)).value;
  const isNew = useComputed(() => author.id !== shell.me.id && !listened.hasHeard(id)).value;
  const cannot = useComputed(() => failed.value === id).value;
  const isPlaying = isCurrent && playing.value;
  const at = isCurrent ? position.value : leftAt;
  const length = body.durationMs / 1_000;
  return (
    <div class={isCurrent ? "voice current" : "voice"}>
      <PlayButton shell={shell} message={message} isPlaying={isPlaying} />
      <Waveform peaks={body.peaks} length={length} at={at} words={wordsOf(shell)} seek={to => seek(message, to)} />
      <span class="voice-time">{clock(length - at)}</span>
      {isNew && <span class="voice-new" role="img" aria-label={shell.t("unheard")} title={shell.t("unheard")} />}
      {isCurrent && <Speed shell={shell} />}
      {cannot && (
        <span class="voice-fault" role="alert">
          {shell.t("unplayable")}
        </span>
      )}
    </div>
  );
}

type ButtonProps = { shell: VoiceShell; message: Voice; isPlaying: boolean };

export function PlayButton({ shell, message, isPlaying }: ButtonProps) {
  const label = shell.t(isPlaying ? "pause" : "play");
  return (
    <button type="button" class="voice-play" aria-label={label} title={label} onClick={() => toggle(message)}>
      <Icon name={isPlaying ? "pause" : "play"} />
    </button>
  );
}

export function Speed({ shell }: { shell: VoiceShell }) {
  const label = `${shell.t("speed")} ${rate.value}×`;
  return (
    <button type="button" class="small-button voice-speed" aria-label={label} title={shell.t("speed")} onClick={turn}>
      {rate.value}×
    </button>
  );
}

export function wordsOf(shell: VoiceShell) {
  return {
    position: shell.t("position"),
    of: (at: string, all: string) => shell.t("of", { at, all }),
    language: shell.language,
  };
}
