/**
 * Texts as the words that they are found by, and queries as matches for SQLite's FTS5, both after the same rules: what looks
 * alike is alike (NFKC, case and accents folded), and scripts that write without spaces are cut into single characters and
 * pairs of neighbours, so that any part of a sentence is found, and no dictionary says where its words end.
 */

const LETTERS = "[\\p{L}\\p{N}\\p{M}]";
const UNSPACED = ["Han", "Hira", "Kana", "Bopo", "Hang", "Thai", "Laoo", "Khmr", "Mymr"]
  .map(script => `\\p{Script_Extensions=${script}}`)
  .join("");
/** A stretch without spaces, a word, or a symbol such as an emoji. */
const TOKEN = new RegExp(
  `([${LETTERS}&&[${UNSPACED}]]+)|[[\\p{L}\\p{N}]--[${UNSPACED}]][${LETTERS}--[${UNSPACED}]]*|\\p{So}`,
  "gv",
);
const ASCII = /^[\x20-\x7e]*$/;
/** Of letters, vowels of scripts that may do without them, and what only says how a sign is drawn or where a line may break. */
const ACCENTS =
  /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff[\p{Mn}&&[\p{scx=Hebr}\p{scx=Arab}]]\ufe00-\ufe0e\u00ad\u200b-\u200d\u2060\u{e0100}-\u{e01ef}]/gv;
/** What makes an emoji of a sign, and a key of a digit. */
const DRESS = /[\ufe0f\u20e3]/g;
/** Letters with a stroke, which Unicode does not take apart, and the sigma that stands only where a word ends. */
const PLAIN: Record<string, string> = { đ: "d", ł: "l", ø: "o", ς: "σ" };
const STROKED = /[đłøς]/g;
/** A part of a query: in quotation marks, or up to the next space. */
const PART = /"([^"]*)"|“([^”]*)”|[^\s"“]+/g;
/** With fewer characters some word begins in nearly every message. The index has the beginnings of so many by themselves. */
export const MIN_BEGINNING = 3;

/** The words of a text, with a space between any two. */
export function wordsOf(text: string): string {
  return stretchesOf(text).map(inFull).join(" ");
}

/**
 * A match for texts that have all parts of the query; undefined where it has no word. What is in quotation marks is found as it
 * stands, and of other parts the last word may go on.
 */
export function matchOf(query: string): string | undefined {
  const parts = [...query.matchAll(PART)].flatMap(([part, ...quoted]) => {
    const exact = quoted.find(text => text !== undefined);
    const stretches = stretchesOf(exact ?? part);
    const last = stretches.at(-1);
    if (!last) return [];
    const mayGoOn = exact === undefined && !last.isUnspaced && last.text.length >= MIN_BEGINNING;
    // Words hold letters, digits and symbols only, so that none of them can end the quotation.
    return [`"${stretches.map(inPart).join(" ")}"${mayGoOn ? " *" : ""}`];
  });
  return parts.length > 0 ? [...new Set(parts)].join(" AND ") : undefined;
}

type Stretch = { text: string; isUnspaced: boolean };

function stretchesOf(text: string): Stretch[] {
  return [...fold(text).matchAll(TOKEN)].map(([text, unspaced]) => ({ text, isUnspaced: unspaced !== undefined }));
}

function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const alike = text.normalize("NFKD").replace(ACCENTS, "").replace(DRESS, " ").normalize("NFKC");
  return alike
    .toUpperCase()
    .toLowerCase()
    .replace(STROKED, letter => PLAIN[letter] as string);
}

/** Of `一二三`: `一 一二 二 二三 三`. */
function inFull({ text, isUnspaced }: Stretch): string {
  if (!isUnspaced) return text;
  const characters = [...text];
  return characters.map((one, at) => (at === 0 ? one : `${characters[at - 1]}${one} ${one}`)).join(" ");
}

/** The same from the first pair to the last: rarer words than the single characters at its ends. */
function inPart(stretch: Stretch, at: number, all: readonly Stretch[]): string {
  const full = inFull(stretch);
  if (!stretch.isUnspaced || !full.includes(" ")) return full;
  const words = full.split(" ");
  return words.slice(at === 0 ? 1 : 0, at === all.length - 1 ? -1 : undefined).join(" ");
}
