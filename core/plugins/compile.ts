/** Plugin folders, compiled: TypeScript and packages in, modules for Node and for browsers out. The only file that runs esbuild. */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, posix, resolve, sep } from "node:path";
import type { BuildOptions, BuildResult, Message, Metafile, OnResolveArgs, Plugin } from "esbuild";
import { embeddedCompiler } from "../native.ts";
import * as contract from "../plugin.ts";
import { fileOf, type PluginFolder, SETTINGS_FILE } from "./folders.ts";
import { MEDIA } from "./media.ts";

/** What keeps a half from being compiled. Lines begin with 1, columns with 0. */
export type Problem = {
  readonly text: string;
  /** Within the folder, with slashes: `server.ts`. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
};

export type Compiled = {
  /** Empty where all went well. */
  readonly problems: readonly Problem[];
  /** By name, the module itself first, source maps beside; empty where there are problems. */
  readonly outputs: ReadonlyMap<string, Uint8Array>;
  /** Absolute paths of all files that went in, but for those of the folder itself. */
  readonly inputs: readonly string[];
};

/** The page's own modules, by what a plugin imports: `preact` is at `assets/preact-HASH.js`. */
export type PageModules = Readonly<Record<string, string>>;

/** Below the page, where everything lies that client halves are made of. */
export const CLIENT_ASSETS = "assets/plugins";
/** Where server halves find the contract: the very one that the node itself uses. */
export const CONTRACT_KEY = "web-chat/plugin";

const BROWSERS = ["chrome111", "firefox115", "safari16.4"];

/** A tsconfig.json in the folder is for the editor: a plugin means the same wherever it lies. */
const TSCONFIG = { compilerOptions: { jsx: "react-jsx", jsxImportSource: "preact", target: "esnext" } } as const;

const common = {
  bundle: true,
  format: "esm",
  write: false,
  metafile: true,
  sourcemap: "external",
  sourcesContent: false,
  legalComments: "none",
  charset: "utf8",
  logLevel: "silent",
  nodePaths: [],
  jsx: "automatic",
  jsxImportSource: "preact",
  tsconfigRaw: TSCONFIG,
} satisfies BuildOptions;

/** The server half as one module for Node, packages included. */
export async function compileServer({ name, path }: PluginFolder): Promise<Compiled> {
  const file = fileOf(path, "server");
  if (file === undefined) return failed([{ text: "there is no server.ts: a plugin needs a server half" }]);
  return run(path, {
    ...common,
    absWorkingDir: path,
    outdir: path,
    entryPoints: { [name]: join(path, file) },
    entryNames: "[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    target: "node24",
    // Packages in the older form ask for what is Node's own by calling it.
    banner: { js: 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);' },
    plugins: [ownContract],
  });
}

/** The client half as modules for the browser, with its pictures, sounds and sheets; no outputs where there is no client half. */
export async function compileClient({ name, path }: PluginFolder, modules: PageModules): Promise<Compiled> {
  const file = fileOf(path, "client");
  if (file === undefined) return { problems: [], outputs: new Map(), inputs: [] };
  const media = new Map<string, Uint8Array>();
  const sheets: string[] = [];
  const result = await run(path, {
    ...common,
    absWorkingDir: path,
    outdir: path,
    entryPoints: { [name]: join(path, file) },
    entryNames: "[name]-[hash]",
    chunkNames: `${name}-[name]-[hash]`,
    splitting: true,
    minify: true,
    platform: "browser",
    target: BROWSERS,
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [pageModules(modules), serverOnly(path), mediaFiles(name, media), scopedSheets(name, path, media, sheets)],
  });
  if (result.problems.length > 0) return result;
  return {
    ...result,
    outputs: new Map([...result.outputs, ...media]),
    inputs: [...new Set([...result.inputs, ...foreign(path, sheets)])],
  };
}

/** These files of the folder as modules for Node, to look at: what draws, and what is drawn, is nothing in them. */
export async function compileForCheck({ path }: PluginFolder, files: readonly string[]): Promise<Compiled> {
  return run(path, {
    ...common,
    absWorkingDir: path,
    outdir: path,
    entryPoints: files.map(file => join(path, file)),
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunk-[hash]",
    splitting: true,
    platform: "node",
    target: "node24",
    banner: { js: 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);' },
    plugins: [ownContract, withoutPage],
  });
}

