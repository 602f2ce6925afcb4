/** The message types of a node: those that are built in, and beside them those that were dropped in. */
import { join } from "node:path";
import { loadAssets, withPlugins } from "../assets.ts";
import { sharedFolder } from "../datadir.ts";
import type { Logger, NodeOptions } from "../node.ts";
import { Registry } from "../registry.ts";
import type { Time } from "../time.ts";
import type { PublicAuthority } from "../tls/certificates.ts";
import { withAuthority } from "../tls/install.ts";
import { Calls, type CallsParts, HOOKS } from "./calls/calls.ts";
import { fileWith } from "./calls/hooks.ts";
import { catchUncaught } from "./calls/uncaught.ts";
import { cacheIn } from "./compile/cache.ts";
import type { DevParts } from "./dev/dev.ts";
import { offerTimers } from "./dev/timers.ts";
import { Faults } from "./faults.ts";
import { type PluginFolder, pluginFolders } from "./folders.ts";
import { type LoadedPlugins, loadPlugins } from "./load.ts";
import { PageFailures } from "./page-failures.ts";
import { builtInPlace, placeOf } from "./sources.ts";
import { Watchdog } from "./watchdog/watchdog.ts";

export type PluginsParts = Pick<CallsParts, "failed" | "slow"> & { dataDir: string; time: Time };

export type Plugins = {
  registry: Registry;
  faults: Faults;
  /** What browsers load, and a fingerprint of it: another one after a plugin that is being written was saved. */
  served: ReturnType<typeof withPlugins>;
  pageFailures: PageFailures;
  /** From then on what is saved of the plugin that is being written is loaded; where there is one. */
  develop(late: Pick<DevParts, "deliveries" | "gateway">, authority: PublicAuthority | undefined): Promise<void>;
};

/** Loads them; those that cannot be are among the faults. `open` is told how to end what was begun. */
export async function openPlugins(
  options: NodeOptions,
  { dataDir, time, failed, slow }: PluginsParts,
  open: AsyncDisposableStack,
): Promise<Plugins> {
  const { logger, plugins, ui, dev } = options;
  const faults = new Faults();
  // Whoever writes a plugin reads them on a screen, and goes to the place.
  const warn: Logger["warn"] = (details, message) =>
    logger.warn(dev && "where" in details ? { ...details, stack: undefined } : details, message);
  const calls = new Calls({
    faults,
    time,
    failed,
    slow,
    warn,
    placeOf: (plugin, error, hook) =>
      placeOf(error) ?? builtInPlace(error) ?? (plugin === dev?.name && hook ? fileWith(dev, hook) : undefined),
  });
  const registry = new Registry(plugins, calls);
  const folders = droppedIn(options, dataDir);
  const watchdog = watch(folders, { options, dataDir, calls }, open);
  const parts = { dataDir, ui, registry, faults, logger, watchdog };
  if (dev) offerTimers();
  const loaded = await loadPlugins(folders, parts);
  const own = loadAssets(ui);
  const served = withPlugins(own, loaded);
  return {
    registry,
    faults,
    served,
    pageFailures: new PageFailures({
      calls,
      types: () => Object.keys(registry.versions()),
      assets: () => served.assets,
      dev: dev?.name,
      now: () => time.elapsed(),
    }),
    async develop(late, authority) {
      if (!dev) return;
      const show = (loaded: LoadedPlugins, version: string) => {
        const { assets, page } = withPlugins(own, loaded, version);
        Object.assign(served, { assets: withAuthority(assets, authority), page });
        return page;
      };
      const { Dev } = await import("./dev/dev.ts");
      const forget = (plugin: string) => calls.forget(plugin);
      const started = new Dev({ ...parts, ...late, folder: dev, loaded, show, forget });
      open.defer(() => started.close());
    },
  };
}

function droppedIn({ config, dev }: NodeOptions, dataDir: string): PluginFolder[] {
  // Nodes that share out a folder share what was dropped into it.
  const directory = config.plugins ?? join(sharedFolder(config.dataDir) ?? dataDir, "plugins");
  const found = pluginFolders(directory);
  return dev ? [...found.filter(({ name }) => name !== dev.name), dev] : found;
}

/** Only where a plugin may be at fault that did not come with the program, and in a process of the node's own. */
function watch(
  folders: readonly PluginFolder[],
  { options: { restarts, logger }, dataDir, calls }: { options: NodeOptions; dataDir: string; calls: Calls },
  open: AsyncDisposableStack,
): Watchdog | undefined {
  if (!restarts || folders.length === 0) return undefined;
  const names = folders.map(({ name }) => name);
  const failed = (error: Error) => logger.error({ err: error }, "the watchdog has ended: a plugin may hang this node");
  const watchdog = Watchdog.start({ folders: names, compiled: cacheIn(dataDir), dataDir, hooks: HOOKS }, failed);
  open.defer(() => watchdog.close());
  calls.seenBy(watchdog);
  open.defer(catchUncaught(names, (folder, error) => calls.uncaught(folder, error)));
  return watchdog;
}
