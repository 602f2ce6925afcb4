/** What keeps a half from being compiled, or is likely no more than a slip: where it is, and what helps. */
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { Message } from "esbuild";
import { PAGE_NAMESPACE } from "./imports.ts";
import { MEDIA } from "./media.ts";

/** Lines begin with 1, columns with 0. */
export type Problem = {
  readonly text: string;
  /** How to mend it, as the end of a sentence. */
  readonly mend: string;
  /** Within the folder, with slashes: `server.ts`. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
};

const ENDINGS = Object.keys(MEDIA).join(", ");
/** What compilers say, and what helps. */
// biome-ignore format: a table
const MENDS: readonly [said: RegExp, mend: string][] = [
  [/^Could not resolve "\./, "look at the path: it begins at the file that imports, and ends in .ts or .tsx"],
  [/^Could not resolve "node:/, "what is Node's own is there for server.ts only: move the import to there"],
  [/^Could not resolve "web-chat/, 'the contract is "web-chat/plugin"'],
  [/^Could not resolve "([^"]+)"/, "npm install $1, in the plugin's folder"],
  [/^No matching export in "(preact|@preact|web-chat)[/"]/, "look how it is written: the page's own module exports no such thing"],
  [/^No matching export/, "export it there, or import what that file does export: default exports have no braces"],
  [/^Import "[^"]+" will always be undefined/, "look how it is written: nothing of that name is exported there"],
  [/^the page has no module/, "npm run build makes it"],
  [/stays on the server/, "move what both halves need into message.ts"],
  [/^No loader is configured/, `beside code, CSS and JSON, these can be imported: ${ENDINGS}`],
  [/is not a known CSS property/, "look how it is written"],
];
const SYNTAX = "mend what stands there, or just before it";
/** What may be meant by it is beyond doubt, and none of the plugin's doing. */
const NO_SLIPS = new Set(["ignored-bare-import"]);

/** What keeps it from being compiled; `folder` is where the plugin lies. Of a file that cannot be read the first, as the rest follows. */
export function problemsOf(errors: readonly Message[], folder: string): Problem[] {
  const unread = new Set<string | undefined>();
  return errors
    .filter(({ text, notes, location }) => {
      const isFirst = !unread.has(location?.file);
      if (mendOf(text) !== undefined || meantBy(notes) !== undefined) return true;
      unread.add(location?.file);
      return isFirst;
    })
    .map(message => problemOf(message, folder));
}

function problemOf({ text: said, location, notes }: Message, folder: string): Problem {
  const text = said.replace(`"${PAGE_NAMESPACE}:`, '"');
  const file = location?.file.replaceAll("\\", "/");
  const inText = file === undefined ? undefined : jsxIn(folder, file);
  const mend = meantBy(notes) ?? mendOf(text) ?? inText ?? begunAt(notes) ?? SYNTAX;
  if (!location || file === undefined) return { text, mend };
  return { text, mend, file, line: location.line, column: location.column };
}

/** Those warnings that are for whoever writes the plugin. */
export function slipsOf(warnings: readonly Message[], folder: string): Problem[] {
  return warnings
    .filter(({ id, location }) => !NO_SLIPS.has(id) && !location?.file.includes("node_modules/"))
    .map(message => problemOf(message, folder));
}

function meantBy(notes: readonly { text: string }[]): string | undefined {
  const [word] = notes.flatMap(({ text }) => /^Did you mean (?:to import )?"([^"]+)" instead/.exec(text)?.[1] ?? []);
  return word === undefined ? undefined : `did you mean “${word}”?`;
}

/** Where that begins which has no end. */
function begunAt(notes: Message["notes"]): string | undefined {
  const [begun] = notes.flatMap(({ text, location }) => {
    const [, what] = /^The (.+) is here:$/.exec(text) ?? [];
    return what && location ? `${SYNTAX}: the ${what} is in line ${location.line}` : [];
  });
  return begun;
}

function mendOf(text: string): string | undefined {
  const [said, mend] = MENDS.find(([said]) => said.test(text)) ?? [];
  const [found] = said?.exec(text) ?? [];
  return found && said && mend ? found.replace(said, mend) : undefined;
}

/** Tags are read in files with an x at the end of their names. */
function jsxIn(folder: string, file: string): string | undefined {
  const ending = extname(file);
  if (![".ts", ".js"].includes(ending) || !/<\/[\w.]*>|<\w[^<>]*\/>/.test(textOf(join(folder, file)))) return undefined;
  return `call it ${file}x: tags are read in such files only`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
