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

/** The first place in one of these files where the pattern is; the first file itself where it is nowhere. */
export function placeIn(
  folder: string,
  files: readonly string[],
  pattern: RegExp,
): Pick<Finding, "file" | "line" | "column"> {
  for (const file of files) {
    const text = read(join(folder, file));
    const at = text.search(pattern);
    if (at < 0) continue;
    const before = text.slice(0, at).split("\n");
    return { file, line: before.length, column: (before.at(-1) ?? "").length + 1 };
  }
  return { file: files[0] ?? "" };
}

/** `server.ts:12:5  what is wrong`, and how to mend it in a line below. */
export function told({ file, line, column, what, mend }: Finding, folder: string): string {
  const place = [file || folder, line, column].filter(part => part !== undefined).join(":");
  return `${place}  ${what}\n    ${mend}`;
}

export function escaped(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
