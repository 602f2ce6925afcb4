/** A question with answers to choose from, and the votes that people give. */
import { defineMessage, type Message, Reject } from "web-chat/plugin";

export type Poll = { question: string; answers: string[] };
/** Which answer, counted from 0; `null` takes the vote back. */
export type Vote = { choice: number | null };

export const MAX_ANSWERS = 10;
export const MAX_CHARACTERS = 200;

export const poll = defineMessage<Poll>({
  type: "poll",
  version: 1,
  kind: "log",
  parse(input) {
    const { question, answers } = Object(input);
    if (!Array.isArray(answers) || answers.length < 2 || answers.length > MAX_ANSWERS)
      throw new Reject("invalid", `a poll has 2 to ${MAX_ANSWERS} answers`);
    const lines = Array.from(answers, line);
    if (lines.includes("")) throw new Reject("invalid", "an answer is empty");
    if (new Set(lines).size < lines.length) throw new Reject("invalid", "two answers are the same");
    return { question: line(question), answers: lines };
  },
  summary: ({ question, answers }) => `${question} ${answers.join(" / ")}`,
});

export const vote = defineMessage<Vote>({
  type: "poll.vote",
  version: 1,
  kind: "log",
  // It stands in no row of its own: it belongs to the poll that its `ref` names.
  role: "mark",
  parse(input) {
    const { choice } = Object(input);
    if (choice !== null && !(Number.isInteger(choice) && choice >= 0 && choice < MAX_ANSWERS))
      throw new Reject("invalid", "there is no such answer");
    return { choice };
  },
  summary: ({ choice }) => (choice === null ? "took a vote back" : `voted for answer ${choice + 1}`),
});

/** Who chose what, by the ids of people. The last vote of each counts. */
export function tally({ answers }: Poll, votes: readonly Message[]): Map<string, number> {
  const chosen = new Map<string, number>();
  for (const { author, body } of votes as readonly Message<Vote>[]) {
    const choice = body?.choice ?? null;
    if (choice === null) chosen.delete(author.id);
    else if (choice < answers.length) chosen.set(author.id, choice);
  }
  return chosen;
}

/** `Lunch? soup, rice` or, without a question, `soup, rice`; in Chinese punctuation too. */
export function read(text: string): Poll {
  const [, question = "", answers = ""] = /^(.*?[?？])?(.*)$/s.exec(text) ?? [];
  return {
    question,
    answers: answers
      .split(/[,，、\n]/)
      .map(answer => answer.trim())
      .filter(Boolean),
  };
}

function line(text: unknown): string {
  if (typeof text !== "string" || !text.isWellFormed()) throw new Reject("invalid", "a poll is made of texts");
  const words = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  if (words.length > MAX_CHARACTERS) throw new Reject("too-large", `at most ${MAX_CHARACTERS} characters each`);
  return words;
}
