/** Plugins that were switched off: a file each in the data directory, until the plugin's own files change or it is removed. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { loadedContents } from "./compile/cache.ts";

export type Off = {
  /** One line for people. */
  readonly why: string;
  /** In the plugin's own sources: `server.ts:12`. */
  readonly where?: string | undefined;
};
type Marker = Off & {
  /** As people write it. */
  readonly at: string;
  /** The hash of the plugin's files; none where it was not known. */
  readonly contents?: string | undefined;
};

/** What the disk would not take is handed to the next process in this variable, as JSON. */
const VARIABLE = "WEB_CHAT_PLUGINS_OFF";

/** Below the data directory. */
export const OFF_FOLDER = "plugins-off";

/** The file that keeps a plugin off; whoever removes it has it loaded at the next start. */
export function markerPath(dataDir: string, folder: string): string {
  return join(dataDir, OFF_FOLDER, `${folder}.json`);
}

/** Is on disk when this returns, which any thread may call. Throws where it cannot be written. */
export function switchOff(dataDir: string, folder: string, off: Off): void {
  mkdirSync(join(dataDir, OFF_FOLDER), { recursive: true, mode: 0o700 });
  const path = markerPath(dataDir, folder);
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, `${JSON.stringify(markerOf(off, loadedContents(dataDir, folder)), undefined, 2)}\n`);
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

/**
 * Why a plugin with these contents is off; undefined where it is not. A marker for other contents is removed, and one that
 * makes no sense switches off, too. Where it cannot be told whether there is one, `unread` is, and the plugin is on.
 */
export function offFor(
  dataDir: string,
  folder: string,
  contents: string,
  unread: (error: Error) => void,
  environment = process.env,
): Off | undefined {
  const path = markerPath(dataDir, folder);
  try {
    const marker = read(path);
    if (marker?.contents === undefined || marker.contents === contents)
      return marker ?? handedOver(environment)[folder];
    rmSync(path, { force: true });
    return undefined;
  } catch (error) {
    unread(error as Error);
    return handedOver(environment)[folder];
  }
}

function markerOf({ why, where }: Off, contents: string | undefined): Marker {
  const at = new Date().toISOString();
  return { why, ...(where !== undefined && { where }), at, ...(contents !== undefined && { contents }) };
}

/** Undefined where there is no such file. Throws where that cannot be told. */
function read(path: string): Omit<Marker, "at"> | undefined {
  const text = textOf(path);
  if (text === undefined) return undefined;
  try {
    const said = JSON.parse(text) as { contents?: unknown } | null;
    return { ...asOff(said), ...(typeof said?.contents === "string" && { contents: said.contents }) };
  } catch {
    return asOff(undefined);
  }
}

/** Empty where there is a file, and nobody may read it. */
function textOf(path: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
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
