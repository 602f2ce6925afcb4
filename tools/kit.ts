/**
 * Makes what `web-chat new` writes: the files of plugins/template/ and, beside them, the types of all that a plugin may import,
 * in one file, so that an editor knows them in a folder where nothing is installed. `npm run kit` writes dist/kit/.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MEDIA } from "../core/plugins/compile/media.ts";

const root = join(import.meta.dirname, "..");
const kit = join(root, "dist/kit");

/** Where the packages keep the types of each module; what they import of each other has to be here, too. */
const MODULES: Record<string, string> = {
  "preact/src/dom": "preact/src/dom.d.ts",
  "preact/src/jsx": "preact/src/jsx.d.ts",
  preact: "preact/src/index.d.ts",
  "preact/hooks": "preact/hooks/src/index.d.ts",
  "preact/jsx-runtime": "preact/jsx-runtime/src/index.d.ts",
  "@preact/signals-core": "@preact/signals-core/dist/signals-core.d.ts",
  "@preact/signals": "@preact/signals/dist/signals.d.ts",
};
/** The packages' files of which there are copies in dist/kit/, below the root. */
export const KIT_FILES = Object.values(MODULES).map(path => `node_modules/${path}`);
/** How the packages' own files call each other. */
const SPECIFIERS: readonly [RegExp, string][] = [
  [/^\.(\.\/\.\.\/src)?\/index$/, "preact"],
  [/^\.(\.\/\.\.\/src)?\/jsx$/, "preact/src/jsx"],
  [/^\.(\.\/\.\.\/src)?\/dom$/, "preact/src/dom"],
];

/** Writes dist/kit/ anew. Throws where a package keeps its types in another form than is known here. */
export async function writeKit(): Promise<void> {
  const types = await typesOfAll();
  await rm(kit, { recursive: true, force: true });
  await mkdir(kit, { recursive: true });
  await cp(join(root, "plugins/template"), kit, { recursive: true });
  await writeFile(join(kit, "web-chat.d.ts"), types);
}

async function typesOfAll(): Promise<string> {
  const read = (path: string) => readFile(join(root, path), "utf8");
  const packages = await Promise.all(
    Object.entries(MODULES).map(async ([name, path]) => ambient(name, await read(`node_modules/${path}`))),
  );
  const around = await read("tools/kit/around.d.ts");
  return [
    "// What plugins may import, for editors and `tsc`. Made by web-chat: do not change it, `web-chat new` writes it.",
    "// The types of Preact in it are under a licence of their own, which `web-chat licenses` prints.\n",
    '/// <reference lib="dom" />\n',
    ambient("web-chat/plugin", await contract()),
    ...packages,
    ...Object.keys(MEDIA).map(urlOf),
    around.slice(around.indexOf("declare")),
  ].join("\n");
}

/** core/plugin.ts without its code. What it has of core/errors.ts stands in front, and is no export of its own. */
async function contract(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "web-chat-types-"));
  try {
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const config = join(folder, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      outDir: folder,
      rootDir: join(root, "core"),
      typeRoots: [join(root, "node_modules/@types")],
    };
    const files = [join(root, "core/plugin.ts")];
    await writeFile(
      config,
      JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, files, include: [] }),
    );
    await promisify(execFile)(process.execPath, [compiler, "-p", config]);
    const [errors, plugin] = await Promise.all(
      ["errors.d.ts", "plugin.d.ts"].map(name => readFile(join(folder, name), "utf8")),
    );
    const own = errors?.replaceAll(/^export (?=declare|type|interface)/gm, "");
    return `${own}\n${plugin?.replace(/^import .+"\.\/errors\.ts";\n/m, "")}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Importing a picture or a sound gives its URL. */
function urlOf(ending: string): string {
  return `declare module "*${ending}" {\n  const url: string;\n  export default url;\n}\n`;
}

/** A module's types as a declaration that needs no file of that name. */
function ambient(name: string, source: string): string {
  // `preact.VNode` in Preact's own types is the global of that name.
  const itself = source.includes("export as namespace preact;") ? 'import * as preact from "preact";\n' : "";
  const body = source
    .replaceAll(/^export as namespace .+\n|^\/\/\/ <reference .+\n/gm, "")
    .replaceAll(/^(export )?declare /gm, "$1")
    .replaceAll(/(\bfrom |\bimport\()(["'])(\.[^"']*)\2/g, (_, before: string, quote: string, specifier: string) => {
      const [, to] = SPECIFIERS.find(([form]) => form.test(specifier)) ?? [];
      if (!to) throw new Error(`the types of ${name} import ${specifier}, which SPECIFIERS does not know`);
      return before + quote + to + quote;
    });
  // Without the last line everything in it would be an export.
  return `declare module "${name}" {\n${itself}${body.trimEnd()}\nexport {};\n}\n`;
}

if (import.meta.main) {
  await writeKit();
  console.log("dist/kit: what web-chat new writes");
}
