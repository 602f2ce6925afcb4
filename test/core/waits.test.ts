/** How many may wait for files that are on other nodes. */
import assert from "node:assert/strict";
import test from "node:test";
import { Waits } from "../../core/cluster/waits.ts";
import { Wants } from "../../core/cluster/wants.ts";

test("one person waits for 16 files, and all of them for 256; the others are told to come again", async () => {
  const wants = new Wants();
  const waits = new Waits(wants);
  const waiting = Array.from({ length: 256 }, (_, index) => waits.enter(`file ${index}`, `person ${index % 16}`, 0));
  await assert.rejects(waits.enter("file 0", "person 0", 0), {
    code: "rate-limited",
    details: { retryAfterMs: 1_000 },
  });
  const late = { code: "overloaded", details: { retryAfterMs: 1_000 } };
  await assert.rejects(waits.enter("one more", "somebody else", 0), late);
  waiting.push(waits.enter("file 0", "somebody else", 0));
  for (const want of wants.awaited()) for (const waiter of want.waiters) waiter.settle(true);
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([true]));
});
