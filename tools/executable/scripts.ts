/** The executable's scripts: of what is loaded by `import()` each a file of its own, so that a node reads what it runs. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { type BuildOptions, build as bundle, type Metafile, type OutputFile, type Plugin, transform } from "esbuild";
import { root } from "./target.ts";

/** What all its bundles have in common. CommonJS, which is all that pkg runs; names stay, for the stacks in the log. */
export const options = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node24",
  format: "cjs",
  // With a character outside ASCII the engine would keep two bytes for each.
  charset: "ascii",
  minifySyntax: true,
  minifyWhitespace: true,
  // licenses.ts has what they say, and more.
  legalComments: "none",
  metafile: true,
  define: { "import.meta.dirname": "__dirname" },
  // Accelerators that ws takes if they happen to be installed.
  external: ["bufferutil", "utf-8-validate"],
  // esbuild looks for its own file in a thread that is not used here.
  logOverride: { "empty-import-meta": "silent", "require-resolve-not-external": "silent" },
} as const satisfies BuildOptions;

/**
 * Writes the bundles of the entry points below `folder`, each where its source is in the tree, and beside core/main.js what
 * they share or load later. Returns what esbuild says of them.
 */
export async function writeScripts(
  folder: string,
  inputs: { entryPoints: string[]; plugins: Plugin[] },
): Promise<Metafile> {
  const { outputFiles, metafile } = await bundle({
    ...options,
    ...inputs,
    // Only of such does it make several.
    format: "esm",
    splitting: true,
    outdir: folder,
    outbase: root,
    // Beside core/main.js: what lies in the tree beside core/ is looked for from there.
    chunkNames: "core/[name]-[hash]",
    write: false,
  });
  const { inputs: sources, outputs } = metafile;
  const isCommonJs = (path: string) => {
    const { entryPoint = "" } = outputs[relative(root, path).replaceAll("\\", "/")] ?? {};
    return sources[entryPoint]?.format === "cjs";
  };
  await Promise.all(outputFiles.map(file => writeScript(file, isCommonJs(file.path))));
  return metafile;
}

async function writeScript({ path, text }: OutputFile, isCommonJs: boolean): Promise<void> {
  // How esbuild shares a module that somebody takes with require(): it is there only once that was called.
  if (/\binit_\w+[,}][^}]*;?\s*$/.test(text))
    throw new Error(`${path} shares an ESM module that a CommonJS module requires`);
  const { charset, minifySyntax, minifyWhitespace, target, logOverride } = options;
  const { code } = await transform(text, {
    ...{ charset, minifySyntax, minifyWhitespace, target, logOverride },
    format: "cjs",
    platform: "node",
    // What is exported is final by now: read as a property it costs nothing, and through esbuild's two getters 20 ns each time.
    // Of what is CommonJS, import() gives the names as well.
    footer: `module.exports={${isCommonJs ? "...module.exports.default," : ""}...module.exports};`,
  });
  await mkdir(dirname(path), { recursive: true });
  // pkg's files cannot be imported.
  await writeFile(path, code.replaceAll(/\bimport\(("\.\/[\w-]+\.js")\)/g, "Promise.resolve().then(()=>require($1))"));
}
