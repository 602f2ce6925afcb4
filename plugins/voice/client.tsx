import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { type ClientHooks, defineClient } from "../../core/plugin.ts";
import { untilLoaded } from "./loading.ts";
import voice, { type Recording } from "./message.ts";

type Parts = Required<Pick<ClientHooks<Recording, Recording>, "Row" | "Composer" | "Dock">>;

/** What draws, plays and records: no part of the first page. */
const parts = signal<Parts | undefined>(undefined);
/** They come with the parts that show them. */
const strings: Record<string, Record<string, string>> = {};

let asked = false;

async function load(): Promise<void> {
  if (asked) return;
  asked = true;
  const loaded = await untilLoaded(() => import("./parts.ts"));
  Object.assign(strings, loaded.strings);
  parts.value = loaded;
}

function part<Name extends keyof Parts>(name: Name, Meanwhile: Parts[Name] = () => null): Parts[Name] {
  // biome-ignore lint/suspicious/noExplicitAny: each part gets its own props, whatever they are
  return function Part(props: any) {
    useEffect(() => void load(), []);
    const Shown = (parts.value?.[name] ?? Meanwhile) as ComponentType;
    return <Shown {...props} />;
  };
}

export default defineClient(voice, {
  Row: part("Row", ({ message: { body } }) => <p class="voice">{voice.summary(body)}</p>),
  Composer: part("Composer"),
  Dock: part("Dock"),
  strings,
});
