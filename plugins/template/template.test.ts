/** Run by `web-chat check`, and by `node --test`. */
import assert from "node:assert/strict";
import test from "node:test";
import { question } from "./message.ts";

test("a question is kept without the spaces around it", () => {
  assert.deepEqual(question.parse({ text: "  Lunch? " }), { text: "Lunch?" });
});

test("a question without text is refused", () => {
  assert.throws(() => question.parse({ text: " " }), { code: "invalid" });
});
