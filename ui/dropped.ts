/** The client halves of plugins that were dropped in: loaded before the first render, each for itself. */
import { type AnyClientPlugin, CONTRACT } from "../core/plugin.ts";
import { failed, loadReporter, tellNode } from "./failed.ts";
import { translate } from "./i18n.ts";
import { pluginOf, register } from "./registry.ts";
import { toast } from "./toasts.tsx";

/** A plugin that takes longer than this is not waited for. */
const PATIENCE_MS = 10_000;

const strings = {
  en: { failed: "The plugin {name} could not be loaded." },
  zh: { failed: "插件 {name} 无法加载。" },
};

/** Loads them from addresses relative to the page, and registers them in that order; `spoken` ends when texts can be shown. */
export async function dropIn(urls: readonly string[], spoken: Promise<void>): Promise<void> {
  followUncaught(urls.map(nameOf));
  loadReporter().catch(() => {});
  const loads = urls.map(url => ({ name: nameOf(url), loaded: load(url) }));
  for (const { name, loaded } of loads)
    try {
      const found = await loaded;
      const list = Array.isArray(found) ? found : [found];
      list.forEach(assertSound);
      list.forEach(register);
    } catch (error) {
      failed(name, error);
      spoken.then(() => toast(translate(strings, "failed", { name })));
    }
}

/** In timers and handlers of their own, where the stack is all that says whose they are. */
function followUncaught(names: readonly string[]): void {
  const longestFirst = names.toSorted((one, other) => other.length - one.length);
  const tell = (error: unknown) => {
    const stack = error instanceof Error ? String(error.stack) : "";
    const name = longestFirst.find(name => stack.includes(`/assets/plugins/${name}-`));
    if (name !== undefined) tellNode(name, error);
  };
  addEventListener("error", event => tell(event.error));
  addEventListener("unhandledrejection", event => tell(event.reason));
}

/** What the module exports by default. */
async function load(url: string): Promise<unknown> {
  const late = new Promise<never>((_, fail) =>
    setTimeout(() => fail(new Error(`not there after ${PATIENCE_MS / 1_000} s`)), PATIENCE_MS),
  );
  return (await Promise.race([import(new URL(url, document.baseURI).href), late])).default;
}

/** The folder's name, out of `assets/plugins/poll-1A2B3C4D.js`. */
function nameOf(url: string): string {
  return url.replace(/^.*\/|(-[0-9A-Z]+)?\.js$/g, "");
}

/** Throws where the page could not work with it. `all` is the list that it stands in. */
function assertSound(plugin: AnyClientPlugin, at: number, all: readonly AnyClientPlugin[]): void {
  const { message, hooks } = plugin ?? {};
  const type = message?.type;
  if (typeof type !== "string" || typeof hooks !== "object" || hooks === null)
    throw new Error("what it exports by default is no plugin: defineClient() makes one");
  const refuse = (why: string) => new Error(`the message type “${type}” ${why}`);
  const { contract = 1, parse, summary, version, kind } = message;
  if (contract !== CONTRACT)
    throw refuse(`is written for version ${contract} of the contract; this page has ${CONTRACT}`);
  if (typeof parse !== "function" || typeof summary !== "function") throw refuse("needs parse() and summary()");
  if (!Number.isSafeInteger(version)) throw refuse("needs a version");
  if (!["log", "state", "signal"].includes(kind)) throw refuse("needs a kind: log, state or signal");
  if (pluginOf(type) || all.findIndex(other => other?.message?.type === type) < at) throw refuse("is there already");
}
