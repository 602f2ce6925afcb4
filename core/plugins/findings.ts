/** What is wrong with a plugin folder, where, and how to mend it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Problem } from "./compile.ts";

export type Finding = {
  /** Within the folder; "" is the folder itself. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  readonly what: string;
  readonly mend: string;
};

/** What compilers say, and what helps. */
// biome-ignore format: a table
const MENDS: readonly [said: RegExp, mend: string][] = [
  [/^there is no server\.ts/, "write server.ts: export default defineServer(message, { receive: body => body })"],
  [/^Could not resolve "\./, "look at the path: it begins at the file that imports, and ends in .ts or .tsx"],
  [/^Could not resolve "node:/, "what is Node's own is there for server.ts only: move the import to there"],
  [/^Could not resolve "web-chat/, 'the contract is "web-chat/plugin"'],
  [/^Could not resolve "([^"]+)"/, "npm install $1, in the plugin's folder"],
  [/^No matching export/, "export it there, or import what that file does export: default exports have no braces"],
  [/stays on the server/, "move what both halves need into message.ts"],
  [/^No loader is configured/, "only code, CSS, pictures, sounds and fonts can be imported"],
];
const SYNTAX = "mend what stands there, or just before it";

export function findingOf({ text, file = "", line, column }: Problem): Finding {
  const [said, mend] = MENDS.find(([said]) => said.test(text)) ?? [];
  const [found] = said?.exec(text) ?? [];
  const place = line === undefined ? {} : { line, column: (column ?? 0) + 1 };
  return { file, ...place, what: text, mend: found && said && mend ? found.replace(said, mend) : SYNTAX };
}

export type Place = Pick<Finding, "file" | "line" | "column">;

/** Where the first of the patterns is found that is in one of these files; the beginning of the first file where none is. */
export function placeIn(folder: string, files: readonly string[], ...patterns: readonly RegExp[]): Place {
  const texts = files.map(file => ({ file, text: read(join(folder, file)) }));
  for (const pattern of patterns)
    for (const { file, text = "" } of texts) {
      const at = text.search(pattern);
      if (at < 0) continue;
      const before = text.slice(0, at).split("\n");
      return { file, line: before.length, column: (before.at(-1) ?? "").length + 1 };
    }
  const [first] = texts;
  return { file: first?.file ?? "", ...(first?.text !== undefined && { line: 1 }) };
}

/** As the log says it: `server.ts:12`. */
export function whereOf({ file, line }: { file?: string; line?: number }): string | undefined {
  return file === undefined || line === undefined ? file : `${file}:${line}`;
}

/** The same, read; `otherwise` where there is none. */
export function placeAs(where: string | undefined, otherwise: Place): Place {
  if (where === undefined) return otherwise;
  const [file = "", line] = where.split(/:(?=\d+$)/);
  return { file, ...(line !== undefined && { line: Number(line) }) };
}

/** `server.ts:12:5  what is wrong`, and how to mend it in a line below. */
export function told({ file, line, column, what, mend }: Finding, folder: string): string {
  const place = [file || folder, line, column].filter(part => part !== undefined).join(":");
  return `${place}  ${what}\n    ${mend}`;
}

export function escaped(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
