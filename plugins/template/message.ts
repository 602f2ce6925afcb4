/** What the messages are, in browsers and on servers alike: a question, and what somebody answers to one. */
import { defineMessage, Reject } from "web-chat/plugin";

export type Question = { text: string };
export type Answer = { yes: boolean };

const MAX_CHARACTERS = 500;

export const question = defineMessage<Question>({
  type: "template",
  version: 1,
  kind: "log",
  // Anybody may send anything: what comes out of here is all that the rest has to expect.
  parse(input) {
    const { text } = fieldsOf(input);
    if (typeof text !== "string" || text.trim() === "") throw new Reject("invalid", "the question has no text");
    if (text.length > MAX_CHARACTERS)
      throw new Reject("too-large", `a question has at most ${MAX_CHARACTERS} characters`);
    return { text: text.trim().toWellFormed() };
  },
  summary: ({ text }) => text,
});

/** Not a row of its own: it belongs to the question that its `ref` names. */
export const answer = defineMessage<Answer>({
  type: "template.answer",
  version: 1,
  kind: "log",
  role: "mark",
  parse(input) {
    const { yes } = fieldsOf(input);
    if (typeof yes !== "boolean") throw new Reject("invalid", "the answer is neither yes nor no");
    return { yes };
  },
  summary: ({ yes }) => (yes ? "yes" : "no"),
});

function fieldsOf(input: unknown): Record<string, unknown> {
  return typeof input === "object" && input !== null ? { ...input } : {};
}
