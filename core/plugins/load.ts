/** Plugins that were dropped into a folder: compiled, loaded, and registered beside the built-in ones. */
import { relative } from "node:path";
import { Reject } from "../errors.ts";
import type { Logger } from "../node.ts";
import * as contract from "../plugin.ts";
import type { Registry } from "../registry.ts";
import { oneLine, whyOf } from "./calls/thrown.ts";
import { runIn } from "./calls/uncaught.ts";
import { Cache, type CompiledFolder } from "./compile/cache.ts";
import { type Compiled, compileClient, compileServer, stopCompiling } from "./compile/compile.ts";
import { CONTRACT_KEY, type PageModules, readModules } from "./compile/imports.ts";
import { assertDistinct, assertNamed, exportOf, exportsNone, serversIn, typeAt } from "./exports.ts";
import type { Fault, Faults } from "./faults.ts";
import { contentsOf, fileOf, type PluginFolder } from "./folders.ts";
import { isFolderName, mendOfName } from "./names.ts";
import { markerPath, offFor } from "./off.ts";
import { settingsOf } from "./settings.ts";
import { placeOf, whereOf } from "./sources.ts";
import { Unloadable } from "./unloadable.ts";
import type { Watchdog } from "./watchdog/watchdog.ts";

export type LoadParts = {
  /** Where they are compiled to. */
  dataDir: string;
  /** Directory of the built page. */
  ui: string;
  registry: Registry;
  faults: Faults;
  logger: Pick<Logger, "error">;
  /** Sees what a module does that never ends. */
  watchdog: Pick<Watchdog, "loading"> | undefined;
};

export type LoadedPlugins = {
  /** Names of the folders that are on. */
  readonly folders: readonly string[];
  /** What browsers load, by name. */
  readonly assets: ReadonlyMap<string, Buffer>;
  /** The names of the client halves among them. */
  readonly clients: readonly string[];
  /** What the folders that are on were compiled to, by their names. */
  readonly made: ReadonlyMap<string, CompiledFolder>;
};

/** Of a folder that changes while it is compiled. */
const MAX_TRIES = 3;

/** Registers what of these folders can be loaded; the others are off, each with a fault that says why. */
export async function loadPlugins(folders: readonly PluginFolder[], parts: LoadParts): Promise<LoadedPlugins> {
  if (folders.length === 0) return loadedOf(new Map());
  Object.assign(globalThis, { [Symbol.for(CONTRACT_KEY)]: contract });
  const modules = readModules(parts.ui);
  const cache = new Cache(parts.dataDir, modules ?? {});
  const compiled = await Promise.all(folders.map(folder => settled(compile(folder, parts, modules, cache))));
  await stopCompiling();
  const loaded = new Map<string, CompiledFolder>();
  for (const [index, folder] of folders.entries()) {
    const { made, error } = compiled[index] as Settled;
    try {
      if (!made) throw error;
      await register(folder, made, parts);
      loaded.set(folder.name, made);
    } catch (error) {
      tell(parts, faultOf(folder, error));
    }
  }
  cache.keep(folders);
  return loadedOf(loaded);
}

export function loadedOf(made: ReadonlyMap<string, CompiledFolder>): LoadedPlugins {
  const all = [...made.values()];
  return {
    folders: [...made.keys()],
    assets: new Map(all.flatMap(({ assets }) => [...assets])),
    clients: all.flatMap(({ client }) => client ?? []),
    made,
  };
}

/** Compiles a folder as it is now, or takes that from the cache. Rejects with why it cannot be done, which is for `faultOf`. */
export function recompile(folder: PluginFolder, parts: LoadParts): Promise<CompiledFolder> {
  const modules = readModules(parts.ui);
  return compile(folder, parts, modules, new Cache(parts.dataDir, modules ?? {}));
}

/** Puts the version of a folder whose server half is at that path in the place of the one before; rejects as `recompile` does. */
export async function reload(
  folder: PluginFolder,
  server: string,
  parts: LoadParts,
): Promise<ReturnType<Registry["replace"]>> {
  return admitted(folder, server, parts, (plugins, settings) => parts.registry.replace(folder.name, plugins, settings));
}

type Settled = { made?: CompiledFolder; error?: unknown };
function settled(promise: Promise<CompiledFolder>): Promise<Settled> {
  return promise.then(
    made => ({ made }),
    error => ({ error }),
  );
}

