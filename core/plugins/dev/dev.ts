/** A plugin that is being written: each version that is saved takes the place of the one before, and open pages follow. */
import { hash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Deliveries } from "../../deliveries.ts";
import type { Gateway } from "../../gateway.ts";
import type { Logger } from "../../node.ts";
import { oneLine } from "../calls/thrown.ts";
import { type CompiledFolder, cacheIn } from "../compile/cache.ts";
import { compileServer, stopCompiling } from "../compile/compile.ts";
import { folderOfType, type PluginFolder, SETTINGS_FILE } from "../folders.ts";
import { faultOf, type LoadedPlugins, type LoadParts, loadedOf, recompile, reload } from "../load.ts";
import { misspeltIn } from "../misspelt.ts";
import { whereOf } from "../sources.ts";
import { endTimers } from "./timers.ts";
import { Watch } from "./watch.ts";

export type DevParts = LoadParts & {
  folder: PluginFolder;
  /** What the node began with. */
  loaded: LoadedPlugins;
  logger: Logger;
  deliveries: Pick<Deliveries, "replaced">;
  gateway: Pick<Gateway, "sessions" | "develop">;
  /** Serves these from now on, in that version; returns the fingerprint of the page. */
  show(loaded: LoadedPlugins, version: string): string | undefined;
  /** What failed in that plugin is told of again. */
  forget(plugin: string): void;
};

/** Versions whose compiled modules are kept, for the places of what they still throw. */
const KEPT_VERSIONS = 3;
const ONE_SAVE_MS = 1_000;

