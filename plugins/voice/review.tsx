/** What was recorded, to be heard before it is sent. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { Tool } from "./composer.tsx";
import { Icon } from "./icon.tsx";
import { clock } from "./measures.ts";
import { close } from "./player.ts";
import { wordsOf } from "./row.tsx";
import { discard, type Stage } from "./studio.ts";
import { Waveform } from "./waveform.tsx";

export function Review({ tape: { place }, finished, url, why, here }: Props) {
  const { shell, room, roomName } = place;
  const { audio, at, playing, seek } = useAudio(url);
  const length = finished.durationMs / 1_000;
  const label = shell.t(playing ? "pause" : "play");
  const to = room !== here && <span class="voice-note">{shell.t("to", { room: `#${roomName}` })}</span>;
  return (
    <>
      <span class={why ? "voice-why" : "hidden"} role="status">
        {shell.t(why || "review")} {why && to}
      </span>
      <Tool name="discard" label={shell.t("discard")} act={discard} />
      <button
        type="button"
        class="voice-play"
        aria-label={label}
        title={label}
        onClick={() => (audio.paused ? audio.play() : audio.pause())}
      >
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <Waveform peaks={finished.peaks} length={length} at={at} words={wordsOf(shell)} seek={seek} />
      <span class="voice-time">{clock(length - at)}</span>
      {!why && to}
    </>
  );
}

type Props = Extract<Stage, { name: "review" }> & { here: string };

function useAudio(url: string) {
  const audio = useMemo(() => new Audio(url), [url]);
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    const follow = () => {
      setAt(audio.ended ? 0 : audio.currentTime);
      setPlaying(!audio.paused);
      // One voice at a time.
      if (!audio.paused) close();
    };
    const events = ["play", "pause", "ended", "timeupdate", "seeked"];
    for (const event of events) audio.addEventListener(event, follow);
    return () => {
      for (const event of events) audio.removeEventListener(event, follow);
      audio.pause();
    };
  }, [audio]);
  const seek = (seconds: number) => {
    audio.currentTime = seconds;
    setAt(seconds);
  };
  return { audio, at, playing, seek };
}
