/** One button that records, ends and sends, and what is beside it meanwhile. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useHold } from "./hold.ts";
import { Icon } from "./icon.tsx";
import { clock, MAX_MS } from "./measures.ts";
import { microphones } from "./microphone.ts";
import type { Recorder } from "./recorder.ts";
import { restore } from "./restore.ts";
import { Review } from "./review.tsx";
import { type Booth, change, discard, record, review, type Stage, send, stage } from "./studio.ts";
import { Bars } from "./waveform.tsx";

/** From here on it says how much is left. */
const WARNING_MS = 10_000;

export function Composer(place: Booth) {
  const { shell } = place;
  const at = stage.value;
  const hold = useHold(() => void record(place));
  useEscape(at.name !== "idle");
  useEffect(() => restore(shell), [shell]);
  const { label, icon, act } = BUTTONS[at.name];
  return (
    <div class={`voice-composer ${at.name}`}>
      {at.name !== "idle" && (
        <section class="voice-panel" aria-label={shell.t("recording")}>
          <Panel at={at} place={place} held={hold.held} />
        </section>
      )}
      {hold.held && (
        <span class="voice-lock">
          <Icon name="lock" />
          <span class="hidden">{shell.t("lock")}</span>
        </span>
      )}
      <button
        type="button"
        class={hold.held ? "voice-button held" : "voice-button"}
        aria-label={shell.t(label)}
        title={shell.t(label)}
        // Disabled, it would not hear of the finger that holds it.
        aria-disabled={!act}
        {...hold.handlers}
        onClick={() => hold.isClick() && act?.(place)}
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
  asking: { label: "record", icon: "microphone" },
  recording: { label: "stop", icon: "stop", act: () => review() },
  finishing: { label: "send", icon: "send" },
  review: { label: "send", icon: "send", act: send },
  fault: { label: "record", icon: "microphone", act: record },
};

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

type PanelProps = { at: Stage; place: Booth; held: boolean };

function Panel({ at, place, held }: PanelProps) {
  const { shell } = place;
  switch (at.name) {
    case "recording":
      return <Running place={at.place} here={place.room} recorder={at.recorder} held={held} />;
    case "review":
      return <Review {...at} here={place.room} />;
    case "fault":
      return (
        <>
          <p class="voice-words" role="alert">
            {shell.t(at.fault)} {at.fault === "insecure" && <a href="ca">{new URL("ca", document.baseURI).href}</a>}
          </p>
          <Tool name="close" label={shell.t("close")} act={discard} />
        </>
      );
    default:
      return (
        <p class="voice-words" role="status">
          {at.name !== "idle" && shell.t(at.name)}
        </p>
      );
  }
}

type RunningProps = { place: Booth; here: string; recorder: Recorder; held: boolean };

function Running({ place: { shell, room, roomName }, here, recorder, held }: RunningProps) {
  const paused = recorder.paused.value;
  const ms = recorder.ms.value;
  const leftMs = MAX_MS - ms;
  return (
    <>
      {!held && <Tool name="discard" label={shell.t("discard")} act={discard} />}
      <span class={paused ? "voice-dot paused" : "voice-dot"} />
      <span class="voice-time" role="timer">
        {clock(Math.floor(ms / 1_000))}
      </span>
      {held ? (
        <span class="voice-words">{shell.t("cancel")}</span>
      ) : (
        <div class="voice-live">
          <Bars peaks={recorder.levels.value} />
        </div>
      )}
      <span class="voice-note" role="status">
        {leftMs <= WARNING_MS
          ? shell.t("ends", { n: Math.ceil(leftMs / 1_000) })
          : room !== here && shell.t("to", { room: `#${roomName}` })}
      </span>
      {!held && <Microphones recorder={recorder} label={shell.t("microphone")} />}
      {!held && (
        <Tool
          name={paused ? "microphone" : "pause"}
          label={shell.t(paused ? "resume" : "pause")}
          act={() => (paused ? recorder.resume() : recorder.pause())}
        />
      )}
      {!held && <Tool name="send" label={shell.t("send")} act={send} />}
    </>
  );
}

/** Which microphone, where there are several. */
function Microphones({ recorder, label }: { recorder: Recorder; label: string }) {
  const [all, setAll] = useState<{ id: string; name: string }[]>([]);
  const alive = useRef(true);
  useEffect(() => {
    const look = () => microphones().then(found => alive.current && setAll(found));
    look();
    navigator.mediaDevices.addEventListener("devicechange", look);
    return () => {
      alive.current = false;
      navigator.mediaDevices.removeEventListener("devicechange", look);
    };
  }, []);
  if (all.length < 2) return null;
  return (
    <select
      class="voice-microphones"
      aria-label={label}
      title={label}
      value={recorder.microphone}
      onChange={event => change(event.currentTarget.value)}
    >
      {all.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

type ToolProps = { name: "discard" | "pause" | "microphone" | "send" | "close"; label: string; act(): unknown };

export function Tool({ name, label, act }: ToolProps) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => act()}>
      <Icon name={name} />
    </button>
  );
}
