/** What was recorded, to be heard before it is sent. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { wordsOf } from "./row.tsx";
import { begin } from "./solo.ts";
import { discard, type Stage } from "./studio.ts";
import { Tool } from "./tool.tsx";
import { Waveform } from "./waveform.tsx";

export function Review({ tape: { place }, finished, url, why, here }: Props) {
  const { shell, room, roomName } = place;
  const { audio, at, playing, seek } = useAudio(url);
  const length = finished.durationMs / 1_000;
  const label = shell.t(playing ? "pause" : "play");
  const toggle = () => void (audio.paused ? audio.play() : audio.pause());
  return (
    <>
      <span class="voice-note">
        {why && <span>{shell.t(why)}</span>}
        {room !== here && <span>{shell.t("to", { room: `#${roomName}` })}</span>}
      </span>
      <Tool name="discard" label={shell.t("discard")} act={discard} />
      <button type="button" class="voice-play" aria-label={label} title={label} onClick={toggle}>
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <Waveform
        peaks={finished.peaks}
        length={length}
        at={at}
        current={true}
        words={wordsOf(shell)}
        seek={seek}
        toggle={toggle}
      />
    </>
  );
}

type Props = Extract<Stage, { name: "review" }> & { here: string };

function useAudio(url: string) {
  const audio = useMemo(() => {
    const audio = new Audio(url);
    audio.addEventListener("play", () => begin(audio));
    return audio;
  }, [url]);
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    const follow = () => {
      setAt(audio.ended ? 0 : audio.currentTime);
      setPlaying(!audio.paused);
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
