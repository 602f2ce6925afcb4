/**
 * Makes the executable of this machine: `npm run executable`; with `-- --all` those of every platform whose Node npm has.
 * `-- --unpacked` stops at the files that would go into it, in dist/unpacked/.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { build } from "./build.ts";
import { baseFor } from "./executable/base.ts";
import { pack } from "./executable/pack.ts";
import { stage } from "./executable/stage.ts";
import { cache, fileName, label, root, TARGETS, type Target, thisMachine } from "./executable/target.ts";

const MAX_MB = 125;
const MAX_GZIPPED_MB = 45;

const unknown = process.argv.slice(2).filter(word => !["--all", "--unpacked"].includes(word));
if (unknown.length > 0) throw new Error(`there is no option ${unknown.join(" ")}: --all, --unpacked`);
const targets = process.argv.includes("--all") ? TARGETS : [thisMachine()];

const { bundles } = await build();
if (process.argv.includes("--unpacked")) {
  for (const target of targets) await stageWith(target, join(root, "dist/unpacked", label(target)));
} else {
  const sums: string[] = [];
  await rm(join(root, "dist/SHA256SUMS"), { force: true });
  for (const target of targets) sums.push(`${await make(target)}  ${fileName(target)}\n`);
  await writeFile(join(root, "dist/SHA256SUMS"), sums.join(""));
}

/** Stages, and writes the licences of what is inside beside the executables; they are the same for all. */
async function stageWith(target: Target, folder: string): Promise<void> {
  await writeFile(join(root, "dist/LICENSES.txt"), await stage(target, folder, bundles));
}

/** Returns the hash of the executable. */
async function make(target: Target): Promise<string> {
  const startedAt = new Date();
  const file = join(root, "dist", fileName(target));
  const staged = join(cache, label(target));
  await stageWith(target, staged);
  const base = await baseFor(target);
  await pack(target, base, staged, file);
  const { bytes, gzipped, sum } = await measure(file);
  const seconds = ((Date.now() - startedAt.getTime()) / 1_000).toFixed(1);
  // What changes while it is being made is newer than it.
  await utimes(file, startedAt, startedAt);
  console.log(`dist/${fileName(target)}: ${mb(bytes)} MB, ${mb(gzipped)} MB gzipped, made in ${seconds} s`);
  if (base.unstripped) console.log(`not stripped of its symbols, and so larger than it has to be: ${base.unstripped}`);
  if (bytes > MAX_MB * 1e6 || gzipped > MAX_GZIPPED_MB * 1e6)
    console.log(`over its budget of ${MAX_MB} MB, ${MAX_GZIPPED_MB} MB gzipped`);
  return sum;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

async function measure(file: string): Promise<{ bytes: number; gzipped: number; sum: string }> {
  const hash = createHash("sha256");
  let gzipped = 0;
  await Promise.all([
    pipeline(createReadStream(file), hash),
    pipeline(createReadStream(file), createGzip(), async chunks => {
      for await (const chunk of chunks) gzipped += (chunk as Buffer).length;
    }),
  ]);
  return { bytes: (await stat(file)).size, gzipped, sum: hash.digest("hex") };
}
