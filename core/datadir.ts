/** A data directory as it is set: one node's own, or `folder/*`, whose folders nodes share out among them. */
import { basename, dirname } from "node:path";

/** The folder of `folder/*`; undefined where the setting names a directory itself. */
export function sharedFolder(dataDir: string): string | undefined {
  return basename(dataDir) === "*" ? dirname(dataDir) : undefined;
}
