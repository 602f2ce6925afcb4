/** Staged files and a Node, made one file by pkg. */
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Base } from "./base.ts";
import { cache, label, nodeVersion, root, type Target } from "./target.ts";

const run = promisify(execFile);

/** Writes the executable to `file`. Throws with pkg's own words where it fails. */
export async function pack(target: Target, { path }: Base, folder: string, file: string): Promise<void> {
  if (process.version !== `v${nodeVersion}`)
    throw new Error(
      `what is packed is read by Node ${nodeVersion} alone, and this is ${process.version}: npm run executable`,
    );
  const home = join(cache, "home");
  await offer(target, path, join(home, ".pkg-cache/sea"));
  // Its ending stays: pkg gives a program for Windows one if it lacks it.
  const draft = join(dirname(file), `.${process.pid}-${basename(file)}`);
  const words = [await mendedPkg(), "--sea", "-t", `node${nodeVersion}-${label(target)}`, "-o", draft, folder];
  // pkg keeps its downloads in the home of whoever runs it: it gets one with what it would download.
  const env = { ...process.env, HOME: home, USERPROFILE: home, NO_COLOR: "1" };
  try {
    await run(process.execPath, words, { env, maxBuffer: 64 * 1024 * 1024 });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`pkg failed: ${(error as Error).message}\n${stdout}${stderr}`, { cause: error });
  }
}

/**
 * What pkg puts in front of a program asks for the user's home at once, for native libraries that it would unpack there,
 * and ends where the system knows none. core/native.ts unpacks ours. Returns the path of a copy that does not ask.
 */
async function mendedPkg(): Promise<string> {
  const copy = join(cache, "pkg");
  const start = join(copy, "prelude/sea-bootstrap.bundle.js");
  const question = 'process.env.PKG_NATIVE_CACHE_PATH || path.join(homedir(), ".cache")';
  await rm(copy, { recursive: true, force: true });
  await cp(join(root, "node_modules/@yao-pkg/pkg"), copy, { recursive: true });
  const source = await readFile(start, "utf8");
  if (!source.includes(question)) throw new Error(`${start} has another form than mendedPkg knows`);
  await writeFile(start, source.replaceAll(question, '""'));
  return join(copy, "lib-es5/bin.js");
}

/** Where pkg looks before it downloads; empty files called .ok say that a download and its unpacking were complete. */
async function offer({ platform, arch }: Target, node: string, downloads: string): Promise<void> {
  const name = `node-v${nodeVersion}-${platform === "macos" ? "darwin" : platform}-${arch}`;
  const archive = join(downloads, `${name}${platform === "win" ? ".zip" : ".tar.gz"}`);
  const binary = platform === "win" ? join(downloads, `${name}.exe`) : join(downloads, name, "bin/node");
  await mkdir(dirname(binary), { recursive: true });
  await copyFile(node, binary);
  for (const mark of [archive, `${archive}.ok`, `${binary}.ok`]) await writeFile(mark, "");
}
