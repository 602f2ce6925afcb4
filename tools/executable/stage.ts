/** The files that go into an executable, laid out as they are in the tree, so that they find each other as from source. */
import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { build as bundle, version as compilerVersion, type Metafile, type Plugin } from "esbuild";
import { nameTargets } from "../../core/bcj.ts";
import { KIT_FILES } from "../kit.ts";
import { packageFor, strip } from "./base.ts";
import { licensesOf } from "./licenses.ts";
import { options, writeScripts } from "./scripts.ts";
import { cache, root, type Target, version } from "./target.ts";

/** zeromq gets the library that core/native.ts loaded, which stands beside it there. */
const embeddedLibrary: Plugin = {
  name: "embedded-library",
  setup: ({ onLoad, onResolve }) => {
    onLoad({ filter: /zeromq[\\/]lib[\\/]load-addon\.js$/ }, () => ({
      contents: `exports.__esModule = true; exports.default = require("./native.js").nativeLibrary();`,
    }));
    // zeromq is CommonJS: if it took the source, that and all that it imports would have to be made for two kinds of callers.
    onResolve({ filter: /^\.\/native\.js$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** How a thread is started that is put into the bundle. */
const WORKER = /new Worker\(new URL\("\.\/(\w+)\.ts", import\.meta\.url\), \{/g;

/**
 * pkg would start a thread's file with its own file system in front, at 2 MB a thread: none of the threads needs one. Adds
 * what esbuild says of their bundles to `bundles`.
 */
function embeddedWorkers(bundles: Metafile[]): Plugin {
  const plugin: Plugin = {
    name: "embedded-workers",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, "utf8");
        if (!source.includes("new Worker(")) return undefined;
        if (source.replaceAll(WORKER, "").includes("new Worker("))
          throw new Error(`${path} starts a worker in another form than embeddedWorkers knows`);
        let contents = source;
        for (const [start, name] of source.matchAll(WORKER)) {
          const entryPoints = [join(dirname(path), `${name}.ts`)];
          const { outputFiles, metafile } = await bundle({ ...options, entryPoints, plugins: [plugin], write: false });
          bundles.push(metafile as Metafile);
          const code = JSON.stringify(outputFiles[0]?.text);
          contents = contents.replace(start, () => `new Worker(${code}, { eval: true,`);
        }
        return { contents, loader: "ts" };
      }),
  };
  return plugin;
}

/** What runs in a process of its own. The executable can start nothing but itself, and is told to be that. */
const PROBER = "plugins/voice/process";
/** Nobody who types that word has such a channel. */
const isProber = `process.send && process.argv[2] === ${JSON.stringify(PROBER)}`;

const embeddedProber: Plugin = {
  name: "embedded-prober",
  setup: ({ onLoad }) =>
    onLoad({ filter: /plugins[\\/]voice[\\/]prober\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source.replace('fork(new URL("./process.ts", import.meta.url), {', `fork("${PROBER}", {`);
      if (contents === source) throw new Error(`${path} starts its process in another form than embeddedProber knows`);
      return { contents, loader: "ts" };
    }),
};

/** Sheets of plugins get no maps, and postcss does without what makes them. */
const withoutSheetMaps: Plugin = {
  name: "without-sheet-maps",
  setup: ({ onLoad }) => onLoad({ filter: /node_modules[\\/]source-map-js[\\/]/ }, () => ({ contents: "" })),
};

/** Engine.IO asks only how a browser may get something packed, and not which types it takes: half a megabyte of heap. */
const withoutMediaTypes: Plugin = {
  name: "without-media-types",
  setup: ({ onLoad }) => onLoad({ filter: /mime-db[\\/]db\.json$/ }, () => ({ contents: "{}", loader: "json" })),
};

/**
 * Fills `folder` anew. The UI has to be built; `page` is what esbuild said of its bundles. The same sources give the same bytes,
 * wherever they lie. Returns the licences of what is inside.
 */
export async function stage(target: Target, folder: string, page: readonly Metafile[]): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const bundles = [...page];
  const plugins = [embeddedLibrary, embeddedWorkers(bundles), embeddedProber, withoutSheetMaps, withoutMediaTypes];
  bundles.push(
    await writeScripts(folder, { entryPoints: ["core/main.ts", "core/native.ts", `${PROBER}.ts`], plugins }),
  );
  const main = join(folder, "core/main.js");
  await writeFile(main, `if (${isProber}) return require("../${PROBER}.js");${await readFile(main, "utf8")}`);
  // No page asks for the source maps; what is there packed, core/assets.ts unpacks.
  const filter = (path: string) => !/\.(map|gz)$/.test(path) && !existsSync(`${path}.br`);
  await cp(join(root, "dist/ui"), join(folder, "dist/ui"), { recursive: true, filter });
  await cp(join(root, "dist/kit"), join(folder, "dist/kit"), { recursive: true });
  await mkdir(join(folder, "native"));
  const library = join(folder, "native/zeromq.node");
  await cp(await libraryFor(target), library);
  if (target.platform === "linux") await strip(target, library);
  await nameByHash(library);
  const compiler = join(folder, "native/esbuild.br");
  await cp(await compilerFor(target), compiler);
  await nameByHash(compiler);
  const manifest = {
    name: "web-chat",
    version,
    bin: "core/main.js",
    pkg: { assets: ["dist/ui/**/*", "dist/kit/*", "native/*", "LICENSES.br"] },
  };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  const licenses = await licensesOf(bundles, KIT_FILES);
  await writeFile(join(folder, "LICENSES.br"), await promisify(brotliCompress)(licenses));
  return licenses;
}

/** So that core/native.ts knows it without reading it. */
async function nameByHash(path: string): Promise<void> {
  const { dir, name, ext } = parse(path);
  await rename(path, join(dir, `${name}-${hash("sha256", await readFile(path))}${ext}`));
}

/** The newest of the libraries that zeromq brings for a platform; on Linux that for glibc, which Node itself needs. */
async function libraryFor({ platform, arch }: Target): Promise<string> {
  const built = join(root, "node_modules/zeromq/build");
  const { os, libc } = {
    linux: { os: "linux", libc: "glibc" },
    win: { os: "win32", libc: "msvc" },
    macos: { os: "darwin", libc: "libc" },
  }[platform];
  const manifest = JSON.parse(await readFile(join(built, "manifest.json"), "utf8")) as Record<string, string>;
  const [newest] = Object.entries(manifest)
    .map(([key, path]) => ({ ...(JSON.parse(key) as Record<"os" | "arch" | "libc", string> & { abi: number }), path }))
    .filter(library => library.os === os && library.arch === arch && library.libc === libc)
    .sort((a, b) => b.abi - a.abi);
  if (!newest) throw new Error(`zeromq has no library for ${platform}-${arch}`);
  return join(built, newest.path.replaceAll("\\", "/"));
}

/** esbuild's program for a platform, as small as it can be made: nobody needs it but who drops plugins in. Returns its path. */
async function compilerFor({ platform, arch }: Target): Promise<string> {
  const name = `@esbuild/${{ linux: "linux", win: "win32", macos: "darwin" }[platform]}-${arch}`;
  const packed = join(cache, `${name.replace("/", "-")}-${compilerVersion}-targets.br`);
  // It takes half a minute.
  if (existsSync(packed)) return packed;
  const program = platform === "win" ? "esbuild.exe" : "bin/esbuild";
  const bytes = await readFile(join(await packageFor(name, compilerVersion), program));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  if (arch === "x64") nameTargets(bytes);
  await mkdir(cache, { recursive: true });
  await writeFile(`${packed}.partial`, await promisify(brotliCompress)(bytes, { params }));
  await rename(`${packed}.partial`, packed);
  return packed;
}
