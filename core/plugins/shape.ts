/** What can be said of a plugin without running its hooks: names, hooks that nobody calls, texts that are missing. */
import { closest, distance } from "fastest-levenshtein";
import { Reject } from "../errors.ts";
import { type AnyClientPlugin, type AnyServerPlugin, CONTRACT } from "../plugin.ts";
import { Registry } from "../registry.ts";
import { escaped, type Finding, placeIn } from "./findings.ts";
import { fileOf, type PluginFolder } from "./folders.ts";

const MESSAGE = "type contract version kind role parse check pack unpack summary blobs key merge".split(" ");
const SERVER = "receive joined left tick request".split(" ");
const CLIENT = "Row fold Composer tool command panel Dock Badge Hint action here started typed strings".split(" ");
/** Further apart, two words have nothing to do with each other. */
const MAX_TYPOS = 3;

/** A half's default export as a list; undefined where it is neither a plugin nor a list of them. */
export function pluginsIn<Plugin>(exported: unknown): Plugin[] | undefined {
  const plugins = Array.isArray(exported) ? exported : [exported];
  const sound = plugins.length > 0 && plugins.every(plugin => plugin?.message && plugin.hooks);
  return sound ? plugins : undefined;
}

export function faultsOfServer(folder: PluginFolder, plugins: readonly AnyServerPlugin[]): Finding[] {
  return plugins.flatMap(plugin => {
    const { message } = plugin;
    const type = String(message.type);
    const at = (pattern: RegExp) => placeIn(folder.path, filesOf(folder, "message", "server"), pattern);
    const typeAt = at(new RegExp(`(?<=type:\\s*)["'\`]${escaped(type)}["'\`]`));
    const found = unknownIn(folder, message, MESSAGE, "message");
    if (type !== folder.name && !type.startsWith(`${folder.name}.`)) {
      const mend = `types are named after their folder: call it “${folder.name}”, or “${folder.name}.” and more`;
      return [...found, { ...typeAt, what: `the type “${type}” is in the folder “${folder.name}”`, mend }];
    }
    const contract = message.contract ?? 1;
    if (contract !== CONTRACT) {
      const mend =
        contract > CONTRACT ? "take a newer web-chat" : "see what changed in web-chat.d.ts, then say the new version";
      found.push({
        ...at(/contract:/),
        what: `it is written for version ${contract} of the contract, and this is ${CONTRACT}`,
        mend,
      });
      return found;
    }
    try {
      new Registry([plugin]);
      found.push(...unknownIn(folder, plugin.hooks(), SERVER, "server"));
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
      found.push({ ...typeAt, what: error.message, mend: "web-chat.d.ts says of each field what it has to be" });
    }
    return found;
  });
}

export function faultsOfClient(
  folder: PluginFolder,
  plugins: readonly AnyClientPlugin[],
  types: ReadonlySet<string>,
): Finding[] {
  return plugins.flatMap(({ message, hooks }) => {
    const file = filesOf(folder, "client");
    const found = unknownIn(folder, hooks, CLIENT, "client");
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
          mend: nearest(key, [...all]) ?? `add ${key} to strings`,
        });
  return found;
}

/** A field that nothing reads is a mistake of writing. */
function unknownIn(
  folder: PluginFolder,
  given: object,
  known: readonly string[],
  half: "message" | "server" | "client",
): Finding[] {
  return Object.keys(given)
    .filter(name => !known.includes(name))
    .map(name => ({
      ...placeIn(folder.path, filesOf(folder, half), new RegExp(`\\b${escaped(name)}\\b(?=\\s*[:(,}])`)),
      what: `nothing is called “${name}” in the ${half === "message" ? "message" : `${half} half`} of a plugin`,
      mend: nearest(name, known) ?? `it knows ${known.join(", ")}`,
    }));
}

function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const found = closest(name, [...known]);
  return distance(name.toLowerCase(), found.toLowerCase()) <= MAX_TYPOS ? `did you mean “${found}”?` : undefined;
}

function filesOf({ path }: PluginFolder, ...halves: ("message" | "server" | "client")[]): string[] {
  return halves.flatMap(half => fileOf(path, half) ?? []);
}
