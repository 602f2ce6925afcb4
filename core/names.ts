/** What people and rooms may be called, and when two names are the same. */
import { Reject } from "./errors.ts";

const MAX_CHARACTERS = 32;
/** UTF-16 units of a name, and of its folded form: what the envelopes between nodes have room for. */
const MAX_UNITS = 64;
/** Control characters, lone surrogates, line separators, and format characters, among them the bidirectional overrides. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?!\u200c|\u200d|\ufe0f)[\p{Cf}\p{Default_Ignorable_Code_Point}]/u;
const IGNORABLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
/** Names that JavaScript objects give meaning to; nobody needs them, and some client will trip over one. */
const TREACHEROUS = new Set(["__proto__", "constructor", "prototype"]);

/** The name as it is shown; throws `Reject` with the reason where it cannot be one. */
export function parseName(input: unknown): string {
  if (typeof input !== "string") throw new Reject("invalid", "a name is text");
  if (input.length > MAX_CHARACTERS * 16)
    throw new Reject("too-large", `a name has at most ${MAX_CHARACTERS} characters`);
  const name = input
    .normalize("NFC")
    .trim()
    .replace(/\p{Zs}+/gu, " ");
  if (name === "" || foldName(name) === "") throw new Reject("invalid", "a name has at least one visible character");
  if (FORBIDDEN.test(name)) throw new Reject("invalid", "a name has no control or direction characters");
  if (!fits(name)) throw new Reject("too-large", `a name has at most ${MAX_CHARACTERS} characters`);
  if (TREACHEROUS.has(foldName(name))) throw new Reject("invalid", "that name is reserved");
  return name;
}

function fits(name: string): boolean {
  return (
    [...name.normalize("NFKC")].length <= MAX_CHARACTERS && Math.max(name.length, foldName(name).length) <= MAX_UNITS
  );
}

/** “Ana 2” for “Ana”: as much of the name as leaves room for the number. */
export function numbered(name: string, count: number): string {
  const characters = [...name];
  for (;;) {
    const candidate = `${characters.join("").trim()} ${count}`;
    if (fits(candidate)) return candidate;
    characters.pop();
  }
}

/** Equal for names that are the same: NFKC, case folded, without what cannot be seen (after Unicode TR 31 and 36). */
export function foldName(name: string): string {
  // Twice, since what is left after one step may compose, or have a case, of its own: ẞ, or an accent after a joiner.
  return foldOnce(foldOnce(name));
}

function foldOnce(name: string): string {
  // Upper case first, so that ß and ss, or the two small sigmas, come out alike.
  return name.replace(IGNORABLE, "").normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC").trim();
}

/** Names come from peers, too: a terminal is not to be told what to do by one. */
export const printable = (text: string) => text.replace(/\p{C}/gu, "\ufffd");
