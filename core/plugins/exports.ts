/** What the compiled halves of a plugin export: by default a plugin or a list of them, named after their folder. */
import { pathToFileURL } from "node:url";
import type { AnyClientPlugin, AnyServerPlugin } from "../plugin.ts";
import { oneLine } from "./calls/thrown.ts";
import { fileOf, folderOfType, type Half, type PluginFolder } from "./folders.ts";
import { escaped, type Place, placeIn, placesIn, whereOf } from "./sources.ts";
import { Unloadable, unloadableBy } from "./unloadable.ts";

/** Longer than a start may be kept waiting. */
const LOAD_WITHIN_MS = 10_000;

/** The default export of the module with that path; `source` is what it was made of. Throws `Unloadable`. */
export async function exportOf(path: string, source: string): Promise<unknown> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      late.reject(
        new Unloadable(`has not finished loading within ${LOAD_WITHIN_MS / 1_000} s`, {
          where: source,
          mend: "something is awaited there, outside of functions, that does not come",
        }),
      ),
    LOAD_WITHIN_MS,
  );
  try {
    const module = (await Promise.race([import(pathToFileURL(path).href), late.promise])) as { default?: unknown };
    return module.default;
  } catch (error) {
    throw error instanceof Unloadable ? error : unloadableBy(error, "loaded", source);
  } finally {
    clearTimeout(timer);
  }
}

/** What the server half exports by default, as a list. Throws `Unloadable` where it is neither a plugin nor a list of them. */
export function serversIn(folder: PluginFolder, exported: unknown): AnyServerPlugin[] {
  return pluginsIn<AnyServerPlugin>(folder, "server", exported);
}

/** The same of the client half. */
export function clientsIn(folder: PluginFolder, exported: unknown): AnyClientPlugin[] {
  return pluginsIn<AnyClientPlugin>(folder, "client", exported);
}

function pluginsIn<Plugin>(folder: PluginFolder, half: "server" | "client", exported: unknown): Plugin[] {
  const plugins = Array.isArray(exported) ? exported : [exported];
  const isPlugin = (plugin: { message?: unknown; hooks?: unknown } | undefined | null) =>
    typeof plugin?.message === "object" &&
    plugin.message !== null &&
    typeof plugin.hooks === (half === "server" ? "function" : "object");
  if (plugins.length > 0 && plugins.every(isPlugin)) return plugins;
  throw exportsNone(folder, half);
}

/** What a half is refused with that exports no plugin by default. */
export function exportsNone(folder: PluginFolder, half: "server" | "client"): Unloadable {
  const define = half === "server" ? "defineServer" : "defineClient";
  return new Unloadable(`its ${half} half exports no plugin by default`, {
    where: whereOf(placeIn(folder.path, filesOf(folder, half), /export\s+default/)),
    mend: `export default ${define}(message, { … }), or a list of those`,
  });
}

/** Throws `Unloadable` where a type has not the name of its folder. */
export function assertNamed(folder: PluginFolder, plugin: AnyServerPlugin): void {
  const type = String(plugin.message.type);
  if (folderOfType(type) === folder.name) return;
  throw new Unloadable(`the type “${oneLine(type)}” is not named after its folder`, {
    where: whereOf(typeAt(folder, plugin)),
    mend: `call it “${folder.name}”, or “${folder.name}.” and more`,
  });
}

/** Throws `Unloadable` where two types have one name, at the second place where that is written. */
export function assertDistinct(folder: PluginFolder, plugins: readonly AnyServerPlugin[]): void {
  const twice = plugins.find(({ message }, at) => plugins.findIndex(other => other.message.type === message.type) < at);
  if (!twice) return;
  const files = filesOf(folder, "message", "server");
  const [one = typeAt(folder, twice), other] = placesIn(folder.path, files, nameOf(twice));
  const first = other ? `, also in ${whereOf(one)}` : "";
  throw new Unloadable(`two types are called “${oneLine(String(twice.message.type))}”${first}`, {
    where: whereOf(other ?? one),
    mend: other ? "call one of them something else" : "list it once in server.ts",
  });
}

/** Where a type is named. */
export function typeAt(folder: PluginFolder, plugin: AnyServerPlugin | undefined): Place {
  const files = filesOf(folder, "message", "server");
  return placeIn(folder.path, files, nameOf(plugin), /defineMessage\s*[<(]|export\s+default/);
}

function nameOf(plugin: AnyServerPlugin | undefined): RegExp {
  return new RegExp(`(?<=type:\\s*)["'\`]${escaped(String(plugin?.message.type))}["'\`]`);
}

/** The names of those files that the folder has. */
export function filesOf({ path }: PluginFolder, ...halves: Half[]): string[] {
  return halves.flatMap(half => fileOf(path, half) ?? []);
}
