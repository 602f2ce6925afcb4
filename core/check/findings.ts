/** What is wrong with a plugin folder, where, and how to mend it. */
import type { Problem } from "../plugins/compile/problems.ts";
import type { Place } from "../plugins/sources.ts";

export type Finding = Place & { readonly what: string; readonly mend: string };

export function findingOf({ text, file = "", line, column, mend }: Problem): Finding {
  const place = line === undefined ? {} : { line, column: (column ?? 0) + 1 };
  return { file, ...place, what: text, mend };
}

/** `server.ts:12:5  what is wrong`, and how to mend it in a line below. */
export function told({ file, line, column, what, mend }: Finding, folder: string): string {
  const place = [file || folder, line, column].filter(part => part !== undefined).join(":");
  return `${place}  ${what}\n    ${mend}`;
}
