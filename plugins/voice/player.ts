/** The one player of the page: what it plays goes on while the reader moves between rooms. */
import { effect, signal } from "@preact/signals";
import type { Message, Shell } from "../../core/plugin.ts";
import { EDGE_S, Listened } from "./listened.ts";
import { clearLockScreen, showOnLockScreen, tellLockScreen } from "./lockscreen.ts";
import type { Recording } from "./message.ts";
import { lookFor } from "./sight.ts";
import { otherTabs } from "./solo.ts";
import { Sound } from "./sound.ts";

export type Voice = Message<Recording> & { readonly body: Recording };
export type VoiceShell = Shell<Recording>;

export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];

/** What is played, or paused. */
export const current = signal<Voice | undefined>(undefined);
export const rate = signal(1);
/** The id of one that could not be played, or saved, and the key of the text that says so. */
export const failed = signal<{ id: string; why: "unplayable" | "unsaved" } | undefined>(undefined);

let shell: VoiceShell | undefined;
let listened: Listened | undefined;
/** The current one follows one that was played to its end. */
let automatic = false;

const sound = new Sound({ started, paused: keepPosition, ended, failed: fail }, () => shell?.connected ?? false);
export const { playing, loading, position } = sound;

/** What this browser remembers of listening. */
export function listenedTo(from: VoiceShell): Listened {
  if (!shell) follow(from);
  shell = from;
  if (!listened) {
    listened = new Listened(from);
    rate.value = RATES.find(one => String(one) === from.recall("rate")) ?? 1;
    sound.rate = rate.peek();
  }
  return listened;
}

/** Once for the page. */
function follow(from: VoiceShell): void {
  effect(() => {
    // The page's other parts hear of the connection in the same moment, and its files' addresses come from them.
    if (from.connected) queueMicrotask(() => sound.reconnected());
  });
  effect(() => {
    const { id: playedId, room = "" } = current.value ?? {};
    if (from.loaded(room).some(({ id, erased }) => erased && id === playedId)) close();
  });
  effect(tell);
  otherTabs(() => sound.pause());
  addEventListener("storage", () => listened?.refresh());
  addEventListener("pagehide", keepPosition);
}

export function toggle(message: Voice): void {
  if (current.peek()?.id !== message.id) play(message);
  else if (playing.peek()) sound.pause();
  else sound.play();
}

/** The current one goes on there; another begins there when it is played. */
export function seek(message: Voice, seconds: number): void {
  // Nobody means to begin at its very end.
  const latest = lengthOf(message) - EDGE_S;
  if (current.peek()?.id !== message.id) return listened?.keepPosition(message, Math.min(seconds, latest));
  sound.seek(seconds);
  tell();
}

/** Pauses it: somebody is about to speak. */
export function hush(): void {
  sound.pause();
}

export function setRate(to: number): void {
  rate.value = to;
  sound.rate = to;
  shell?.remember("rate", String(to));
}

/** Ends it; where it was is kept. */
export function close(): void {
  keepPosition();
  if (!current.peek()) return;
  current.value = undefined;
  sound.close();
  clearLockScreen();
}

/** Nobody is signed in any more. */
export function forget(): void {
  close();
  listened = undefined;
}

function play(message: Voice, follows = false): void {
  keepPosition();
  automatic = follows;
  failed.value = undefined;
  lookFor(message.id);
  current.value = message;
  sound.open(() => shell?.blobUrl(message.body.blob) ?? "", listened?.positionOf(message.id) ?? 0);
  const { name } = message.author;
  showOnLockScreen(shell?.t("player", { name }) ?? "", name, keys);
}

const keys = {
  play: () => sound.play(),
  pause: () => sound.pause(),
  stop: close,
  to(seconds: number) {
    const message = current.peek();
    if (message) seek(message, Math.min(lengthOf(message), Math.max(0, seconds)));
  },
  by: (seconds: number) => keys.to(position.peek() + seconds),
  next() {
    const next = nextUnheard();
    if (next) play(next);
  },
};

function keepPosition(): void {
  const message = current.peek();
  if (message) listened?.keepPosition(message, position.peek());
}

/** The next one in the room of the current one that somebody else said. */
function nextUnheard(): Voice | undefined {
  const { room, key = "" } = current.peek() ?? {};
  // Without a key it has no place in the room yet.
  if (!room || key === "") return undefined;
  return shell
    ?.loaded(room)
    .find(
      (message): message is Voice =>
        message.body !== undefined &&
        message.key > key &&
        message.author.id !== shell?.me.id &&
        !listened?.hasHeard(message.id),
    );
}

function started(): void {
  const message = current.peek();
  if (message && message.author.id !== shell?.me.id) listened?.hear(message.id);
}

function ended(): void {
  position.value = 0;
  const next = nextUnheard();
  if (next) play(next, true);
  else close();
}

function fail(): void {
  const { id } = current.peek() as Voice;
  // It may have been removed meanwhile.
  const next = automatic && nextUnheard();
  if (next) return play(next, true);
  close();
  failed.value = { id, why: "unplayable" };
}

function tell(): void {
  if (!current.value) return;
  tellLockScreen(playing.value, {
    duration: lengthOf(current.value),
    position: position.peek(),
    playbackRate: rate.value,
  });
}

const lengthOf = ({ body }: Voice) => body.durationMs / 1_000;
