/** What a row and the messages that refer to it come to, as its plugin says. */
import { computed, useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { AnyClientPlugin, Message } from "../core/plugin.ts";
import { items } from "./outbox.ts";
import { pictureOf } from "./picture.ts";
import { folderOf, roleOf } from "./registry.ts";
import { guard } from "./shell.ts";
import { identity } from "./timeline.ts";

export const NONE: readonly Message[] = [];

/** Own marks that no node has committed yet, by the id that they refer to; a list that stays the same stays the one it was. */
let before: ReadonlyMap<string, readonly Message[]> = new Map();
const waiting = computed(() => {
  const now = new Map<string, readonly Message[]>();
  for (const item of items.value)
    if (item.ref && !item.failed && roleOf(item.type) === "mark")
      now.set(item.ref, [...(now.get(item.ref) ?? NONE), pictureOf(item)]);
  for (const [ref, marks] of now) {
    const old = before.get(ref);
    if (old?.length === marks.length && old.every(({ id }, at) => id === marks[at]?.id)) now.set(ref, old);
  }
  before = now;
  return now;
});

/** Made anew only when the row or one of its marks is another; undefined where the plugin failed. */
export function useView(
  { message: { type }, hooks }: AnyClientPlugin,
  message: Message,
  marks: readonly Message[],
): { view: unknown } | undefined {
  const own = useComputed(() => waiting.value.get(message.id) ?? NONE).value;
  return useMemo(() => {
    const { fold } = hooks;
    if (!fold) return { view: undefined };
    const there = new Set(marks.map(identity));
    const counted = [...marks, ...own.filter(mark => !there.has(identity(mark)))].filter(
      mark => mark.body !== undefined && folderOf(mark.type) === folderOf(type),
    );
    let made: { view: unknown } | undefined;
    guard(type, () => {
      made = { view: fold(message as Message & { body: unknown }, counted) };
    });
    return made;
  }, [message, marks, own]);
}
