/** How loud a recording is, as the slider that one seeks with. */
import { useState } from "preact/hooks";
import { clock } from "./measures.ts";

const BARS = 48;
const PITCH = 4;
const HEIGHT = 32;
const STEP_S = 5;

type Props = {
  peaks: readonly number[];
  /** Seconds. */
  length: number;
  at: number;
  words: { position: string; of: (at: string, all: string) => string; language: string };
  seek(seconds: number): void;
};

export function Waveform({ peaks, length, at, words, seek }: Props) {
  /** Where the pointer holds it. */
  const [held, setHeld] = useState<number>();
  const shown = Math.min(held ?? at, length);
  const follow = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const to = Math.min(1, Math.max(0, (event.clientX - left) / width)) * length;
    setHeld(to);
    return to;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowLeft: at - STEP_S, ArrowRight: at + STEP_S, Home: 0, End: length }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    seek(Math.min(length, Math.max(0, to)));
  };
  return (
    <div
      class="voice-wave"
      role="slider"
      tabIndex={0}
      aria-label={words.position}
      aria-valuemin={0}
      aria-valuemax={Math.round(length)}
      aria-valuenow={Math.round(shown)}
      aria-valuetext={words.of(spoken(shown, words.language), spoken(length, words.language))}
      title={clock(shown)}
      onKeyDown={onKeyDown}
      onPointerDown={event => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={event => held !== undefined && follow(event)}
      onPointerUp={event => {
        if (held === undefined) return;
        seek(follow(event));
        setHeld(undefined);
      }}
      onPointerCancel={() => setHeld(undefined)}
    >
      <Bars peaks={reduced(peaks)} played={length > 0 ? shown / length : 0} />
    </div>
  );
}

/** Bars of one byte each; those up to `played`, of 1, in another colour. */
export function Bars({ peaks, played = 0 }: { peaks: readonly number[]; played?: number }) {
  const first = Math.round(played * peaks.length);
  return (
    <svg viewBox={`0 0 ${peaks.length * PITCH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={lines(peaks, first, peaks.length)} />
      {first > 0 && <path class="voice-played" d={lines(peaks, 0, first)} />}
    </svg>
  );
}

function lines(peaks: readonly number[], from: number, to: number): string {
  let path = "";
  for (let at = from; at < to; at++) {
    const half = 1 + Math.round(((peaks[at] as number) / 255) * (HEIGHT - 4)) / 2;
    path += `M${at * PITCH + PITCH / 2} ${HEIGHT / 2 - half}v${half * 2}`;
  }
  return path;
}

/** Peaks never change, so each recording's are read once, however often they are drawn. */
const reductions = new WeakMap<readonly number[], readonly number[]>();

/** The loudest of those that share a bar. */
function reduced(peaks: readonly number[]): readonly number[] {
  const known = reductions.get(peaks);
  if (known) return known;
  const bars = Array.from({ length: BARS }, (_, bar) => {
    const from = Math.floor((bar * peaks.length) / BARS);
    return Math.max(...peaks.slice(from, Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / BARS))));
  });
  reductions.set(peaks, bars);
  return bars;
}

/** Seconds in words. */
function spoken(seconds: number, language: string): string {
  const whole = Math.round(seconds);
  const rest = formatOf(language, "second").format(whole % 60);
  return whole < 60 ? rest : `${formatOf(language, "minute").format(Math.floor(whole / 60))} ${rest}`;
}

/** Making one takes longer than all else that a row is made of. */
const formats = new Map<string, Intl.NumberFormat>();

function formatOf(language: string, unit: "minute" | "second"): Intl.NumberFormat {
  const key = `${language} ${unit}`;
  const format = formats.get(key) ?? new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" });
  formats.set(key, format);
  return format;
}
