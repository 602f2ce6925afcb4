/**
 * Bundles the browser UI to dist/ui: index.html, under assets/ hashed files with a .gz and a .br beside each, and in
 * modules.json the names of those that dropped-in plugins share, and what they export. Writes dist/kit, too: see kit.ts.
 */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { type BuildOptions, build as bundle, type Metafile, type OutputFile, type Plugin, transform } from "esbuild";
import { Lexer, Tokenizer } from "marked";
import { writeKit } from "./kit.ts";

/** What a first visit may load, JavaScript and CSS, gzipped. */
const BUDGET_BYTES = 60 * 1024;

const root = join(import.meta.dirname, "..");
const assets = join(root, "dist/ui/assets");

/**
 * marked makes a ready instance of itself when it is imported, and so drags its renderer into every bundle. Messages need
 * the lexer alone: what comes after the classes is left out, and the bundler then sees what nobody uses. Of the tokenizer
 * it cannot see that, so the methods that plugins/text/markdown.ts overrides with nothing are emptied here.
 */
const lexerOnly: Plugin = {
  name: "marked-lexer-only",
  setup: ({ onLoad }) =>
    onLoad({ filter: /marked\.esm\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const instance = source.search(/var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse/);
      const [lexer, tokenizer] = ["Lexer", "Tokenizer"].map(
        name => new RegExp(`[{,](\\w+) as ${name}[,}]`).exec(source)?.[1],
      );
      if (instance < 0 || !lexer || !tokenizer) throw new Error(`${path} has another form than lexerOnly knows`);
      const unread = (await readFile(join(root, "plugins/text/markdown.ts"), "utf8")).matchAll(
        /override (\w+) = none;/g,
      );
      let classes = source.slice(0, instance).replaceAll(/\w+\.options\.pedantic/g, "false");
      for (const [, method] of unread) classes = emptied(classes, new RegExp(`(?<=[;}])${method}\\([\\w,]*\\)\\{`));
      return { contents: `${withRulesMade(classes)}export{${lexer} as Lexer,${tokenizer} as Tokenizer};` };
    }),
};

/** A minified script without what stands in the braces that `opening` ends with. */
function emptied(source: string, opening: RegExp): string {
  const [begin, end] = braces(source, opening);
  return `${source.slice(0, begin)}{}${source.slice(end)}`;
}

/** Where the braces that `opening` ends with begin, and where the text behind them does. */
function braces(source: string, opening: RegExp): [begin: number, end: number] {
  const [found] = opening.exec(source) ?? [];
  if (found === undefined) throw new Error(`there is nothing like ${opening} in marked`);
  const begin = source.search(opening) + found.length - 1;
  let end = begin;
  let depth = 0;
  do {
    depth += { "{": 1, "}": -1 }[source[end++] as string] ?? 0;
  } while (depth > 0);
  return [begin, end];
}

/**
 * marked puts its rules together when it is loaded, for each of its dialects. Here stand those of the one dialect that
 * plugins/text/markdown.ts asks for, ready made, and of them those that some method still reads.
 */
