import * as v from "valibot";
import { defineMessage, parseWith, Reject } from "../../core/plugin.ts";

export const MAX_CHARACTERS = 8_000;

// Everything below U+0020 but tab and line feed, and DEL: invisible, and trouble in terminals and logs.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

const shape = parseWith(v.object({ text: v.string() }));

export default defineMessage({
  type: "text",
  version: 1,
  kind: "log",
  role: "row",
  parse(input: unknown) {
    const text = shape(input).text.replace(/\r\n?/g, "\n").trim();
    if (text === "") throw new Reject("invalid", "the text is empty");
    if (!text.isWellFormed()) throw new Reject("invalid", "the text is not well-formed Unicode");
    if (CONTROL.test(text)) throw new Reject("invalid", "the text has control characters");
    if (characters(text) > MAX_CHARACTERS)
      throw new Reject("too-large", `a text has at most ${MAX_CHARACTERS} characters`);
    return { text };
  },
  summary: ({ text }) => text.replace(/\s+/g, " "),
});

/** Counts code points, which is what people take for characters, without building an array of them. */
function characters(text: string): number {
  if (text.length <= MAX_CHARACTERS) return text.length;
  let count = 0;
  for (const _ of text) if (++count > MAX_CHARACTERS) break;
  return count;
}
