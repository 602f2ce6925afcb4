/** What stands in place of the composer while something is recorded, or could not be. */
import { useEffect, useState } from "preact/hooks";
import { Choice } from "./choice.tsx";
import { clock, MAX_MS } from "./measures.ts";
import type { VoiceShell } from "./player.ts";
import type { Recorder } from "./recorder.ts";
import { Review } from "./review.tsx";
import { type Booth, change, discard, type Stage, send } from "./studio.ts";
import { Tool } from "./tool.tsx";
import { Bars } from "./waveform.tsx";

/** From here on it says how much is left. */
const WARNING_MS = 10_000;

type Props = { at: Exclude<Stage, { name: "idle" | "short" }>; place: Booth; held: boolean };

export function Panel({ at, place, held }: Props) {
  const { shell, room } = place;
  switch (at.name) {
    case "recording":
      return <Running place={at.place} here={room} recorder={at.recorder} held={held} />;
    case "review":
      return <Review {...at} here={room} />;
    case "fault":
      return <Failed fault={at.fault} shell={shell} />;
    case "asking":
      return <p class="voice-words">{shell.t(at.allowed.value ? "finishing" : "asking")}</p>;
    case "finishing":
      return <p class="voice-words">{shell.t("finishing")}</p>;
  }
}

type RunningProps = { place: Booth; here: string; recorder: Recorder; held: boolean };

function Running({ place: { shell, room, roomName }, here, recorder, held }: RunningProps) {
  const paused = recorder.paused.value;
  const ms = recorder.ms.value;
  return (
    <>
      <span class="voice-note">
        {ms >= MAX_MS - WARNING_MS && <strong>{shell.t("ends", { n: secondsLeft(ms) })}</strong>}
        {room !== here && <span>{shell.t("to", { room: `#${roomName}` })}</span>}
        {recorder.refused.value && <span>{shell.t("refused")}</span>}
      </span>
      <div class="voice-lead">
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
      </div>
      {!held && recorder.canChange && (
        <Choice microphone={recorder.microphone.value} label={shell.t("microphone")} choose={change} />
      )}
      {!held && (
        <div class="voice-tail">
          <Tool
            name={paused ? "microphone" : "pause"}
            label={shell.t(paused ? "resume" : "pause")}
            act={() => (paused ? recorder.resume() : recorder.pause())}
          />
          <Tool name="send" label={shell.t("send")} act={send} />
        </div>
      )}
    </>
  );
}

const secondsLeft = (ms: number) => Math.max(0, Math.ceil((MAX_MS - ms) / 1_000));

type Fault = Extract<Stage, { name: "fault" }>["fault"];

function Failed({ fault, shell }: { fault: Fault; shell: VoiceShell }) {
  const [chosen, setChosen] = useState(shell.recall("microphone"));
  const choose = (microphone: string) => {
    shell.remember("microphone", microphone);
    setChosen(microphone);
  };
  return (
    <>
      <p class="voice-words">
        {shell.t(fault)} {fault === "insecure" && <Trust shell={shell} />}
      </p>
      <Tool name="close" label={shell.t("close")} act={discard} />
      {(fault === "busy" || fault === "missing") && (
        <Choice microphone={chosen} label={shell.t("microphone")} choose={choose} />
      )}
    </>
  );
}

/** Where a device learns to trust the node, if that has a certificate of its own. */
function Trust({ shell }: { shell: VoiceShell }) {
  const [exists, setExists] = useState(false);
  const { href } = new URL("ca", document.baseURI);
  useEffect(() => {
    fetch(href, { method: "HEAD" }).then(
      ({ ok }) => setExists(ok),
      () => {},
    );
  }, [href]);
  if (!exists) return <span>{shell.t("noTls")}</span>;
  return (
    <span>
      {shell.t("trust")} <a href="ca">{href}</a>
    </span>
  );
}

/** Of all that the panel shows, what has to be heard by who cannot see it. */
export function spoken(at: Stage, shell: VoiceShell): string {
  switch (at.name) {
    case "idle":
      return "";
    case "asking":
      return at.allowed.value ? "" : shell.t("asking");
    case "recording":
      return spokenOf(at.recorder, shell);
    case "review":
      return shell.t(at.why || "review");
    case "fault":
      return shell.t(at.fault);
    default:
      return shell.t(at.name);
  }
}

function spokenOf({ paused, ms, refused }: Recorder, shell: VoiceShell): string {
  if (paused.value) return shell.t("paused");
  const left = secondsLeft(ms.value);
  // Each second, it would be talked over all the time.
  if (left <= 10) return shell.t("ends", { n: left > 5 ? 10 : 5 });
  return shell.t(refused.value ? "refused" : "recording");
}
