import { signal } from "@preact/signals";
import { defineClient, type Person, type Shell } from "../../core/plugin.ts";
import typing from "./message.ts";

/** How often others are told that the typing goes on. */
const REPEAT_MS = 2_000;
/** Who has touched no key for this long has stopped. */
const PAUSE_MS = 4_000;
/** The end of it may get lost; then the notice ends without: a repetition later than the pause. */
const EXPIRY_MS = REPEAT_MS + PAUSE_MS;
/** More names than this are a crowd. */
const MAX_NAMES = 2;

type Body = { typing: boolean; voice?: boolean };
type Typist = { room: string; author: Person; voice: boolean; stop: ReturnType<typeof setTimeout> };

const typists = signal<readonly Typist[]>([]);

let toldAt = 0;
let told: string | undefined;
/** What was told, and of which room. */
let doing = "";
let pause: ReturnType<typeof setTimeout> | undefined;

function typed(room: string, unsent: boolean, shell: Shell<Body>, type: string): void {
  clearTimeout(pause);
  if (!unsent) return stopTelling(shell);
  pause = setTimeout(() => stopTelling(shell), PAUSE_MS);
  const now = `${type} ${room}`;
  if (doing === now && Date.now() - toldAt < REPEAT_MS) return;
  doing = now;
  told = room;
  toldAt = Date.now();
  shell.send({ typing: true, ...(type === "voice" && { voice: true }) }, { room });
}

function stopTelling(shell: Shell<Body>): void {
  if (told !== undefined) shell.send({ typing: false }, { room: told });
  told = undefined;
  doing = "";
}

function heard({ body, room, author }: { body: Body; room: string; author: Person }): void {
  const others = typists.peek().filter(typist => typist.author.id !== author.id || typist.room !== room);
  for (const typist of typists.peek()) if (!others.includes(typist)) clearTimeout(typist.stop);
  const stop = body.typing ? setTimeout(() => heard({ body: { typing: false }, room, author }), EXPIRY_MS) : undefined;
  typists.value = stop ? [...others, { room, author, voice: body.voice === true, stop }] : others;
}

function Hint({ shell, room }: { shell: Shell<Body>; room: string }) {
  const here = typists.value.filter(typist => typist.room === room && typist.author.id !== shell.me.id);
  const names = here.map(({ author }) => author.name);
  const kind = here.every(({ voice }) => voice) ? "Recording" : "";
  if (names.length === 0) return null;
  if (names.length > MAX_NAMES) return <span>{shell.t("many", { n: names.length })}</span>;
  const list = new Intl.ListFormat(shell.language, { type: "conjunction" }).format(names);
  return <span>{shell.t((names.length === 1 ? "one" : "some") + kind, { names: list })}</span>;
}

export default defineClient(typing, {
  Hint,
  typed,
  started: shell => shell.listen(heard),
  strings: {
    en: {
      one: "{names} is typing…",
      some: "{names} are typing…",
      many: "{n} people are typing…",
      oneRecording: "{names} is recording…",
      someRecording: "{names} are recording…",
    },
    zh: {
      one: "{names} 正在输入…",
      some: "{names} 正在输入…",
      many: "{n} 人正在输入…",
      oneRecording: "{names} 正在录音…",
      someRecording: "{names} 正在录音…",
    },
  },
});
