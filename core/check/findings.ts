/** What is wrong with a plugin folder, where, and how to mend it. */
import type { Problem } from "../plugins/compile/compile.ts";
import type { Place } from "../plugins/sources.ts";

export type Finding = Place & { readonly what: string; readonly mend: string };

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

/** `server.ts:12:5  what is wrong`, and how to mend it in a line below. */
export function told({ file, line, column, what, mend }: Finding, folder: string): string {
  const place = [file || folder, line, column].filter(part => part !== undefined).join(":");
  return `${place}  ${what}\n    ${mend}`;
}
