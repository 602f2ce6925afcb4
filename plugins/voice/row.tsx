/** A voice message in the timeline. */
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { spoken } from "./measures.ts";
import {
  current,
  failed,
  listenedTo,
  loading,
  playing,
  position,
  RATES,
  rate,
  seek,
  setRate,
  toggle,
  type Voice,
  type VoiceShell,
} from "./player.ts";
import { save } from "./save.ts";
import { focused, watch } from "./sight.ts";
import { Waveform } from "./waveform.tsx";

const FAULTS = ["unplayable", "unsaved"];

export function Row({ shell, message }: { shell: VoiceShell; message: Voice }) {
  const { id, author, body } = message;
  const listened = listenedTo(shell);
  // Each row looks at what concerns it alone: there may be hundreds.
  const state = useComputed(() => {
    const isNew = author.id !== shell.me.id && !listened.hasHeard(id);
    const marks = ["voice", current.value?.id === id && "current", focused.value === id && "focused", isNew && "new"];
    if (failed.value?.id === id) marks.push(failed.value.why);
    return marks.filter(Boolean).join(" ");
  }).value;
  const leftAt = useComputed(() => listened.positionOf(id)).value;
  const is = (name: string) => state.includes(name);
  const why = FAULTS.find(is);
  const isCurrent = is("current");
  // Of hundreds, Tab stops, and more is offered, only where the reader is, or listens.
  const reachable = isCurrent || is("focused");
  const length = body.durationMs / 1_000;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      class={state}
      data-voice={id}
      role="group"
      aria-label={shell.t("message", { length: spoken(length, shell.language) })}
    >
      <PlayButton shell={shell} message={message} current={isCurrent} reachable={reachable} />
      <Waveform
        peaks={body.peaks}
        length={length}
        at={isCurrent ? position.value : leftAt}
        current={isCurrent}
        words={wordsOf(shell)}
        reachable={reachable}
        seek={to => seek(message, to)}
        toggle={() => toggle(message)}
      />
      {is("new") && <span class="voice-new" role="img" aria-label={shell.t("unheard")} title={shell.t("unheard")} />}
      {isCurrent && <Current shell={shell} id={id} />}
      {reachable && (
        <div class="row-actions voice-actions">
          <button type="button" class="small-button" onClick={() => save(message, shell)}>
            {shell.t("save")}
          </button>
        </div>
      )}
      {why && (
        <span class="voice-fault" role="alert">
          {shell.t(why)}
        </span>
      )}
    </div>
  );
}

function Current({ shell, id }: { shell: VoiceShell; id: string }) {
  useEffect(() => watch(id), [id]);
  return <Speed shell={shell} />;
}

type ButtonProps = { shell: VoiceShell; message: Voice; current?: boolean; reachable?: boolean };

export function PlayButton({ shell, message, current = true, reachable = true }: ButtonProps) {
  const isPlaying = current && playing.value;
  const isLoading = current && loading.value;
  const label = shell.t(isPlaying ? "pause" : "play");
  return (
    <button
      type="button"
      class="voice-play"
      tabIndex={reachable ? 0 : -1}
      aria-label={label}
      aria-busy={isLoading}
      title={label}
      onClick={() => toggle(message)}
    >
      <Icon name={isPlaying ? "pause" : "play"} />
    </button>
  );
}

export function Speed({ shell }: { shell: VoiceShell }) {
  return (
    <select
      class="small-button voice-speed"
      aria-label={shell.t("speed")}
      title={shell.t("speed")}
      value={rate.value}
      // Its arrow keys are its own, and not the timeline's.
      onKeyDown={event => /^(Arrow|Home|End|Page)/.test(event.key) && event.stopPropagation()}
      onChange={event => setRate(Number(event.currentTarget.value))}
    >
      {RATES.map(rate => (
        <option key={rate} value={rate}>
          {rate}×
        </option>
      ))}
    </select>
  );
}

export function wordsOf(shell: VoiceShell) {
  return {
    position: shell.t("position"),
    of: (at: string, all: string) => shell.t("of", { at, all }),
    language: shell.language,
  };
}
