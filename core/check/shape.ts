/** The form of what a plugin's halves export: names, hooks that nobody calls, texts that are missing. */
import { Reject } from "../errors.ts";
import { type AnyClientPlugin, type AnyServerPlugin, CONTRACT } from "../plugin.ts";
import type { Calls } from "../plugins/calls/calls.ts";
import { whyOf } from "../plugins/calls/thrown.ts";
import { assertDistinct, assertNamed, filesOf, typeAt } from "../plugins/exports.ts";
import type { PluginFolder } from "../plugins/folders.ts";
import { meantBy, misspeltIn } from "../plugins/misspelt.ts";
import { escaped, type Place, placeAs, placeIn, placeOf } from "../plugins/sources.ts";
import { Unloadable } from "../plugins/unloadable.ts";
import { Registry } from "../registry.ts";
import type { Finding } from "./findings.ts";

/** What a node would refuse of them, and what it would never call. */
export function faultsOfServer(
  folder: PluginFolder,
  plugins: readonly AnyServerPlugin[],
  settings: unknown,
  calls: Calls,
): Finding[] {
  try {
    assertDistinct(folder, plugins);
  } catch (error) {
    return [findingBy(error, typeAt(folder, plugins[0]))];
  }
  const registry = new Registry([], calls);
  return plugins.flatMap(plugin => {
    const { message } = plugin;
    const at = typeAt(folder, plugin);
    const found = misspeltIn(folder, Object.keys(message), "message");
    try {
      assertNamed(folder, plugin);
      const outdated = faultOfContract(folder, plugin);
      if (outdated) return [...found, outdated];
      registry.admit([plugin], settings);
      return [...found, ...misspeltIn(folder, Object.keys(plugin.hooks(settings)), "server")];
    } catch (error) {
      return [...found, findingBy(error, at)];
    }
  });
}

/** What keeps a plugin from being loaded, as a finding. */
export function findingBy(error: unknown, otherwise: Place): Finding {
  if (error instanceof Unloadable)
    return { ...placeAs(error.where, otherwise), what: error.message, mend: error.mend ?? mendOf(error.cause) };
  const what = whyOf(error);
  if (error instanceof Reject && error.cause === undefined)
    return { ...otherwise, what, mend: "web-chat.d.ts says of each field what it has to be" };
  return { ...placeAs(placeOf(error), otherwise), what, mend: mendOf(error instanceof Reject ? error.cause : error) };
}

function mendOf(thrown: unknown): string {
  if (thrown instanceof ReferenceError) return "import it, or look how it is written";
  if (thrown instanceof Reject) return "do what it says, or mend what throws it";
  return "mend what throws there; what stands outside of functions runs when a node starts";
}

function faultOfContract(folder: PluginFolder, { message }: AnyServerPlugin): Finding | undefined {
  const { contract = 1 } = message;
  if (contract === CONTRACT) return undefined;
  return {
    ...placeIn(folder.path, filesOf(folder, "message", "server"), /contract:/),
    what: `it is written for version ${contract} of the contract, and this is ${CONTRACT}`,
    mend: contract > CONTRACT ? "take a newer web-chat" : "see what changed in web-chat.d.ts, then say the new version",
  };
}

export function faultsOfClient(
  folder: PluginFolder,
  plugins: readonly AnyClientPlugin[],
  types: ReadonlySet<string>,
): Finding[] {
  return plugins.flatMap(({ message, hooks }) => {
    const file = filesOf(folder, "client");
    const found = misspeltIn(folder, Object.keys(hooks), "client");
    if (!types.has(message.type))
      found.push({
        ...placeIn(folder.path, file, /defineClient/),
        what: `“${message.type}” has a client half, and no server half`,
        mend: "list it in server.ts, too: without that no node takes it",
      });
    return [...found, ...faultsOfStrings(folder, hooks)];
  });
}

function faultsOfStrings(
  folder: PluginFolder,
  { strings = {}, tool, command, panel, action }: AnyClientPlugin["hooks"],
): Finding[] {
  const files = filesOf(folder, "client");
  const languages = Object.keys(strings);
  const all = new Set(Object.values(strings).flatMap(texts => Object.keys(texts)));
  const found: Finding[] = [];
  for (const language of languages)
    for (const key of all)
      if (strings[language]?.[key] === undefined)
        found.push({
          ...placeIn(folder.path, files, new RegExp(`\\b${language}["']?:\\s*\\{`)),
          what: `the text “${key}” is missing in “${language}”`,
          mend: `add ${key} to strings.${language}`,
        });
  const used = {
    tool: [tool?.label],
    command: [command?.label, command?.takes],
    panel: [panel?.title],
    action: [action?.label, action?.confirm],
  };
  for (const [hook, keys] of Object.entries(used))
    for (const key of keys)
      if (key !== undefined && !all.has(key))
        found.push({
          ...placeIn(folder.path, files, new RegExp(`(?<=\\b${hook}\\b[^]*?)["'\`]${escaped(key)}["'\`]`)),
          what: `${hook} names the text “${key}”, which strings does not have`,
          mend: meantBy(key, [...all]) ?? `add ${key} to strings`,
        });
  return found;
}
