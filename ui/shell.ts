/** What each plugin is given of the page. */
import { type AnyClientPlugin, type Command, type Person, Reject, type Shell } from "../core/plugin.ts";
import { Avatar } from "./avatar.tsx";
import { blobUrl, files } from "./blobs.ts";
import { connected, node, request } from "./connection.ts";
import { failed } from "./failed.ts";
import { language, t, translate } from "./i18n.ts";
import { keepHere, kept, keptHere } from "./keep.ts";
import { post } from "./outbox.ts";
import { folderOf, pluginOf, plugins } from "./registry.ts";
import { currentId, heldRoom } from "./rooms.ts";
import { me } from "./session.ts";
import { toast } from "./toasts.tsx";
import { valuesOf } from "./values.ts";
import { refocus } from "./view.ts";

type Heard = Parameters<Shell["listen"]>[0];
type To = Parameters<Shell["send"]>[1];

const shells = new Map<AnyClientPlugin, Shell>();
const listeners = new Map<string, Set<Heard>>();
let stops: (() => void)[] = [];
/** What deals with files in the making: loaded where a type makes any. */
const drafts = () => import("./drafts.ts");

export function shellOf(plugin: AnyClientPlugin): Shell {
  const shell = shells.get(plugin) ?? makeShell(plugin);
  shells.set(plugin, shell);
  return shell;
}

function makeShell(plugin: AnyClientPlugin): Shell {
  const { message, hooks } = plugin;
  return {
    get me() {
      return me.value;
    },
    get values() {
      return valuesOf(message.type);
    },
    get node() {
      return node.value.name;
    },
    get connected() {
      return connected.value;
    },
    get here() {
      return everybody();
    },
    get commands() {
      return commands();
    },
    command: runCommand,
    of: (({ type }) => shellOf(relativeOf(plugin, type))) as Shell["of"],
    get language() {
      return language.value;
    },
    send(body, to) {
      try {
        send(plugin, body, to);
      } catch (error) {
        toast(t("notSent", { reason: (error as Error).message }));
      }
    },
    listen: heard => listen(message.type, heard),
    t: (key, values) => translate(hooks.strings, key, values),
    remember: (key, text) => keepHere(`${message.type}:${key}`, text),
    recall: (key, anyTab) => (anyTab ? kept : keptHere)(`${message.type}:${key}`),
    keep: file => files().then(({ keepFile }) => keepFile(file)),
    blobUrl,
    draft: about => drafts().then(({ beginDraft }) => beginDraft(message, about)),
    leftDraft: () => drafts().then(({ takeDraft }) => takeDraft(message)),
    loaded: room => heldRoom(room)?.timeline.loaded(message.type) ?? [],
    roomName: room => heldRoom(room)?.name.value ?? room,
    refocus,
    Avatar,
  };
}

/** Each person once, whichever plugin knows of them. */
function everybody(): Person[] {
  const here = new Map<string, Person>();
  for (const plugin of plugins)
    guard(plugin.message.type, () => {
      for (const person of plugin.hooks.here?.(shellOf(plugin)) ?? []) here.set(person.id, person);
    });
  return [...here.values()];
}

function commands(): Command[] {
  return plugins.flatMap(plugin => {
    const { command } = plugin.hooks;
    const { t } = shellOf(plugin);
    return command ? { name: plugin.message.type, takes: t(command.takes), label: t(command.label) } : [];
  });
}

function runCommand(text: string, room: string): boolean {
  const [, name = "", rest = ""] = /^\/(\S+)\s*(.*)$/s.exec(text.trim()) ?? [];
  const plugin = pluginOf(name);
  if (!plugin?.hooks.command) return false;
  // The composer tells what is refused, and keeps the text.
  const strict = { send: { value: (body: unknown, to?: To) => send(plugin, body, to) } };
  refusing(plugin, () => plugin.hooks.command?.run(rest, room, Object.create(shellOf(plugin), strict)));
  return true;
}

/** Words for people are what a plugin refuses with; all else that it throws is a failure, and said to be one. */
function refusing<Result>({ message: { type } }: AnyClientPlugin, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (error instanceof Reject) throw error;
    failed(type, error);
    throw new Reject("plugin-failed", t("pluginFailed", { name: type }));
  }
}

/** Another type of the same plugin folder. */
function relativeOf(plugin: AnyClientPlugin, type: string): AnyClientPlugin {
  const relative = folderOf(type) === folderOf(plugin.message.type) && pluginOf(type);
  if (!relative) throw new Error(`“${type}” is no type of this plugin's client half`);
  return relative;
}

function send(plugin: AnyClientPlugin, body: unknown, { room = currentId.peek(), ref }: NonNullable<To> = {}): void {
  const { message } = plugin;
  const { type, kind } = message;
  const trusted = refusing(plugin, () => {
    const parsed = message.parse(body);
    if (parsed === undefined) throw new Error("parse returned nothing");
    return parsed;
  });
  if (kind === "log") post({ type, room, body: trusted, ...(ref && { ref }) });
  else if (connected.peek()) request(type, kind === "state" ? { body: trusted } : { room, body: trusted });
}

/** To what comes under that name. Returns what ends it. */
export function listen(type: string, heard: Heard): () => void {
  const all = listeners.get(type) ?? new Set();
  listeners.set(type, all.add(heard));
  return () => all.delete(heard);
}

/** A signal came in. */
export function hear(type: string, signal: unknown): void {
  for (const heard of listeners.get(type) ?? []) guard(type, () => heard(signal as Parameters<Heard>[0]));
}

/** A connection began. */
export function startPlugins(): void {
  stopPlugins();
  for (const plugin of plugins)
    guard(plugin.message.type, () => {
      const stop = plugin.hooks.started?.(shellOf(plugin));
      if (stop) stops.push(() => guard(plugin.message.type, stop));
    });
}

export function stopPlugins(): void {
  for (const stop of stops) stop();
  stops = [];
}

/** What is in the composer of that type changed. */
export function tellTyped(room: string, unsent: boolean, type: string): void {
  for (const plugin of plugins)
    guard(plugin.message.type, () => plugin.hooks.typed?.(room, unsent, shellOf(plugin), type));
}

/** A plugin that fails is told of, and stops nobody else. */
export function guard(type: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    failed(type, error);
  }
}
