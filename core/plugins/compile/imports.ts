/** What a plugin's imports come to that are no files of its own: the contract, and what the page has. */
import { readFileSync, realpathSync } from "node:fs";
import { basename, join, posix } from "node:path";
import type { Plugin } from "esbuild";
import * as contract from "../../plugin.ts";
import { fileOf, SETTINGS_FILE } from "../folders.ts";
import { isMedia } from "./media.ts";

/** The page's own modules, by what a plugin imports: `preact` is at `assets/preact-HASH.js`, and exports `h` and more. */
export type PageModules = Readonly<Record<string, { readonly file: string; readonly exports: readonly string[] }>>;
/** What the compiler calls them in what it says. */
export const PAGE_NAMESPACE = "page";

/** Below the page, where everything lies that client halves are made of. */
export const CLIENT_ASSETS = "assets/plugins";
/** Where server halves find the contract: the very one that the node itself uses. */
export const CONTRACT_KEY = "web-chat/plugin";

/** Of the page that was built into that directory; undefined where none was. */
export function readModules(ui: string): PageModules | undefined {
  try {
    return JSON.parse(readFileSync(join(ui, "modules.json"), "utf8")) as PageModules;
  } catch {
    return undefined;
  }
}

/** The server half gets the node's own contract, so that a `Reject` is one on both sides. */
export const ownContract: Plugin = {
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
export const withoutPage: Plugin = {
  name: "without-page",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(preact|@preact\/signals)(\/|$)/ }, ({ path }) => ({ path, namespace: "nothing" }));
    onLoad({ filter: /.*/, namespace: "nothing" }, () => ({ contents: NOTHING }));
    onLoad({ filter: /\.css$/ }, () => ({ contents: "" }));
    onLoad({ filter: isMedia }, () => ({ contents: 'export default "";' }));
  },
};

/**
 * What the page has already is not bundled again: there is one instance of each, and hooks and signals rely on it. The compiler
 * is told what each exports, as an import of anything else would fail in the browser only.
 */
export function pageModules(modules: PageModules): Plugin {
  return {
    name: "page-modules",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/, namespace: PAGE_NAMESPACE }, ({ path }) => ({
        path,
        external: true,
        sideEffects: false,
      }));
      onResolve({ filter: /^(preact|@preact\/signals|web-chat)(\/|$)/ }, ({ path }) => {
        if (Object.hasOwn(modules, path)) return { path, namespace: PAGE_NAMESPACE, sideEffects: false };
        return path === CONTRACT_KEY ? { errors: [{ text: `the page has no module ${path}` }] } : null;
      });
      onLoad({ filter: /.*/, namespace: PAGE_NAMESPACE }, ({ path }) => {
        const { file = "", exports = [] } = modules[path] ?? {};
        // A statement each: of one with several names, those that nobody uses would stay.
        const from = JSON.stringify(relativeUrl(file));
        return { contents: exports.map(name => `export { ${name} } from ${from};`).join("\n") };
      });
    },
  };
}

function relativeUrl(module: string): string {
  const path = posix.relative(CLIENT_ASSETS, module);
  return path.startsWith(".") ? path : `./${path}`;
}

/**
 * Settings hold secrets, and whoever opens the page can read all that its modules hold. By what is loaded in the end, as many
 * an import leads there: one without its ending, or one through a link.
 */
export function serverOnly(folder: string): Plugin {
  const names = [SETTINGS_FILE, fileOf(folder, "server") ?? []].flat();
  const files = names.flatMap(name => realPathOf(join(folder, name)) ?? []);
  const escaped = files.map(path => path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return {
    name: "server-only",
    setup({ onLoad }) {
      if (files.length === 0) return;
      onLoad({ filter: new RegExp(`^(${escaped.join("|")})$`) }, ({ path }) => ({
        errors: [{ text: `${basename(path)} stays on the server: a client half cannot import it` }],
      }));
    },
  };
}

/** As the compiler names a file; undefined where there is none. */
function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
