/** The part of a line in which the words of a query stand, and those words in it. */

/** Characters before the first match, and in all. */
const BEFORE = 40;
const MOST = 180;

export type Piece = { text: string; isMatch: boolean };

export function excerptOf(line: string, query: string): Piece[] {
  const words = [...query.matchAll(/[\p{L}\p{N}\p{M}]+/gu)].map(([word]) => word);
  // Longer ones first, so that the whole of a word is taken and not its beginning.
  const pattern = words.sort((a, b) => b.length - a.length).join("|");
  if (pattern === "") return piecesOf(line, 0, undefined);
  const matches = new RegExp(`(${pattern})`, "giu");
  const first = line.search(matches);
  return piecesOf(line, first > BEFORE * 2 ? first - BEFORE : 0, matches);
}

function piecesOf(line: string, from: number, matches: RegExp | undefined): Piece[] {
  const cut = [...line.slice(from, from + MOST * 2)].slice(0, MOST).join("");
  const text = `${from > 0 ? "…" : ""}${cut}${from + cut.length < line.length ? "…" : ""}`;
  if (!matches) return [{ text, isMatch: false }];
  return text
    .split(matches)
    .map((text, index) => ({ text, isMatch: index % 2 === 1 }))
    .filter(({ text }) => text !== "");
}
