/** How loud a recording is, as the slider that one seeks with. */
import { useState } from "preact/hooks";
import { clock, spoken } from "./measures.ts";

const BARS = 48;
const PITCH = 4;
const HEIGHT = 32;
const STEP_S = 5;
/** Of its length: what a page up or down goes. */
const PAGE = 0.1;

type Props = {
  peaks: readonly number[];
  /** Seconds. */
  length: number;
  at: number;
  /** It is played, or was, and shows what is left. */
  current: boolean;
  words: { position: string; of: (at: string, all: string) => string; language: string };
  /** Where Tab stops. */
  reachable?: boolean;
  seek(seconds: number): void;
  toggle(): void;
};

/** The slider, and the time beside it. */
export function Waveform({ peaks, length, at, current, words, reachable = true, seek, toggle }: Props) {
  /** Where the pointer holds it. */
  const [held, setHeld] = useState<number>();
  const shown = Math.min(held ?? at, length);
  return (
    <>
      <div
        class="voice-wave"
        role="slider"
        tabIndex={reachable ? 0 : -1}
        aria-label={words.position}
        aria-valuemin={0}
        aria-valuemax={Math.round(length)}
        aria-valuenow={Math.round(shown)}
        aria-valuetext={words.of(spoken(shown, words.language), spoken(length, words.language))}
        onKeyDown={event => press(event, at, length, seek, toggle)}
        onPointerDown={event => event.button === 0 && hold(event, length, setHeld, seek)}
      >
        <Bars peaks={reduced(peaks)} played={length > 0 ? shown / length : 0} />
      </div>
      {/* Said by the slider, and in a log it would be read out each second. */}
      <span class="voice-time" aria-hidden="true">
        {clock(held ?? (current ? length - at : length))}
      </span>
    </>
  );
}

function press(
  event: KeyboardEvent,
  at: number,
  length: number,
  seek: (seconds: number) => void,
  toggle: () => void,
): void {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const page = Math.max(STEP_S, length * PAGE);
  const steps: Record<string, number> = {
    ArrowLeft: -STEP_S,
    ArrowDown: -STEP_S,
    ArrowRight: STEP_S,
    ArrowUp: STEP_S,
    PageDown: -page,
    PageUp: page,
    Home: -length,
    End: length,
  };
  const step = steps[event.key];
  if (step === undefined && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  if (step === undefined) toggle();
  else seek(Math.min(length, Math.max(0, at + step)));
}

type Held = PointerEvent & { currentTarget: HTMLElement };

/** Until the pointer is let go: what is heard goes on meanwhile. */
function hold(
  event: Held,
  length: number,
  setHeld: (seconds: number | undefined) => void,
  seek: (seconds: number) => void,
): void {
  const { currentTarget: slider, pointerId } = event;
  const done = new AbortController();
  const at = ({ clientX }: PointerEvent) => {
    const { left, width } = slider.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / width)) * length;
  };
  const on = (type: "pointermove" | "pointerup" | "pointercancel", handle: (event: PointerEvent) => void) => {
    const own = (event: PointerEvent) => event.pointerId === pointerId && handle(event);
    slider.addEventListener(type, own, { signal: done.signal });
  };
  const end = () => {
    done.abort();
    setHeld(undefined);
  };
  slider.setPointerCapture(pointerId);
  setHeld(at(event));
  on("pointermove", event => setHeld(at(event)));
  on("pointerup", event => {
    seek(at(event));
    end();
  });
  on("pointercancel", end);
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
