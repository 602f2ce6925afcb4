/** Plugins that were dropped into a folder: compiled, loaded, and registered beside the built-in ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Reject } from "../errors.ts";
import type { Logger } from "../node.ts";
import * as contract from "../plugin.ts";
import type { Registry } from "../registry.ts";
import { Cache, type CompiledFolder } from "./cache.ts";
import { type Compiled, compileClient, compileServer, type Problem, placeInJson, stopCompiling } from "./compile.ts";
import type { Fault, Faults } from "./faults.ts";
import { contentsOf, fileOf, type Half, type PluginFolder, SETTINGS_FILE } from "./folders.ts";
import { CONTRACT_KEY, type PageModules } from "./imports.ts";
import { markerPath, offFor } from "./off.ts";
import { placeOf } from "./places.ts";
import { runIn } from "./uncaught.ts";
import type { Watchdog } from "./watchdog.ts";

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

const FOLDER_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LOAD_WITHIN_MS = 10_000;

/** Why a plugin is not loaded. */
class Unloadable extends Error {
  readonly where: string | undefined;

  constructor(why: string, where?: string) {
    super(why);
    this.where = where;
  }
}

/** Registers what of these folders can be loaded; the others are off, each with a fault that says why. */
export async function loadPlugins(folders: readonly PluginFolder[], parts: LoadParts): Promise<LoadedPlugins> {
  if (folders.length === 0) return loadedOf(new Map());
  Object.assign(globalThis, { [Symbol.for(CONTRACT_KEY)]: contract });
  const modules = readModules(parts.ui);
  const cache = new Cache(parts.dataDir, modules ?? {});
  const compiled = await Promise.all(folders.map(folder => settled(compile(folder, parts.dataDir, modules, cache))));
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
export function recompile(folder: PluginFolder, { dataDir, ui }: LoadParts): Promise<CompiledFolder> {
  const modules = readModules(ui);
  return compile(folder, dataDir, modules, new Cache(dataDir, modules ?? {}));
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
  dataDir: string,
  modules: PageModules | undefined,
  cache: Cache,
): Promise<CompiledFolder> {
  const { name, path } = folder;
  if (!FOLDER_NAME.test(name))
    throw new Unloadable(
      `the folder needs a name of small letters, digits and dashes, as its types are named after it`,
    );
  const contents = contentsOf(path);
  const off = offFor(dataDir, name, contents);
  if (off) {
    const mend = `it is loaded again when its files change, or ${markerPath(dataDir, name)} is removed`;
    throw new Unloadable(`switched off, as ${oneLine(off.why)}; ${mend}`, off.where);
  }
  const known = cache.get(folder, contents);
  if (known) return known;
  if (!modules && fileOf(path, "client") !== undefined)
    throw new Unloadable(
      "its client half cannot be compiled: the page is not built, npm run build does that",
      "client.tsx",
    );
  const [server, client] = await Promise.all([compileServer(folder), compileClient(folder, modules ?? {})]);
  assertCompiled(server, client);
  return cache.put(folder, contents, server, client);
}

function assertCompiled(...halves: Compiled[]): void {
  const problems = halves.flatMap(({ problems }) => problems);
  const [first] = problems;
  if (!first) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  throw new Unloadable(`does not compile: ${oneLine(first.text)}${more}`, placeIn(first));
}

function placeIn({ file, line }: Problem): string | undefined {
  return file === undefined || line === undefined ? file : `${file}:${line}`;
}

function register(folder: PluginFolder, { server }: CompiledFolder, parts: LoadParts): Promise<void> {
  return admitted(folder, server, parts, (plugins, settings) => parts.registry.admit(plugins, settings));
}

/** What `admit` makes of the plugins that the module exports. */
async function admitted<Result>(
  { name, path }: PluginFolder,
  server: string,
  { watchdog }: LoadParts,
  admit: (plugins: readonly contract.AnyServerPlugin[], settings: unknown) => Result,
): Promise<Result> {
  const settings = await readSettings(path);
  const load = () => runIn(name, () => importWithin(server));
  const exported = await (watchdog ? watchdog.loading(name, load) : load());
  const plugins = (Array.isArray(exported) ? exported : [exported]) as contract.AnyServerPlugin[];
  if (plugins.length === 0 || !plugins.every(isPlugin))
    throw new Unloadable(
      "its server half exports no plugin: `export default defineServer(…)`, or a list of those, is missing",
      lineOf(path, "server", /export\s+default/),
    );
  const stranger = plugins.find(({ message }) => message.type !== name && !String(message.type).startsWith(`${name}.`));
  const inMessage = lineOf(path, "message", typeLine(stranger ?? plugins[0]), /defineMessage|export\s+default/);
  if (stranger)
    throw new Unloadable(
      `the type “${oneLine(String(stranger.message.type))}” is not named after its folder: “${name}”, or “${name}.” and more`,
      inMessage,
    );
  try {
    return runIn(name, () => admit(plugins, settings));
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    throw new Unloadable(oneLine(error.message), placeOf(error) ?? inMessage);
  }
}

function isPlugin(value: unknown): value is contract.AnyServerPlugin {
  const { message, hooks } = (value ?? {}) as Partial<contract.AnyServerPlugin>;
  return typeof message === "object" && message !== null && typeof hooks === "function";
}

/** Its default export. */
async function importWithin(path: string): Promise<unknown> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Unloadable("its server half has not finished loading")),
    LOAD_WITHIN_MS,
  );
  try {
    const module = (await Promise.race([import(pathToFileURL(path).href), late.promise])) as { default?: unknown };
    return module.default;
  } catch (error) {
    if (error instanceof Unloadable) throw error;
    throw new Unloadable(`threw when it was loaded: ${messageOf(error)}`, placeOf(error) ?? "server.ts");
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined where there are none. */
async function readSettings(folder: string): Promise<unknown> {
  let text: string;
  try {
    text = readFileSync(join(folder, SETTINGS_FILE), "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // What stands there is a secret, which the engine's words would quote; of the place they say nothing.
    const where = await placeInJson(text);
    await stopCompiling();
    throw new Unloadable(`its ${SETTINGS_FILE} is no JSON`, where ? `${SETTINGS_FILE}:${where.line}` : SETTINGS_FILE);
  }
}

function readModules(ui: string): PageModules | undefined {
  try {
    return JSON.parse(readFileSync(join(ui, "modules.json"), "utf8")) as PageModules;
  } catch {
    return undefined;
  }
}

function typeLine(plugin: contract.AnyServerPlugin | undefined): RegExp {
  const type = String(plugin?.message.type).replace(/\W/g, "\\$&");
  return new RegExp(`type:\\s*["'\`]${type}["'\`]`);
}

/** The first line of a half's file that one of these is on, or its first. */
function lineOf(folder: string, half: Half, ...wanted: RegExp[]): string {
  const file = fileOf(folder, half) ?? half;
  const lines = readFileSync(join(folder, file), "utf8").split("\n");
  const found = wanted.map(pattern => lines.findIndex(line => pattern.test(line))).find(index => index >= 0);
  return `${file}:${(found ?? 0) + 1}`;
}

function tell({ faults, logger }: LoadParts, fault: Fault): void {
  const { plugin, why, where } = fault;
  faults.add(fault);
  logger.error({ plugin, ...(where !== undefined && { where }) }, `the plugin “${plugin}” is off: ${why}`);
}

/** What is told of that. */
export function faultOf({ name }: PluginFolder, error: unknown): Fault {
  const why = error instanceof Unloadable ? error.message : `could not be loaded: ${messageOf(error)}`;
  const where = error instanceof Unloadable ? error.where : undefined;
  return { plugin: name, why, ...(where !== undefined && { where }) };
}

function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

/** As much of a text as is told to people. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").slice(0, 500);
}
