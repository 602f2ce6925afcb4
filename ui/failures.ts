/** Tells the node of plugins that failed in this page: it knows the places in their sources. */
import { effect } from "@preact/signals";
import { connected, request } from "./connection.ts";

/** What a node takes, in characters. */
const MAX_WHY = 300;
const MAX_STACK = 8_192;
/** Of one page. */
const MAX_TOLD = 32;

const told = new Set<string>();
const waiting: object[] = [];

/** Each place of a plugin once. */
export function report(plugin: string, thrown: unknown): void {
  const { message: why, stack } = thrown instanceof Error ? thrown : { message: String(thrown), stack: "" };
  const failure = { plugin, why: String(why).slice(0, MAX_WHY), stack: String(stack).slice(0, MAX_STACK) };
  const [place] = /\/assets\/\S+:\d+:\d+/.exec(failure.stack) ?? [failure.why];
  const what = `${plugin} ${place}`;
  if (told.has(what) || told.size >= MAX_TOLD) return;
  told.add(what);
  waiting.push(failure);
  if (connected.peek()) tellAll();
}

function tellAll(): void {
  for (const failure of waiting.splice(0)) request("chat:fault", failure);
}

effect(() => {
  if (connected.value) tellAll();
});