/** Throws `Unloadable` where that cannot be done, or where the plugin was switched off. */
async function compile(
  folder: PluginFolder,
  { dataDir, logger }: LoadParts,
  modules: PageModules | undefined,
  cache: Cache,
): Promise<CompiledFolder> {
  const { name, path } = folder;
  if (!isFolderName(name))
    throw new Unloadable(
      "the folder needs a name of small letters, digits and dashes, as its types are named after it",
      { mend: mendOfName(name) },
    );
  const contents = contentsOf(path);
  const off = offFor(dataDir, name, contents, error =>
    logger.error(
      { plugin: name, err: error },
      `whether the plugin “${name}” was switched off cannot be read: it is on`,
    ),
  );
  if (off) {
    const mend = `it is loaded again when its files change, or ${relative(dataDir, markerPath(dataDir, name))} is removed from the data folder`;
    throw new Unloadable(`switched off, as ${oneLine(off.why)}; ${mend}`, { where: off.where });
  }
  const known = cache.get(folder, contents);
  if (known) return known;
  return compileInto(cache, folder, contents, modules);
}

/** `contents` is the hash of what is in the folder. */
async function compileInto(
  cache: Cache,
  folder: PluginFolder,
  contents: string,
  modules: PageModules | undefined,
  triesLeft = MAX_TRIES,
): Promise<CompiledFolder> {
  const { path } = folder;
  if (!modules && fileOf(path, "client") !== undefined)
    throw new Unloadable("its client half cannot be compiled: the page is not built, npm run build does that", {
      where: "client.tsx",
    });
  const [server, client] = await Promise.all([compileServer(folder), compileClient(folder, modules ?? {})]);
  // What was saved meanwhile may be in it, and must not be taken for what was there before when that comes back.
  const now = contentsOf(path);
  if (now !== contents && triesLeft > 1) return compileInto(cache, folder, now, modules, triesLeft - 1);
  assertCompiled(server, client);
  if (fileOf(path, "client") !== undefined && !client.exports.includes("default")) throw exportsNone(folder, "client");
  return cache.put(folder, contents, server, client);
}

function assertCompiled(...halves: Compiled[]): void {
  const problems = halves.flatMap(({ problems }) => problems);
  const [first] = problems;
  if (!first) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  throw new Unloadable(`does not compile: ${oneLine(first.text)}`, { where: whereOf(first), mend: first.mend + more });
}

function register(folder: PluginFolder, { server }: CompiledFolder, parts: LoadParts): Promise<void> {
  return admitted(folder, server, parts, (plugins, settings) => parts.registry.admit(plugins, settings));
}

/** What `admit` makes of the plugins that the module exports. */
async function admitted<Result>(
  folder: PluginFolder,
  server: string,
  { watchdog }: LoadParts,
  admit: (plugins: readonly contract.AnyServerPlugin[], settings: unknown) => Result,
): Promise<Result> {
  const { name, path } = folder;
  const settings = await settingsOf(path);
  const load = () => runIn(name, () => exportOf(server, fileOf(path, "server") ?? "server.ts"));
  const plugins = serversIn(folder, await (watchdog ? watchdog.loading(name, load) : load()));
  for (const plugin of plugins) assertNamed(folder, plugin);
  assertDistinct(folder, plugins);
  try {
    return runIn(name, () => admit(plugins, settings));
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    const where = placeOf(error) ?? whereOf(typeAt(folder, plugins[0]));
    throw new Unloadable(oneLine(error.message), { where, cause: error });
  }
}

function tell({ faults, logger }: LoadParts, fault: Fault): void {
  const { plugin, why, where } = fault;
  faults.add(fault);
  logger.error({ plugin, ...(where !== undefined && { where }) }, `the plugin “${plugin}” is off: ${why}`);
}

/** What is told of that. */
export function faultOf({ name }: PluginFolder, error: unknown): Fault {
  if (!(error instanceof Unloadable)) return { plugin: name, why: `could not be loaded: ${whyOf(error)}` };
  const { message, mend, where } = error;
  const why = mend === undefined ? message : `${message}: ${mend}`;
  return { plugin: name, why, ...(where !== undefined && { where }) };
}
