/** Plugin folders, compiled: TypeScript and packages in, modules for Node and for browsers out. The only file that runs esbuild. */
import { basename, join, resolve, sep } from "node:path";
import type { BuildOptions, BuildResult, Message, Metafile, Plugin } from "esbuild";
import { embeddedCompiler } from "../../native.ts";
import { BANNER, NAMES } from "../dev/timers.ts";
import { fileOf, lookalike, type PluginFolder } from "../folders.ts";
import { mediaFiles, scopedSheets } from "./attachments.ts";
import { ownContract, type PageModules, pageModules, serverOnly, withoutPage } from "./imports.ts";
import { type Problem, problemsOf, slipsOf } from "./problems.ts";

export type Compiled = {
  /** Empty where all went well. */
  readonly problems: readonly Problem[];
  /** What keeps it from nothing, and is likely a mistake. */
  readonly slips: readonly Problem[];
  /** What the module exports. */
  readonly exports: readonly string[];
  /** By name, the module itself first, source maps beside; empty where there are problems. */
  readonly outputs: ReadonlyMap<string, Uint8Array>;
  /** Absolute paths of all files that went in, but for those of the folder itself. */
  readonly inputs: readonly string[];
};

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

/** Packages in the older form ask for what is Node's own by calling it. */
const REQUIRE = 'import{createRequire as $require}from"node:module";const require=$require(import.meta.url);';

/** The server half as one module for Node, packages included. */
export async function compileServer({ name, path, dev }: PluginFolder): Promise<Compiled> {
  const file = fileOf(path, "server");
  if (file === undefined) {
    const mend =
      meantBy(path, "server") ?? "write server.ts: export default defineServer(message, { receive: body => body })";
    return failed([{ text: "there is no server.ts: a plugin needs a server half", mend }]);
  }
  return run(path, {
    ...common,
    absWorkingDir: path,
    outdir: path,
    entryPoints: { [name]: join(path, file) },
    entryNames: "[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    target: "node24",
    banner: { js: `${REQUIRE}${dev ? BANNER : ""}` },
    ...(dev && { define: NAMES }),
    plugins: [ownContract],
  });
}

/** The client half as modules for the browser, with its pictures, sounds and sheets; no outputs where there is no client half. */
export async function compileClient({ name, path }: PluginFolder, modules: PageModules): Promise<Compiled> {
  const file = fileOf(path, "client");
  if (file === undefined) return withoutClient(path);
  const media = new Map<string, Uint8Array>();
  const sheets: string[] = [];
  const bundle = async (sheet: string, plugins: Plugin[]) => {
    const { inputs, ...bundled } = await bundleSheet(path, sheet, plugins);
    sheets.push(...inputs);
    return bundled;
  };
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
    plugins: [pageModules(modules), serverOnly(path), mediaFiles(name, media), scopedSheets(name, media, bundle)],
  });
  if (result.problems.length > 0) return result;
  return {
    ...result,
    outputs: new Map([...result.outputs, ...media]),
    inputs: [...new Set([...result.inputs, ...foreign(path, sheets)])],
  };
}

function withoutClient(folder: string): Compiled {
  const mend = meantBy(folder, "client", /\bdefineClient\b/);
  const slips = mend === undefined ? [] : [{ text: "there is no client.tsx", mend }];
  return { problems: [], slips, exports: [], outputs: new Map(), inputs: [] };
}

function meantBy(folder: string, half: "server" | "client", has?: RegExp): string | undefined {
  const name = lookalike(folder, half, has);
  return name === undefined ? undefined : `there is a ${name}: is that meant?`;
}

async function bundleSheet(
  folder: string,
  sheet: string,
  plugins: Plugin[],
): Promise<{ errors?: Message[]; warnings: Message[]; text: string; inputs: string[] }> {
  const { build } = await esbuild();
  try {
    const { outputFiles, metafile, warnings } = await build({
      absWorkingDir: folder,
      entryPoints: [sheet],
      bundle: true,
      write: false,
      metafile: true,
      minify: true,
      logLevel: "silent",
      target: BROWSERS,
      plugins,
    });
    return { warnings, text: outputFiles[0]?.text.trim() ?? "", inputs: inputsOf(folder, metafile) };
  } catch (error) {
    const { errors } = error as { errors?: Message[] };
    if (!errors) throw error;
    return { errors, warnings: [], text: "", inputs: [] };
  }
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
    banner: { js: REQUIRE },
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
    return failed(problemsOf(errors, folder));
  }
  const [[path, { exports }] = ["", { exports: [] }]] = Object.entries(result.metafile.outputs).filter(
    ([, { entryPoint }]) => entryPoint !== undefined,
  );
  const entry = basename(path);
  const outputs = new Map(result.outputFiles.map(({ path, contents }) => [basename(path), contents]));
  return {
    problems: [],
    slips: slipsOf(result.warnings, folder),
    exports,
    outputs: new Map([[entry, outputs.get(entry) as Uint8Array], ...outputs]),
    inputs: foreign(folder, inputsOf(folder, result.metafile)),
  };
}

function failed(problems: Problem[]): Compiled {
  return { problems, slips: [], exports: [], outputs: new Map(), inputs: [] };
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