/** Where a text stops to be JSON; undefined where that cannot be said. */
export async function placeInJson(text: string): Promise<{ line: number } | undefined> {
  const { transform } = await esbuild();
  try {
    await transform(text, { loader: "json", logLevel: "silent" });
    return undefined;
  } catch (error) {
    return (error as { errors?: Message[] }).errors?.[0]?.location ?? undefined;
  }
}

/** Ends what compiles, which is a process of its own. The next compilation starts it again. */
export async function stopCompiling(): Promise<void> {
  if (started) await (await started).stop();
  started = undefined;
}

let started: Promise<typeof import("esbuild")> | undefined;
function esbuild(): Promise<typeof import("esbuild")> {
  if (!started) {
    const program = embeddedCompiler();
    // It is read when that is imported, and at no other time.
    if (program !== undefined) process.env.ESBUILD_BINARY_PATH = program;
    started = import("esbuild");
  }
  return started;
}

async function run(folder: string, options: BuildOptions): Promise<Compiled> {
  const { build } = await esbuild();
  let result: BuildResult<{ metafile: true; write: false }>;
  try {
    result = (await build(options)) as typeof result;
  } catch (error) {
    const { errors } = error as { errors?: Message[] };
    // Without those it is the compiler itself that could not run.
    if (!errors) throw error;
    return failed(errors.map(message => problemOf(message)));
  }
  const [entry = ""] = Object.entries(result.metafile.outputs)
    .filter(([, { entryPoint }]) => entryPoint !== undefined)
    .map(([path]) => basename(path));
  const outputs = new Map(result.outputFiles.map(({ path, contents }) => [basename(path), contents]));
  return {
    problems: [],
    outputs: new Map([[entry, outputs.get(entry) as Uint8Array], ...outputs]),
    inputs: foreign(folder, inputsOf(folder, result.metafile)),
  };
}

function failed(problems: Problem[]): Compiled {
  return { problems, outputs: new Map(), inputs: [] };
}

function problemOf({ text, location }: Message): Problem {
  if (!location) return { text };
  return { text, file: location.file.replaceAll("\\", "/"), line: location.line, column: location.column };
}

/** Absolute paths; what was made up has a namespace in front. */
function inputsOf(folder: string, { inputs }: Metafile): string[] {
  return Object.keys(inputs)
    .filter(path => !/^[\w-]{2,}:/.test(path))
    .map(path => resolve(folder, path));
}

function foreign(folder: string, paths: readonly string[]): string[] {
  const own = (path: string) => path.startsWith(folder + sep) && !path.includes(`${sep}node_modules${sep}`);
  return paths.filter(path => !own(path));
}

/** The server half gets the node's own contract, so that a `Reject` is one on both sides. */
const ownContract: Plugin = {
  name: "own-contract",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^web-chat\/plugin$/ }, () => ({ path: CONTRACT_KEY, namespace: "contract" }));
    onLoad({ filter: /.*/, namespace: "contract" }, () => ({
      contents: `export const { ${Object.keys(contract).join(", ")} } = globalThis[Symbol.for("${CONTRACT_KEY}")];`,
    }));
  },
};

/** Anything that is asked of it is itself: enough for what a client half does before it is drawn. */
const NOTHING = `module.exports = new Proxy(function () {}, {
  get: (_, key) => key === "__esModule" || key === Symbol.toPrimitive ? undefined : module.exports,
  apply: () => module.exports, construct: () => module.exports, has: () => true,
});`;
const withoutPage: Plugin = {
  name: "without-page",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(preact|@preact\/signals)(\/|$)/ }, ({ path }) => ({ path, namespace: "nothing" }));
    onLoad({ filter: /.*/, namespace: "nothing" }, () => ({ contents: NOTHING }));
    onLoad({ filter: /\.css$/ }, () => ({ contents: "" }));
    onLoad({ filter: isMedia }, () => ({ contents: 'export default "";' }));
  },
};