function withRulesMade(source: string): string {
  const { block, inline } = Lexer.rules;
  const [, from] = braces(source, /\w+=\{(?=codeRemoveIndent:)/);
  const [, until] = braces(source, /,\w+=\{(?=normal:\w+,gfm:\w+,breaks:)/);
  const names = [...source.slice(from, until).matchAll(/(\w+)=\{normal:/g)].map(([, name]) => name);
  // Named in a rule that is a function.
  const tags = /\w+="address\|[^"]+"/.exec(source.slice(from, until))?.[0];
  const rest = source.slice(until);
  const tokenizer = new Tokenizer();
  new Lexer({ tokenizer });
  let others = source.slice(0, from);
  for (const [name, rule] of Object.entries(tokenizer.rules.other))
    if (rule instanceof RegExp && !new RegExp(`\\.${name}\\b`).test(rest))
      others = others.replace(`${name}:${rule},`, "");
  const literal = (rules: object, kind: string) =>
    `{${Object.entries(rules)
      .filter(([name]) => rest.includes(`.${kind}.${name}`))
      .map(([name, rule]) => `${name}:${rule instanceof RegExp ? rule : "{exec:()=>null}"}`)
      .join()}}`;
  const made = `,${tags},${names[0]}={gfm:${literal(block.gfm, "block")}},${names[1]}={breaks:${literal(inline.breaks, "inline")}}`;
  return `${others}${made}${rest}`;
}

/** Modules that no message of ours ever needs, and what stands in for them. */
const UNUSED: { filter: RegExp; contents: string }[] = [
  {
    // No node offers WebTransport, and ui/polling.ts brings the one that is needed now and then.
    filter: /engine\.io-client\/build\/esm\/transports\/index\.js$/,
    contents: `import { WS } from "./websocket.js"; export const transports = { websocket: WS };`,
  },
  {
    // Every browser has a parser of its own. Addresses in brackets are asked for without them.
    filter: /engine\.io-client\/build\/esm\/contrib\/parseuri\.js$/,
    contents: `export const parse = text => {
      const { protocol, hostname, port, pathname, search } = new URL(text);
      return { source: text, protocol: protocol.slice(0, -1), host: hostname.replace(/[[\\]]/g, ""), port, path: pathname, query: search.slice(1) };
    };`,
  },
  {
    // The page itself decides when it tries which node again.
    filter: /socket\.io-client\/build\/esm\/contrib\/backo2\.js$/,
    contents: `const none = () => {}; export const Backoff = function () { this.attempts = 0; };
      Object.assign(Backoff.prototype, { reset: none, setMin: none, setMax: none, setJitter: none });`,
  },
  {
    // The protocol is JSON; files go over HTTP.
    filter: /socket\.io-parser\/build\/esm\/is-binary\.js$/,
    contents: "export const isBinary = () => false, hasBinary = () => false;",
  },
  {
    filter: /socket\.io-parser\/build\/esm\/binary\.js$/,
    contents: `const none = () => { throw new Error("binary packet") };
      export { none as deconstructPacket, none as reconstructPacket };`,
  },
  {
    filter: /engine\.io-parser\/build\/esm\/encodePacket\.browser\.js$/,
    contents: `import { PACKET_TYPES } from "./commons.js";
      export const encodePacket = ({ type, data = "" }, _, done) => done(PACKET_TYPES[type] + data);
      export const encodePacketToBinary = () => {};`,
  },
  {
    filter: /engine\.io-parser\/build\/esm\/decodePacket\.browser\.js$/,
    contents: `import { ERROR_PACKET, PACKET_TYPES_REVERSE } from "./commons.js";
      export const decodePacket = text => {
        const type = typeof text === "string" && PACKET_TYPES_REVERSE[text[0]];
        return type ? { type, ...(text.length > 1 && { data: text.slice(1) }) } : ERROR_PACKET;
      };`,
  },
];

/** Methods that ui/connection.ts never comes to: upgrades, reconnecting and retries are switched off there. */
const UNCALLED: { filter: RegExp; openings: RegExp[] }[] = [
  { filter: /engine\.io-client\/build\/esm\/socket\.js$/, openings: [/^ {4}_probe\(name\) \{/m] },
  {
    filter: /socket\.io-client\/build\/esm\/manager\.js$/,
    openings: [/^ {4}reconnect\(\) \{/m, /^ {4}onreconnect\(\) \{/m],
  },
  {
    filter: /socket\.io-client\/build\/esm\/socket\.js$/,
    openings: [
      /^ {4}_addToQueue\(args\) \{/m,
      /^ {4}_drainQueue\(force = false\) \{/m,
      /^ {4}offAny\(listener\) \{/m,
      /^ {4}offAnyOutgoing\(listener\) \{/m,
    ],
  },
];

const withoutUnused: Plugin = {
  name: "without-unused",
  setup({ onResolve, onLoad, resolve }) {
    // What the libraries merely export would be loaded with them; ui/polling.ts asks for the one of it that is needed.
    onLoad({ filter: /(?:socket|engine)\.io-client\/build\/esm\/index\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8"))
        .replaceAll(/^export \{ \w+(?: as \w+)? \} from "\.\/transports\/(?!websocket\.js).+$/gm, "")
        .replaceAll(/\b(?:Fetch|NodeXHR|XHR|NodeWebSocket|WebTransport),/g, ""),
    }));
    for (const { filter, openings } of UNCALLED)
      onLoad({ filter }, async ({ path }) => ({ contents: openings.reduce(emptied, await readFile(path, "utf8")) }));
    onResolve({ filter: /^socket\.io-client$/ }, async ({ path, importer, pluginData, ...from }) => {
      if (pluginData === "resolved" || basename(importer) !== "polling.ts") return undefined;
      const { path: manager } = await resolve(path, { ...from, importer, pluginData: "resolved" });
      const { path: engine } = await resolve("engine.io-client", {
        ...from,
        importer: manager,
        resolveDir: dirname(manager),
      });
      return { path: join(dirname(engine), "transports/polling-xhr.js") };
    });
    for (const { filter, contents } of UNUSED) onLoad({ filter }, () => ({ contents }));
  },
};

/** What the codes mean is for a node to say. The page's own refusals give their reason, and texts of its own stand for the rest. */
const withoutMeanings: Plugin = {
  name: "without-meanings",
  setup: ({ onLoad }) =>
    onLoad({ filter: /core[\\/]errors\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source.replace(/(CODES) = \{.+?\n\} as const;/s, "$1: Record<string, string> = {};");
      if (contents === source) throw new Error(`${path} has another form than withoutMeanings knows`);
      return { contents, loader: "ts" };
    }),
};

/** What plugins that are dropped in share with the page, by the name under which they import it. */
const SHARED: Record<string, string> = {
  preact: "preact",
  "preact/hooks": "preact/hooks",
  "preact/jsx-runtime": "preact/jsx-runtime",
  "@preact/signals": "@preact/signals",
  "web-chat/plugin": "./core/plugin.ts",
};

/** What the page always has. */
const PAGE = ["app.tsx", "keys.ts", "viewport.ts"].map(name => `import "./ui/${name}";`).join("");

/**
 * Makes an entry point of each shared module, with all that it exports, and of whatever is loaded later. All of them are
 * given the page's own modules to reach, which are there by then: so the bundler leaves those in one file, which compresses
 * better than many, and of each module there is one instance.
 */
const oneChunk: Plugin = {
  name: "one-chunk",
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^shared:/ }, ({ path }) => ({ path: path.slice("shared:".length), namespace: "shared" }));
    onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => ({
      contents: `${PAGE} export * from ${JSON.stringify(SHARED[path])};`,
      resolveDir: root,
    }));
    onResolve({ filter: /.*/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (kind !== "dynamic-import" || pluginData === "resolved") return undefined;
      const found = await resolve(path, { kind, importer, resolveDir, pluginData: "resolved" });
      return found.errors.length > 0 ? found : { path: relative(root, found.path), namespace: "later" };
    });
    onLoad({ filter: /.*/, namespace: "later" }, ({ path }) => ({
      contents: `${PAGE} export * from ${JSON.stringify(`./${path.replaceAll("\\", "/")}`)};`,
      resolveDir: root,
    }));
  },
};

/** A sheet that a script imports is put on when that script is loaded. */
const ownSheets: Plugin = {
  name: "own-sheets",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return {
        contents: `const sheet = new CSSStyleSheet(); sheet.replaceSync(${JSON.stringify(code.trim())});
          document.adoptedStyleSheets.push(sheet);`,
      };
    }),
};

/** The shell's sheets in the order in which they build on each other, then those of the plugins. */
const SHEETS = ["tokens", "base", "avatar", "join", "sidebar", "layout", "timeline"];

const options: BuildOptions = {
  absWorkingDir: root,
  outdir: assets,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  sourcemap: "external",
  legalComments: "none",
  charset: "utf8",
  plugins: [lexerOnly, withoutUnused, withoutMeanings],
  jsx: "automatic",
  jsxImportSource: "preact",
  target: ["chrome111", "firefox115", "safari16.4"],
  metafile: true,
  write: false,
};

/** Writes dist/ui anew; returns the gzipped bytes of what the first page loads, and what esbuild says of all the bundles. */
export async function build(): Promise<{ bytes: number; bundles: Metafile[] }> {
  const { outputFiles, metafile, sheets } = await bundleAll();
  const icon = await readFile(join(root, "ui/icon.svg"));
  const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8).toUpperCase()}.svg`;
  const sheet = outputFiles.find(({ path }) => path.endsWith(".css"))?.path ?? "";
  const first = [...firstLoad(metafile), basename(sheet)];

  await rm(join(root, "dist/ui"), { recursive: true, force: true });
  await mkdir(assets, { recursive: true });
  let bytes = 0;
  for (const { path, contents } of outputFiles) {
    const size = await writeCompressed(path, contents);
    if (first.includes(basename(path))) bytes += size;
  }
  await writeCompressed(join(assets, iconName), icon);
  await writeFile(join(root, "dist/ui/modules.json"), `${JSON.stringify(sharedModules(metafile), null, 2)}\n`);
  const page = fillIn(await readFile(join(root, "ui/index.html"), "utf8"), first, iconName);
  await writeCompressed(join(root, "dist/ui/index.html"), Buffer.from(page));
  const authority = await buildAuthorityPage(iconName);
  await writeKit();
  return { bytes, bundles: [metafile, sheets, authority] };
}

/** The page about the certificate, which shares nothing with the chat: it is read before that can be opened. */
async function buildAuthorityPage(icon: string): Promise<Metafile> {
  // Not a module: it has to choose language and theme before anything is drawn.
  const { outputFiles = [], metafile } = await bundle({
    ...options,
    splitting: false,
    format: "iife",
    sourcemap: false,
    entryPoints: ["ui/ca.ts", "ui/ca.css"],
  });
  let page = await readFile(join(root, "ui/ca.html"), "utf8");
  for (const { path, contents } of outputFiles) {
    await writeCompressed(path, contents);
    page = page.replace(path.endsWith(".css") ? '"ca.css"' : '"ca.ts"', `"assets/${basename(path)}"`);
  }
  await writeCompressed(join(root, "dist/ui/ca.html"), Buffer.from(page.replace("icon.svg", `assets/${icon}`)));
  return metafile as Metafile;
}

/** One bundle of the scripts, and one of the style sheets of the first page. */
async function bundleAll(): Promise<{ outputFiles: OutputFile[]; metafile: Metafile; sheets: Metafile }> {
  const scripts = await bundle({
    ...options,
    entryPoints: [
      { in: "ui/main.tsx", out: "main" },
      ...Object.keys(SHARED).map(name => ({ in: `shared:${name}`, out: name.replace("@", "").replaceAll("/", "-") })),
    ],
    plugins: [...(options.plugins ?? []), ownSheets, oneChunk],
  });
  const own = globSync("plugins/*/client.css", { cwd: root }).sort();
  const contents = [...SHEETS.map(name => `ui/${name}.css`), ...own]
    .map(path => `@import "./${path.replaceAll("\\", "/")}";`)
    .join("\n");
  const sheets = await bundle({
    ...options,
    splitting: false,
    entryNames: "main-[hash]",
    stdin: { contents, loader: "css", resolveDir: root },
  });
  return {
    outputFiles: [...(scripts.outputFiles ?? []), ...(sheets.outputFiles ?? [])],
    metafile: scripts.metafile as Metafile,
    sheets: sheets.metafile as Metafile,
  };
}

/** The names of the entry and of the chunks that it imports at once, entry first. */
function firstLoad({ outputs }: Metafile): string[] {
  const found: string[] = [];
  function visit(path: string) {
    if (found.includes(path)) return;
    found.push(path);
    const output = outputs[path];
    for (const { path, kind } of output?.imports ?? []) if (kind === "import-statement") visit(path);
  }
  visit(Object.keys(outputs).find(path => outputs[path]?.entryPoint === "ui/main.tsx") as string);
  return found.map(path => basename(path));
}

/** The files of the shared modules, below the page, and what each exports, by the names under which plugins import them. */
function sharedModules({ outputs }: Metafile): Record<string, { file: string; exports: string[] }> {
  const byEntry = Object.fromEntries(
    Object.entries(outputs).map(([path, { entryPoint, exports }]) => [
      entryPoint,
      { file: `assets/${basename(path)}`, exports: exports.sort() },
    ]),
  );
  return Object.fromEntries(
    Object.keys(SHARED).flatMap(name => {
      const made = byEntry[`shared:${name}`];
      return made ? [[name, made]] : [];
    }),
  );
}

/** Asset URLs stay relative, so that the page also works under a sub-path. */
function fillIn(template: string, [script, ...others]: string[], icon: string): string {
  const links = others.map(name =>
    name.endsWith(".css")
      ? `<link rel="stylesheet" href="assets/${name}">`
      : `<link rel="modulepreload" href="assets/${name}">`,
  );
  return template
    .replace("icon.svg", `assets/${icon}`)
    .replace("<!-- links -->", links.join("\n    "))
    .replace("main.tsx", `assets/${script}`);
}

/** Returns the gzipped size. Source maps are for the one who debugs, and are not compressed. */
async function writeCompressed(path: string, contents: Uint8Array): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
  if (path.endsWith(".map")) return 0;
  const zipped = await promisify(gzip)(contents, { level: 9 });
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length };
  await writeFile(`${path}.gz`, zipped);
  await writeFile(`${path}.br`, await promisify(brotliCompress)(contents, { params }));
  return zipped.length;
}

if (import.meta.main) {
  const { bytes } = await build();
  const kb = (n: number) => (n / 1024).toFixed(1);
  console.log(
    `${relative(process.cwd(), join(root, "dist/ui"))}: first load ${kb(bytes)} of ${kb(BUDGET_BYTES)} KB gzipped`,
  );
  // A plugin of one's own may weigh what it likes; that the built-in ones keep the budget is for a test to say.
  if (bytes > BUDGET_BYTES) console.log("over its budget: it will take longer to open on a slow line");
}
