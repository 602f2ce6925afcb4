/** The part of a line in which the words of a query stand, and those words in it. */

/** Characters before the first match, and in all. */
const BEFORE = 40;
const MOST = 180;
/** A Latin word of fewer letters is found, and would be marked all over. */
const MARKED = 2;
const ACCENTS = /[\u0300-\u036f]/g;
/** Of scripts with spaces: where one of these stands before, no word begins. */
const LETTER = "[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{N}]";

export type Piece = { text: string; isMatch: boolean };

export function excerptOf(line: string, query: string): Piece[] {
  const characters = [...line];
  const matched = matchesIn(characters, query);
  const first = matched.indexOf(true);
  const from = first > 2 * BEFORE ? first - BEFORE : 0;
  const pieces: Piece[] = from > 0 ? [{ text: "…", isMatch: false }] : [];
  for (let at = from; at < Math.min(characters.length, from + MOST); at++) {
    const [text, isMatch, last] = [characters[at] as string, matched[at] === true, pieces.at(-1)];
    if (last?.isMatch === isMatch) last.text += text;
    else pieces.push({ text, isMatch });
  }
  if (from + MOST < characters.length) pieces.push({ text: "…", isMatch: false });
  return pieces;
}

/** Which of the characters are of a word of the query, about as the node takes them to be alike. */
function matchesIn(characters: readonly string[], query: string): boolean[] {
  const matched = characters.map(() => false);
  const words = [...fold(query).matchAll(/[\p{L}\p{N}\p{M}]+|\p{So}/gu)].map(([word]) => word);
  const told = words.filter(word => word.length >= MARKED || !new RegExp(LETTER, "u").test(word));
  if (told.length === 0) return matched;
  // Longer ones first, so that the whole of a word is taken and not its beginning.
  const patterns = told
    .sort((a, b) => b.length - a.length)
    .map(word => (new RegExp(`^${LETTER}`, "u").test(word) ? `(?<!${LETTER})${word}` : word));
  const folded = characters.map(fold);
  // The character that each piece of the folded line comes from.
  const origins = folded.flatMap((text, at) => Array.from({ length: text.length }, () => at));
  for (const { index, 0: match } of folded.join("").matchAll(new RegExp(patterns.join("|"), "gu")))
    for (const at of origins.slice(index, index + match.length)) matched[at] = true;
  return matched;
}

function fold(text: string): string {
  return text.normalize("NFKD").replace(ACCENTS, "").normalize("NFKC").toLowerCase();
}
