/** What a client half imports that is no code: pictures, sounds and sheets. */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute } from "node:path";
import type { Message, OnResolveArgs, Plugin } from "esbuild";
import { CLIENT_ASSETS } from "./imports.ts";
import { isMedia } from "./media.ts";

/** Bundles a sheet with those that it imports; what cannot be bundled has `errors`. */
type Bundle = (sheet: string, plugins: Plugin[]) => Promise<{ errors?: Message[]; warnings: Message[]; text: string }>;

/** A picture or a sound is a file of its own beside the module, and importing it gives its URL. */
export function mediaFiles(name: string, media: Map<string, Uint8Array>): Plugin {
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
export function scopedSheets(name: string, media: Map<string, Uint8Array>, bundle: Bundle): Plugin {
  return {
    name: "scoped-sheets",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const { errors, warnings, text } = await bundle(path, [sheetMedia(name, media)]);
        if (errors) return { errors };
        // Most plugins have no sheet, and a start has better to do than to read what parses them.
        const { scopeSheet } = await import("./sheet.ts");
        const code = scopeSheet(name, text);
        return {
          contents: `const sheet = new CSSStyleSheet(); sheet.replaceSync(${JSON.stringify(code)});
            document.adoptedStyleSheets.push(sheet);`,
          warnings,
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
