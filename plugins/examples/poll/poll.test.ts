import assert from "node:assert/strict";
import test from "node:test";
import { type Poll, poll, read } from "./message.ts";

const lunch: Poll = { question: "Lunch?", answers: ["soup", "rice", "salad"] };
const invalid = { name: "Reject", code: "invalid" };

test("a poll has a question, or none, and 2 to 10 different answers", () => {
  assert.deepEqual(poll.parse({ question: " Lunch? ", answers: ["soup\n", "  rice  bowl"] }), {
    question: "Lunch?",
    answers: ["soup", "rice bowl"],
  });
  assert.deepEqual(poll.parse({ question: "", answers: ["soup", "rice"] }).question, "");
  for (const answers of [[], ["soup"], ["soup", ""], ["soup", " soup "], Array.from("abcdefghijk"), "ab", ["soup", 1]])
    assert.throws(() => poll.parse({ question: "Lunch?", answers }), invalid, JSON.stringify(answers));
  assert.throws(() => poll.parse({ question: "?".repeat(201), answers: ["soup", "rice"] }), { code: "too-large" });
});

test("a command is read with and without a question, in English and Chinese punctuation", () => {
  assert.deepEqual(read("Lunch? soup, rice,salad"), lunch);
  assert.deepEqual(read("soup, rice"), { question: "", answers: ["soup", "rice"] });
  assert.deepEqual(read("吃什么？ 面，饭、汤"), { question: "吃什么？", answers: ["面", "饭", "汤"] });
  assert.deepEqual(read(""), { question: "", answers: [] });
});
