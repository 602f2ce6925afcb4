import assert from "node:assert/strict";
import test from "node:test";
import { clockAhead } from "../../core/cluster/clocks.ts";

test("a clock is as far ahead as its answer says, less half of the way", () => {
  assert.equal(clockAhead(10_000, 10_000, 0), 0);
  assert.equal(clockAhead(10_000, 10_020, 40), 0);
  assert.equal(clockAhead(3_610_000, 10_005, 10), 3_600_000);
  assert.equal(clockAhead(10_000, 100_001, 2), -90_000);
});
