/** Where the control socket of a data directory is. */
import { hash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { Reject } from "../errors.ts";

/** `path` is good until `release` is called. */
export type ControlPath = { path: string; release(): void };

/** Bytes that a socket's path may have, its final zero not counted: unix(7), and sys/un.h of macOS. */
const MAX_BYTES = process.platform === "linux" ? 107 : 103;

/** The socket's path in a form that the system takes; throws `Reject` where there is none. */
export function controlPath(dataDir: string): ControlPath {
  const kept = (path: string) => ({ path, release() {} });
  const absolute = join(resolve(dataDir), "control.sock");
  // A named pipe lies in no folder. Windows lets only its owner and administrators write to one, unless told otherwise.
  if (process.platform === "win32")
    return kept(`\\\\.\\pipe\\web-chat-${hash("sha256", absolute.toLowerCase()).slice(0, 32)}`);
  const short = [absolute, relative(process.cwd(), absolute)].find(path => Buffer.byteLength(path) <= MAX_BYTES);
  if (short !== undefined) return kept(short);
  if (process.platform !== "linux")
    throw new Reject("data-dir", `${dataDir} is too long for a control socket: start web-chat in a folder near it`);
  const folder = openSync(dataDir, "r");
  return { path: `/proc/self/fd/${folder}/control.sock`, release: () => closeSync(folder) };
}
