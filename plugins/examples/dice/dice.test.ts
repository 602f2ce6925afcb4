import assert from "node:assert/strict";
import test from "node:test";
import type { Receiving } from "web-chat/plugin";
import { dice, sum } from "./message.ts";
import server from "./server.ts";

const invalid = { name: "Reject", code: "invalid" };
const roll = (text: string) => server.hooks().receive?.(dice.parse({ dice: text }), {} as Receiving);

test("dice are named by their number and their sides", () => {
  assert.deepEqual(dice.parse({ dice: "2D6 " }), { dice: "2d6" });
  assert.deepEqual(dice.parse({ dice: "d20" }), { dice: "1d20" });
  for (const wrong of ["", "2d", "0d6", "21d6", "2d1", "2d101", "six", 6, null])
    assert.throws(() => dice.parse({ dice: wrong }), invalid, String(wrong));
});

test("a client cannot say how the dice fall", () => {
  assert.deepEqual(dice.parse({ dice: "2d6", rolls: [6, 6] }), { dice: "2d6" });
});

test("every side comes up, and no other number", async () => {
  const seen = new Set<number>();
  for (let n = 0; n < 100; n++) for (const side of (await roll("20d6"))?.rolls ?? []) seen.add(side);
  assert.deepEqual([...seen].sort(), [1, 2, 3, 4, 5, 6]);
});

test("what another node says is believed only as far as dice can fall", async () => {
  const thrown = await roll("3d20");
  assert.deepEqual(dice.check?.(thrown), thrown);
  for (const rolls of [[], [1, 2], [1, 2, 21], [0, 1, 2], [1, 2, 2.5], "123", undefined])
    assert.throws(() => dice.check?.({ dice: "3d20", rolls }), invalid, String(rolls));
});

test("the summary says how they fell", () => {
  const thrown = { dice: "2d6", rolls: [3, 5] };
  assert.equal(sum(thrown), 8);
  assert.equal(dice.summary(thrown), "2d6: 3 + 5 = 8");
});
