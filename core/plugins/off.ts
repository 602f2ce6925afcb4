/** Plugins that were switched off: a file each in the data directory, which whoever mends the plugin removes. */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";

export type Off = {
  /** One line for people. */
  readonly why: string;
  /** In the plugin's own sources: `server.ts:12`. */
  readonly where?: string | undefined;
};

/** What the disk would not take is handed to the next process in this variable, as JSON. */
const VARIABLE = "WEB_CHAT_PLUGINS_OFF";
const ENDING = ".json";

/** Below the data directory. */
export const OFF_FOLDER = "plugins-off";

/** Is on disk when this returns. Throws where it cannot be written. */
export function switchOff(dataDir: string, folder: string, off: Off): void {
  const markers = join(dataDir, OFF_FOLDER);
  mkdirSync(markers, { recursive: true, mode: 0o700 });
  const path = join(markers, `${folder}${ENDING}`);
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, `${JSON.stringify(off)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

/** What the environment of the next process needs so that it keeps that plugin off, where no marker could be written. */
export function offInEnvironment(folder: string, off: Off, environment = process.env): Record<string, string> {
  return { [VARIABLE]: JSON.stringify({ ...handedOver(environment), [folder]: off }) };
}

/** The plugin folders that are off, by name. A marker that cannot be read switches off, too. */
export function switchedOff(dataDir: string, environment = process.env): Map<string, Off> {
  const off = new Map<string, Off>(Object.entries(handedOver(environment)));
  for (const name of markersIn(dataDir)) off.set(name.slice(0, -ENDING.length), read(join(dataDir, OFF_FOLDER, name)));
  return off;
}

function markersIn(dataDir: string): string[] {
  try {
    return readdirSync(join(dataDir, OFF_FOLDER)).filter(name => name.endsWith(ENDING));
  } catch {
    return [];
  }
}

function read(path: string): Off {
  try {
    return asOff(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return asOff(undefined);
  }
}

function handedOver(environment: NodeJS.ProcessEnv): Record<string, Off> {
  try {
    const said: unknown = JSON.parse(environment[VARIABLE] ?? "{}");
    return Object.fromEntries(Object.entries(said as object).map(([folder, off]) => [folder, asOff(off)]));
  } catch {
    return {};
  }
}

function asOff(said: unknown): Off {
  const { why, where } = (said ?? {}) as Record<string, unknown>;
  return {
    why: typeof why === "string" ? why : "it was switched off",
    ...(typeof where === "string" && { where }),
  };
}
