/** Names that a plugin gives, and nothing reads: mistakes of writing. */
import { closest, distance } from "fastest-levenshtein";
import { filesOf } from "./exports.ts";
import type { Half, PluginFolder } from "./folders.ts";
import { escaped, type Place, placeIn } from "./sources.ts";

/** What each part of a plugin may have. */
export const KNOWN: Readonly<Record<Half, readonly string[]>> = {
  message: "type contract version kind role parse check pack unpack summary blobs key merge".split(" "),
  server: "receive joined left tick request".split(" "),
  client: "Row fold Composer tool command panel Dock Badge Hint action here started typed strings".split(" "),
};
/** Further apart, two words have nothing to do with each other. */
const MAX_TYPOS = 3;

export type Misspelt = Place & { readonly what: string; readonly mend: string };

/** Those of these names that the part does not have, with their places. */
export function misspeltIn(folder: PluginFolder, names: readonly string[], half: Half): Misspelt[] {
  const known = KNOWN[half];
  return names
    .filter(name => !known.includes(name))
    .map(name => ({
      ...placeIn(folder.path, filesOf(folder, half), new RegExp(`\\b${escaped(name)}\\b(?=\\s*[:(,}])`)),
      what: `nothing is called “${name}” in the ${half === "message" ? "message" : `${half} half`} of a plugin`,
      mend: meantBy(name, known) ?? `it knows ${known.join(", ")}`,
    }));
}

/** The nearest, as a question; undefined where none is near. */
export function meantBy(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const found = closest(name, [...known]);
  return distance(name.toLowerCase(), found.toLowerCase()) <= MAX_TYPOS ? `did you mean “${found}”?` : undefined;
}
