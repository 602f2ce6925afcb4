/**
 * Texts as people write them, for searches to have something to find: words by how often they are used (Zipf's law), of which a
 * few are in every other message and most are rare, English and Chinese by turns. The same for the same number, every time.
 */
import { Chance } from "../../chance.ts";

const SYLLABLES = "ka to mi re sa lo ne vi du pa shi ter on est ing ban cor del fu gra".split(" ");
const WORDS = 20_000;
const WORDS_EACH = { least: 4, most: 17 };
/** As many as school teaches in China. */
const CHARACTERS = 3_500;
const FIRST_CHARACTER = 0x4e00;
const CHARACTERS_EACH = { least: 6, most: 25 };
/** One message in so many is Chinese. */
const CHINESE = 3;

export const isChinese = (index: number): boolean => index % CHINESE === 0;

export function textOf(index: number): string {
  const chance = new Chance(index);
  const among = ({ least, most }: typeof WORDS_EACH) => Math.floor(chance.between(least, most + 1));
  const rank = (count: number) => Math.min(count - 1, Math.floor(Math.exp(chance.between(0, Math.log(count + 1))) - 1));
  if (isChinese(index)) {
    const characters = Array.from({ length: among(CHARACTERS_EACH) }, () => FIRST_CHARACTER + rank(CHARACTERS));
    return `${String.fromCodePoint(...characters)}。`;
  }
  return `${Array.from({ length: among(WORDS_EACH) }, () => word(rank(WORDS))).join(" ")}.`;
}

function word(rank: number): string {
  const syllables: string[] = [];
  for (let rest = rank + SYLLABLES.length; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    syllables.push(SYLLABLES[rest % SYLLABLES.length] as string);
  return syllables.join("");
}