/** What the page has already is not bundled again: there is one instance of each, and hooks and signals rely on it. */
function pageModules(modules: PageModules): Plugin {
  return {
    name: "page-modules",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^(preact|@preact\/signals|web-chat)(\/|$)/ }, ({ path }) => {
        const own = Object.hasOwn(modules, path) ? modules[path] : undefined;
        if (own !== undefined) return { path: relativeUrl(own), external: true };
        return path === CONTRACT_KEY ? { errors: [{ text: `the page has no module ${path}: build it anew` }] } : null;
      }),
  };
}

function relativeUrl(module: string): string {
  const path = posix.relative(CLIENT_ASSETS, module);
  return path.startsWith(".") ? path : `./${path}`;
}

/** Settings hold secrets, and whoever opens the page can read all that its modules hold. */
function serverOnly(folder: string): Plugin {
  return {
    name: "server-only",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
        const name = resolve(resolveDir, path) === join(folder, SETTINGS_FILE) ? SETTINGS_FILE : undefined;
        const half = resolve(resolveDir, path).replace(/\.[jt]sx?$/, "") === join(folder, "server");
        if (name === undefined && !half) return null;
        const what = name ?? basename(path);
        return { errors: [{ text: `${what} stays on the server: a client half cannot import it` }] };
      }),
  };
}

const isMedia = new RegExp(`(${Object.keys(MEDIA).join("|").replaceAll(".", "\\.")})$`, "i");

/** A picture or a sound is a file of its own beside the module, and importing it gives its URL. */
function mediaFiles(name: string, media: Map<string, Uint8Array>): Plugin {
  return {
    name: "media-files",
    setup: ({ onLoad }) =>
      onLoad({ filter: isMedia }, async ({ path }) => {
        const file = await addMedia(name, path, media);
        return { contents: `export default new URL(${JSON.stringify(`./${file}`)}, import.meta.url).href;` };
      }),
  };
}

/** Returns the name that it gets among the page's files. */
async function addMedia(name: string, path: string, media: Map<string, Uint8Array>): Promise<string> {
  const contents = await readFile(path);
  const ending = extname(path);
  const word = basename(path, ending).replace(/[^\w-]+/g, "_");
  const file = `${name}-${word}-${hash("sha256", contents).slice(0, 8).toUpperCase()}${ending.toLowerCase()}`;
  media.set(file, contents);
  return file;
}

/** A sheet that a module imports is put on when that is loaded, and holds for what the plugin draws. */
function scopedSheets(name: string, folder: string, media: Map<string, Uint8Array>, inputs: string[]): Plugin {
  return {
    name: "scoped-sheets",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const { build } = await esbuild();
        const { errors, outputFiles, metafile } = await build({
          absWorkingDir: folder,
          entryPoints: [path],
          bundle: true,
          write: false,
          metafile: true,
          minify: true,
          logLevel: "silent",
          target: BROWSERS,
          plugins: [sheetMedia(name, media)],
        }).catch(error => ({ errors: error.errors as Message[], outputFiles: [], metafile: undefined }));
        if (errors.length > 0 || !metafile) return { errors };
        inputs.push(...inputsOf(folder, metafile));
        // Most plugins have no sheet, and a start has better to do than to read what parses them.
        const { scopeSheet } = await import("./sheet.ts");
        const code = scopeSheet(name, outputFiles[0]?.text.trim() ?? "");
        return {
          contents: `const sheet = new CSSStyleSheet(); sheet.replaceSync(${JSON.stringify(code)});
            document.adoptedStyleSheets.push(sheet);`,
          resolveDir: dirname(path),
        };
      }),
  };
}

/** URLs in such a sheet are relative to the page. */
function sheetMedia(name: string, media: Map<string, Uint8Array>): Plugin {
  return {
    name: "sheet-media",
    setup: ({ onResolve, resolve: find }) =>
      onResolve({ filter: /^[^#]/ }, async (args: OnResolveArgs) => {
        const { path, kind, importer, resolveDir, pluginData } = args;
        if (kind !== "url-token" || pluginData === "found" || /^([a-z]+:|\/\/)/i.test(path)) return null;
        const found = await find(path, { kind, importer, resolveDir, pluginData: "found" });
        if (found.errors.length > 0) return { errors: found.errors };
        if (!isAbsolute(found.path)) return null;
        return { path: `${CLIENT_ASSETS}/${await addMedia(name, found.path, media)}`, external: true };
      }),
  };
}
