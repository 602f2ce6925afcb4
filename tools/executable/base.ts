/** The official Node that an executable is built on. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cache, label, nodeVersion, root, type Target, which } from "./target.ts";

const run = promisify(execFile);

export type Base = {
  path: string;
  /** Why it is larger than it had to be. */
  unstripped?: string;
};

/** Throws where it can neither be found nor fetched. */
export async function baseFor(target: Target): Promise<Base> {
  const path = await nodeFor(target);
  if (target.platform === "macos") return { path };
  const base = target.platform === "linux" ? await stripped(target, path) : { path };
  return { ...base, path: await withoutTypeScript(target, base.path) };
}

/** Node's own reader of TypeScript: WebAssembly, as text in base 64. */
const TYPESCRIPT = /"AGFzbQ[A-Za-z0-9+/=]{1000000,}"/g;

/** Plugins are compiled by esbuild, and nothing else here is TypeScript: what Node would read it with is blanked, 1.4 MB gzipped. */
async function withoutTypeScript(target: Target, path: string): Promise<string> {
  const bytes = await readFile(path);
  const [found, ...others] = bytes.toString("latin1").matchAll(TYPESCRIPT);
  if (!found || others.length > 0)
    throw new Error(`${path} reads TypeScript in another way than withoutTypeScript knows`);
  const [text] = found;
  bytes.fill("A", found.index + 1, found.index + text.length - 1);
  const smaller = join(cache, `node-${label(target)}-base`);
  await rm(smaller, { force: true });
  await writeFile(smaller, bytes, { mode: 0o755 });
  return smaller;
}

async function nodeFor({ nodePackage, ...target }: Target): Promise<string> {
  if (!nodePackage) {
    if (process.version === `v${nodeVersion}`) return process.execPath;
    throw new Error(
      `${label(target)} is built on the Node that runs this: install Node ${nodeVersion}, this is ${process.version}`,
    );
  }
  const binary = target.platform === "win" ? "bin/node.exe" : "bin/node";
  return join(await packageFor(nodePackage, nodeVersion), binary);
}

/** The folder of a package for another platform, fetched where it is not installed. Throws where that cannot be done. */
export async function packageFor(name: string, version: string): Promise<string> {
  const installed = join(root, "node_modules", name);
  if ((await versionIn(installed)) === version) return installed;
  const fetched = join(cache, `${name.replaceAll("/", "-")}-${version}`);
  if ((await versionIn(fetched)) !== version) await fetchPackage(name, version, fetched);
  return fetched;
}

async function versionIn(folder: string): Promise<string | undefined> {
  try {
    return (JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** npm installs none for another platform, but hands it out; that it is the one which the lock names is checked here. */
async function fetchPackage(name: string, version: string, folder: string): Promise<void> {
  console.log(`fetching ${name} ${version} from npm`);
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  try {
    const pack = ["pack", `${name}@${version}`, "--silent", "--pack-destination", draft];
    const { stdout } = await run("npm", pack, { cwd: root, shell: process.platform === "win32" });
    const archive = join(draft, stdout.trim());
    const { integrity } = lockedPackage(await readFile(join(root, "package-lock.json"), "utf8"), name, version);
    const found = `sha512-${createHash("sha512")
      .update(await readFile(archive))
      .digest("base64")}`;
    if (found !== integrity) throw new Error(`${name} is not what package-lock.json names: ${found}, not ${integrity}`);
    await run("tar", ["-xzf", archive, "-C", draft]);
    await rm(folder, { recursive: true, force: true });
    await rename(join(draft, "package"), folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function lockedPackage(lock: string, name: string, version: string): { integrity: string } {
  const { packages } = JSON.parse(lock) as { packages: Record<string, { version: string; integrity: string }> };
  const locked = packages[`node_modules/${name}`];
  if (locked?.version !== version) throw new Error(`package-lock.json has no ${name} ${version}`);
  return locked;
}

/** Without its table of symbols, a seventh of its size; as it is where no program here can take that out. */
async function stripped(target: Target, path: string): Promise<Base> {
  const triple = target.arch === "x64" ? "x86_64-linux-gnu-strip" : "aarch64-linux-gnu-strip";
  const own = process.platform === "linux" && process.arch === target.arch ? ["strip"] : [];
  const strip = which(triple, ...own, "llvm-strip");
  if (!strip) return { path, unstripped: `there is no ${triple} and no llvm-strip here` };
  const smaller = join(cache, `node-${label(target)}-stripped`);
  await mkdir(dirname(smaller), { recursive: true });
  // It may be a link to what another tree has, too.
  await rm(smaller, { force: true });
  await copyFile(path, smaller);
  await chmod(smaller, 0o755);
  await run(strip, [smaller]);
  return { path: smaller };
}