export class Dev {
  readonly #parts: DevParts;
  readonly #watch: Watch;
  readonly #made: Map<string, CompiledFolder>;
  /** What tells one version from another; of the one that runs. */
  #version: string | undefined;
  #server: string | undefined;
  #count = 0;
  #page: string | undefined;
  #building: Promise<void> | undefined;
  #again = false;
  #wasSaved = false;
  #isBroken: boolean;
  #told = "";
  #telling: NodeJS.Immediate | undefined;
  #closed = false;
  #loadedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: DevParts) {
    this.#parts = parts;
    const { folder, loaded, logger, faults } = parts;
    this.#made = new Map(loaded.made);
    const made = loaded.made.get(folder.name);
    this.#server = made?.server;
    this.#version = made && versionOf(folder, made);
    this.#isBroken = made === undefined;
    this.#page = parts.show(loaded, this.#version ?? "");
    this.#watch = new Watch(folder.path, {
      changed: () => {
        this.#wasSaved = true;
        this.#changed();
      },
      failed: error => logger.warn({ why: error.message }, `not all changes of ${folder.path} are seen`),
    });
    this.#watch.others(made?.inputs ?? []);
    faults.changed = () => this.#tellSoon();
    if (made) this.#hint(made);
    this.#tell();
    logger.info({}, `“${folder.name}” is loaded anew whenever ${folder.path} changes`);
    // What was saved since the node began to load it; and what compiles takes a moment to start, which no save is to wait for.
    this.#changed();
    compileServer(folder).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    clearImmediate(this.#telling);
    await this.#building;
    await stopCompiling();
    for (let count = this.#count; count > this.#count - KEPT_VERSIONS; count--) rmSync(this.#place(count), REMOVE);
  }

  /** One after the other; whatever was saved meanwhile comes in one version after that. */
  #changed(): void {
    this.#again = true;
    this.#building ??= this.#build().finally(() => {
      this.#building = undefined;
    });
  }

  async #build(): Promise<void> {
    const { folder, faults, logger } = this.#parts;
    while (this.#again && !this.#closed) {
      this.#again = false;
      const began = performance.now();
      try {
        const made = await recompile(folder, this.#parts);
        const version = versionOf(folder, made);
        this.#watch.others(made.inputs);
        if (version === this.#version && !this.#isBroken) {
          this.#unchanged();
          continue;
        }
        if (version !== this.#version) await this.#take(made, version);
        this.#isBroken = false;
        faults.forget(folder.name);
        this.#parts.forget(folder.name);
        this.#hint(made);
        this.#tell();
        this.#loadedAt = performance.now();
        const tookMs = Math.round(performance.now() - began);
        logger.info({ tookMs }, `“${folder.name}” is loaded anew, in ${tookMs} ms`);
      } catch (error) {
        this.#refuse(error);
      }
    }
  }

  /** What is likely a mistake in what runs now. The page shows what is of the plugin's hooks; of a sheet, whoever looks sees it. */
  #hint({ slips }: CompiledFolder): void {
    const { folder, faults, logger, registry } = this.#parts;
    const others = [...registry.all()]
      .filter(({ name }) => folderOfType(name) === folder.name)
      .flatMap(({ hooks }) => hooks.others);
    const misspelt = misspeltIn(folder, [...new Set(others)], "server");
    for (const { what, mend, ...place } of misspelt)
      faults.add({ plugin: folder.name, hook: `misspelt ${what}`, why: `${what}: ${mend}`, where: whereOf(place) });
    for (const { what, mend, ...place } of [...misspelt, ...slips.map(slip => ({ ...slip, what: slip.text }))]) {
      const where = whereOf(place);
      const at = where === undefined ? "" : ` ${where}:`;
      logger.warn({ plugin: folder.name, ...(at && { where }) }, `“${folder.name}”${at} ${oneLine(what)}: ${mend}`);
    }
  }

  /** An editor's save can come in two parts, of which the second is none to speak of. */
  #unchanged(): void {
    if (!this.#wasSaved || performance.now() - this.#loadedAt < ONE_SAVE_MS) return;
    const { folder, logger } = this.#parts;
    logger.info({ plugin: folder.name }, `“${folder.name}”: nothing changed`);
  }

  /** Throws where it cannot be loaded; then the one before goes on. */
  async #take(made: CompiledFolder, version: string): Promise<void> {
    const { deliveries, folder, gateway, show } = this.#parts;
    const server = this.#copy(made.server);
    const types = await reload(folder, server, this.#parts).catch(error => {
      endTimersOf(server);
      throw error;
    });
    deliveries.replaced(types, gateway.sessions);
    if (this.#server) endTimersOf(this.#server);
    this.#server = server;
    this.#version = version;
    this.#made.set(folder.name, made);
    this.#page = show(loadedOf(this.#made), version);
  }

  /** A module is loaded once for each path: a version that comes back begins anew only from another. */
  #copy(server: string): string {
    this.#count++;
    rmSync(this.#place(this.#count - KEPT_VERSIONS), REMOVE);
    // Where modules are looked for when something is thrown in them.
    const place = join(this.#place(this.#count), "cache", "plugins");
    mkdirSync(place, { recursive: true, mode: 0o700 });
    for (const path of [server, `${server}.map`]) if (existsSync(path)) copyFileSync(path, join(place, basename(path)));
    return join(place, basename(server));
  }

  #place(count: number): string {
    return join(cacheIn(this.#parts.dataDir), `dev-${count}`);
  }

  #refuse(error: unknown): void {
    const { folder, faults, logger } = this.#parts;
    const fault = faultOf(folder, error);
    const { plugin, why, where } = fault;
    // What kept it from being loaded at the start was told then.
    if (!this.#wasSaved && this.#isBroken) return;
    this.#isBroken = true;
    faults.add(fault);
    this.#tell();
    const rest = this.#version === undefined ? "the plugin is off" : "the version before goes on";
    const place = where === undefined ? "" : ` ${where}:`;
    logger.error({ plugin, ...(where !== undefined && { where }) }, `“${plugin}”${place} ${why}; ${rest}`);
  }

  /** Once for whatever this turn of the loop brings. */
  #tellSoon(): void {
    this.#telling ??= setImmediate(() => this.#tell());
  }

  #tell(): void {
    clearImmediate(this.#telling);
    this.#telling = undefined;
    const { folder, faults, gateway } = this.#parts;
    const problems = faults.list().filter(({ plugin }) => plugin === folder.name);
    const runs = this.#version !== undefined;
    const development = { plugin: folder.name, page: this.#page, broken: this.#isBroken, runs, problems };
    const text = JSON.stringify(development);
    if (text === this.#told || this.#closed) return;
    this.#told = text;
    gateway.develop(development);
  }
}

function endTimersOf(server: string): void {
  endTimers(pathToFileURL(server).href);
}

const REMOVE = { recursive: true, force: true } as const;

/** Of what runs: a change of its tests or its notes makes no other. The places in its sources count, which only the map has. */
function versionOf({ path }: PluginFolder, { server, client = "" }: CompiledFolder): string {
  const parts = [join(path, SETTINGS_FILE), `${server}.map`].map(file => (existsSync(file) ? readFileSync(file) : ""));
  return hash("sha256", [basename(server), client, ...parts.map(part => hash("sha256", part))].join("\n"));
}
