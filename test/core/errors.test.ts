/** Refusals, as programs that are refused see them. */
import assert from "node:assert/strict";
import test from "node:test";
import { Reject } from "../../core/errors.ts";

test("a refusal knows where it was made, unless it says when to try again", () => {
  assert.match(new Reject("invalid").stack ?? "", /errors\.test/);
  assert.doesNotMatch(new Reject("overloaded", undefined, { retryAfterMs: 100 }).stack ?? "", /errors\.test/);
  // Others that are made after it still do.
  assert.match(new Error("broken").stack ?? "", /errors\.test/);
});
