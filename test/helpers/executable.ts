/** The executable of this machine, as `npm test` has built it. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const PLATFORMS: Record<string, string> = { linux: "linux", win32: "win", darwin: "macos" };
const windows = process.platform === "win32";

export const executable = join(
  import.meta.dirname,
  `../../dist/web-chat-${PLATFORMS[process.platform]}-${process.arch}${windows ? ".exe" : ""}`,
);

/** Why there is none to run, in words for `t.skip`; undefined where there is one. */
export function noExecutable(): string | undefined {
  return existsSync(executable) ? undefined : "there is no executable: npm run executable makes it";
}
