/** The one player of the page: what it plays goes on while the reader moves between rooms. */
import { signal } from "@preact/signals";
import type { Message, Shell } from "../../core/plugin.ts";
import { Listened } from "./listened.ts";
import type { Recording } from "./message.ts";

export type Voice = Message<Recording> & { readonly body: Recording };
export type VoiceShell = Shell<Recording>;

const RATES = [1, 1.25, 1.5, 2, 0.5, 0.75];
const BACK_S = 5;

/** What is played, or paused. */
export const current = signal<Voice | undefined>(undefined);
export const playing = signal(false);
/** Of the current one, in seconds. */
export const position = signal(0);
export const rate = signal(1);
/** The id of one that could not be played. */
export const failed = signal("");

const audio = new Audio();
audio.preload = "none";
audio.preservesPitch = true;

let shell: VoiceShell | undefined;
let listened: Listened | undefined;
/** An address may have been a node's that is gone: another is tried once. */
let retried = false;
/** The current one follows one that was played to its end. */
let automatic = false;

/** What this browser remembers of listening. */
export function listenedTo(from: VoiceShell): Listened {
  shell = from;
  if (!listened) {
    listened = new Listened(from);
    rate.value = RATES.find(one => String(one) === from.recall("rate")) ?? 1;
  }
  return listened;
}

export function toggle(message: Voice): void {
  if (current.peek()?.id !== message.id) play(message, listened?.positionOf(message.id) ?? 0);
  else if (audio.paused) resume();
  else audio.pause();
}

/** Plays from `seconds` on; the current one goes on, or stays paused, there. */
export function seek(message: Voice, seconds: number): void {
  if (current.peek()?.id !== message.id) return play(message, seconds);
  audio.currentTime = seconds;
  position.value = seconds;
}

/** Pauses it: somebody is about to speak. */
export function hush(): void {
  audio.pause();
}

/** The next of the speeds. */
export function turn(): void {
  rate.value = RATES[(RATES.indexOf(rate.peek()) + 1) % RATES.length] as number;
  audio.defaultPlaybackRate = audio.playbackRate = rate.peek();
  shell?.remember("rate", String(rate.peek()));
}

/** Ends it; where it was is kept. */
export function close(): void {
  keepPosition();
  const gone = current.peek();
  current.value = undefined;
  playing.value = false;
  if (!gone) return;
  audio.removeAttribute("src");
  audio.load();
  if ("mediaSession" in navigator) navigator.mediaSession.metadata = null;
}

function play(message: Voice, seconds: number, follows = false): void {
  keepPosition();
  automatic = follows;
  current.value = message;
  failed.value = "";
  retried = false;
  load(seconds);
  describe(message);
}

function load(seconds: number): void {
  const message = current.peek();
  if (!message || !shell) return;
  audio.src = shell.blobUrl(message.body.blob);
  audio.defaultPlaybackRate = audio.playbackRate = rate.peek();
  audio.currentTime = seconds;
  position.value = seconds;
  resume();
}

function resume(): void {
  // Why it does not play is told by the element's events.
  audio.play().catch(() => {});
}

function keepPosition(): void {
  const message = current.peek();
  if (message) listened?.keepPosition(message, position.peek());
}

/** The next one in its room that somebody else said and that was not heard yet. */
function nextAfter({ room, key }: Voice): Voice | undefined {
  // It has no place in the room yet.
  if (key === "") return undefined;
  return shell
    ?.loaded(room)
    .find(message => message.key > key && message.author.id !== shell?.me.id && !listened?.hasHeard(message.id));
}

function follow(): void {
  if (audio.paused) return;
  position.value = audio.currentTime;
  requestAnimationFrame(follow);
}

audio.addEventListener("playing", () => {
  const message = current.peek();
  if (!message) return;
  playing.value = true;
  if (message.author.id !== shell?.me.id) listened?.hear(message.id);
  follow();
});
audio.addEventListener("timeupdate", () => {
  if (!current.peek() || audio.seeking || audio.readyState === 0) return;
  position.value = audio.currentTime;
  tellPosition();
});
audio.addEventListener("pause", () => {
  playing.value = false;
  keepPosition();
});
audio.addEventListener("ended", () => {
  const message = current.peek();
  if (!message) return;
  position.value = 0;
  const next = nextAfter(message);
  if (next) play(next, 0, true);
  else close();
});
audio.addEventListener("error", () => {
  const message = current.peek();
  if (!message || !audio.hasAttribute("src")) return;
  if (!retried) {
    retried = true;
    return load(position.peek());
  }
  // It may have been removed meanwhile.
  const next = automatic && nextAfter(message);
  if (next) return play(next, 0, true);
  close();
  failed.value = message.id;
});
addEventListener("pagehide", keepPosition);

/** What a lock screen shows, and what its keys do. */
function describe({ author }: Voice): void {
  if (!("mediaSession" in navigator)) return;
  const { mediaSession } = navigator;
  const title = shell?.t("player", { name: author.name }) ?? "";
  mediaSession.metadata = new MediaMetadata({ title, artist: author.name });
  const by = (seconds: number) => () => {
    const message = current.peek();
    if (message) seek(message, Math.min(message.body.durationMs / 1_000, Math.max(0, audio.currentTime + seconds)));
  };
  const actions: Partial<Record<MediaSessionAction, MediaSessionActionHandler>> = {
    play: resume,
    pause: () => audio.pause(),
    stop: close,
    seekbackward: by(-BACK_S),
    seekforward: by(BACK_S),
    seekto: ({ seekTime = 0 }) => by(seekTime - audio.currentTime)(),
    nexttrack: () => {
      const message = current.peek();
      const next = message && nextAfter(message);
      if (next) play(next, 0);
    },
  };
  for (const [action, handle] of Object.entries(actions)) {
    try {
      mediaSession.setActionHandler(action as MediaSessionAction, handle);
    } catch {
      // Not every browser knows every key.
    }
  }
}

function tellPosition(): void {
  const message = current.peek();
  if (!message || !("mediaSession" in navigator)) return;
  const duration = message.body.durationMs / 1_000;
  navigator.mediaSession.setPositionState?.({
    duration,
    playbackRate: rate.peek(),
    position: Math.min(duration, audio.currentTime),
  });
}
