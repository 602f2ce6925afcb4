/** What plugin folders were compiled to, in the data directory, so that a start compiles only what has changed. */
import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import about from "../../../package.json" with { type: "json" };
import type { PluginFolder } from "../folders.ts";
import type { Compiled } from "./compile.ts";
import type { Problem } from "./problems.ts";

const Hashes = v.record(v.string(), v.string());
const Manifest = v.object({
  /** Of the compiler, and of what was told to it. */
  recipe: v.string(),
  /** Of the folder. */
  contents: v.string(),
  /** Of all files outside it that went in, by absolute path. */
  inputs: Hashes,
  server: v.string(),
  client: v.optional(v.string()),
  /** What came out, by name. */
  files: Hashes,
  /** What is likely a mistake in it. */
  slips: v.array(
    v.object({
      text: v.string(),
      mend: v.string(),
      file: v.exactOptional(v.string()),
      line: v.exactOptional(v.number()),
      column: v.exactOptional(v.number()),
    }),
  ),
});
type Manifest = v.InferOutput<typeof Manifest>;

/** A folder's halves, as they are in the cache. */
export type CompiledFolder = {
  /** The server half: a path to import. */
  readonly server: string;
  /** The name of the client half among the assets; undefined where there is none. */
  readonly client: string | undefined;
  /** What browsers load, by name. */
  readonly assets: ReadonlyMap<string, Buffer>;
  /** Absolute paths of the files outside of the folder that went in. */
  readonly inputs: readonly string[];
  /** What is likely a mistake in it. */
  readonly slips: readonly Problem[];
};

/** The hash of a folder's contents as it was compiled last; undefined where it never was. Can be called in any thread. */
export function loadedContents(dataDir: string, folder: string): string | undefined {
  return readManifest(join(cacheIn(dataDir), `${folder}.json`))?.contents;
}

/** Where the compiled halves lie. */
export const cacheIn = (dataDir: string) => join(dataDir, "cache", "plugins");

export class Cache {
  readonly #directory: string;
  readonly #recipe: string;

  /** `modules` are the page's, which client halves import. */
  constructor(dataDir: string, modules: object) {
    this.#directory = cacheIn(dataDir);
    this.#recipe = hash("sha256", JSON.stringify([about.version, about.dependencies.esbuild, modules]));
  }

  /** What was made of a folder with these contents; undefined where it has to be compiled. */
  get(folder: PluginFolder, contents: string): CompiledFolder | undefined {
    const manifest = readManifest(this.#manifestOf(folder.name));
    if (manifest?.recipe !== this.#recipeFor(folder) || manifest.contents !== contents) return undefined;
    if (!Object.entries(manifest.inputs).every(([path, hash]) => hashOf(path) === hash)) return undefined;
    // Its disk may have filled up, or lost power.
    if (!Object.entries(manifest.files).every(([file, hash]) => hashOf(join(this.#directory, file)) === hash))
      return undefined;
    return this.#read(manifest);
  }

  /** Throws where the disk does not take it. */
  put(folder: PluginFolder, contents: string, server: Compiled, client: Compiled): CompiledFolder {
    const outputs = new Map([...server.outputs, ...client.outputs]);
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    for (const [file, bytes] of outputs) writeFileSync(join(this.#directory, file), bytes, { mode: 0o600 });
    const inputs = [...server.inputs, ...client.inputs].flatMap(path => [path, ...manifestsFor(path)]);
    const [module] = client.outputs.keys();
    const manifest: Manifest = {
      recipe: this.#recipeFor(folder),
      contents,
      inputs: Object.fromEntries([...new Set(inputs)].map(path => [path, hashOf(path) ?? ""])),
      server: server.outputs.keys().next().value as string,
      ...(module !== undefined && { client: module }),
      files: Object.fromEntries([...outputs].map(([file, bytes]) => [file, hash("sha256", bytes)])),
      slips: [...server.slips, ...client.slips],
    };
    const path = this.#manifestOf(folder.name);
    writeFileSync(`${path}.partial`, JSON.stringify(manifest), { mode: 0o600 });
    renameSync(`${path}.partial`, path);
    return this.#read(manifest);
  }

  /** Removes what none of these folders needs any more, as far as the disk lets it. */
  keep(folders: readonly PluginFolder[]): void {
    const manifests = folders.map(({ name }) => `${name}.json`);
    const needed = new Set(manifests);
    for (const file of manifests)
      for (const made of Object.keys(readManifest(join(this.#directory, file))?.files ?? {})) needed.add(made);
    for (const file of filesIn(this.#directory).filter(file => !needed.has(file)))
      try {
        rmSync(join(this.#directory, file), { recursive: true, force: true });
      } catch {
        // It takes room, and nothing else.
      }
  }

  #recipeFor({ dev }: PluginFolder): string {
    return dev ? `${this.#recipe} dev` : this.#recipe;
  }

  #manifestOf(name: string): string {
    return join(this.#directory, `${name}.json`);
  }

  #read({ server, client, files, inputs, slips }: Manifest): CompiledFolder {
    const forBrowsers = Object.keys(files).filter(file => !/\.mjs(\.map)?$/.test(file));
    return {
      server: join(this.#directory, server),
      client,
      slips,
      inputs: Object.keys(inputs),
      assets: new Map(forBrowsers.map(file => [file, readFileSync(join(this.#directory, file))])),
    };
  }
}

function readManifest(path: string): Manifest | undefined {
  try {
    return v.parse(Manifest, JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** The package.json that says which files of a package are taken. */
function manifestsFor(path: string): string[] {
  const [, root] = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(path) ?? [];
  return root === undefined ? [] : [join(root, "package.json")];
}

function hashOf(path: string): string | undefined {
  try {
    return hash("sha256", readFileSync(path));
  } catch {
    return undefined;
  }
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
