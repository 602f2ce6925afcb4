/** `web-chat dev`: a node that serves a plugin while it is being written. Its data is where a node's always is. */
import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { Reject } from "../errors.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import type { PluginFolder } from "../plugins/folders.ts";
import { faultOfName, mendOfName } from "../plugins/names.ts";

/** The plugin folder at that path, which may have nothing in it yet. Throws `Reject` where it cannot become one. */
export function devFolder(path: string, builtIn: readonly AnyServerPlugin[]): PluginFolder {
  const folder = { name: basename(resolve(path)), path: resolve(path), dev: true } as const;
  if (!statSync(folder.path, { throwIfNoEntry: false })?.isDirectory())
    throw new Reject("file-unusable", `${folder.path} is no folder: web-chat new writes one that works`);
  const fault = faultOfName(folder.name, builtIn);
  if (fault) throw new Reject("plugin-invalid", `“${folder.name}” ${fault}: ${mendOfName(folder.name)}`);
  return folder;
}
