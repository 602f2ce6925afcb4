/** One button that records, ends and sends, and what is beside it meanwhile. */
import { useComputed } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useHold } from "./hold.ts";
import { Icon } from "./icon.tsx";
import { Panel, spoken } from "./panel.tsx";
import type { VoiceShell } from "./player.ts";
import { restore } from "./restore.ts";
import { type Booth, discard, record, review, type Stage, send, stage } from "./studio.ts";

export function Composer(place: Booth) {
  const { shell } = place;
  const at = stage.value;
  const hold = useHold(() => void record(place));
  const isResting = at.name === "idle" || at.name === "short";
  const { box, button } = useFocus(isResting, at.name, shell);
  useEscape(at.name !== "idle");
  useEffect(() => restore(shell), [shell]);
  const { label, icon, act } = BUTTONS[at.name];
  return (
    <div ref={box} class={`voice-composer ${at.name}`}>
      <Spoken shell={shell} />
      {!isResting && (
        <section class="voice-panel" aria-label={shell.t("recording")}>
          <Panel at={at} place={place} held={hold.held} />
        </section>
      )}
      {at.name === "short" && <Hint text={shell.t("short")} />}
      {hold.held && (
        <span class="voice-lock">
          <Icon name="lock" />
          <span class="hidden">{shell.t("lock")}</span>
        </span>
      )}
      <button
        ref={button}
        type="button"
        class={hold.held ? "voice-button held" : "voice-button"}
        aria-label={shell.t(label)}
        title={shell.t(label)}
        // Disabled, it would not hear of the finger that holds it.
        aria-disabled={!act}
        {...hold.handlers}
        onClick={event => hold.isClick(event) && act?.(place)}
      >
        <Icon name={hold.held ? "microphone" : icon} />
      </button>
    </div>
  );
}

type Button = {
  label: string;
  icon: "microphone" | "stop" | "send";
  act?: (place: Booth) => unknown;
};
const BUTTONS: Record<Stage["name"], Button> = {
  idle: { label: "record", icon: "microphone", act: record },
  short: { label: "record", icon: "microphone", act: record },
  asking: { label: "record", icon: "microphone" },
  recording: { label: "stop", icon: "stop", act: () => review() },
  finishing: { label: "send", icon: "send" },
  review: { label: "send", icon: "send", act: send },
  fault: { label: "record", icon: "microphone", act: record },
};

/** It always stands there: screen readers hear of what changes in one that they know. */
function Spoken({ shell }: { shell: VoiceShell }) {
  const words = useComputed(() => spoken(stage.value, shell));
  return (
    <span class="hidden" role="status">
      {words}
    </span>
  );
}

/** In nobody's way: it goes with the next thing that somebody does. */
function Hint({ text }: { text: string }) {
  useEffect(() => {
    const events = ["pointerdown", "keydown"] as const;
    const go = () => {
      if (stage.peek().name === "short") discard();
    };
    for (const event of events) addEventListener(event, go, { capture: true });
    return () => {
      for (const event of events) removeEventListener(event, go, { capture: true });
    };
  }, []);
  return <p class="voice-hint">{text}</p>;
}

/** Esc gives up what was recorded, wherever the focus is; what has its own use for Esc comes first. */
function useEscape(active: boolean): void {
  useEffect(() => {
    if (!active) return;
    const listen = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      discard();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [active]);
}

/** What has the focus may go with the panel: it comes to the button, and in the end to where people write. */
function useFocus(isResting: boolean, name: Stage["name"], shell: VoiceShell) {
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const wasResting = useRef(true);
  // As it is before anything is drawn anew.
  const wasInside = box.current?.contains(document.activeElement);
  useLayoutEffect(() => {
    const isLost = document.activeElement === document.body;
    if (isResting && !wasResting.current && (wasInside || isLost)) shell.refocus();
    else if (wasInside && isLost) button.current?.focus();
    wasResting.current = isResting;
  }, [name]);
  return { box, button };
}
