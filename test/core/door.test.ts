/** Who comes in a crowd is let in a few at a time, in order; who comes on top of that is told to come back. */
import assert from "node:assert/strict";
import test from "node:test";
import { Door } from "../../core/door.ts";

const turn = () => new Promise(resolve => setImmediate(resolve));

function newDoor() {
  const door = new Door({ perTurn: 3, maxWaiting: 5, retryAfterMs: 2_000 });
  const passed: number[] = [];
  const come = (...who: number[]) => {
    for (const one of who) door.pass().then(() => passed.push(one));
  };
  return { door, come, passed };
}

test("a few pass at once, without waiting for a turn of the loop", async () => {
  const { come, passed } = newDoor();
  come(1, 2, 3);
  await Promise.resolve();
  assert.deepEqual(passed, [1, 2, 3]);
});

test("a crowd passes in order, no more in a turn than agreed, and other work comes between", async () => {
  const { come, passed } = newDoor();
  come(1, 2, 3, 4, 5, 6, 7, 8);
  const after: number[] = [];
  while (passed.length < 8) {
    await turn();
    after.push(passed.length);
  }
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.ok(
    after.every((count, at) => count - (after[at - 1] ?? 3) <= 3),
    `${after}`,
  );
  assert.ok(after.length >= 2, `${after}`);
});

test("whoever comes while others wait is behind them", async () => {
  const { come, passed } = newDoor();
  come(1, 2, 3, 4, 5);
  await turn();
  come(6, 7);
  while (passed.length < 7) await turn();
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6, 7]);
});

test("who finds too many waiting is refused, and told when to come back; later there is room again", async () => {
  const { door, come, passed } = newDoor();
  come(1, 2, 3, 4, 5, 6, 7, 8);
  assert.throws(
    () => door.pass(),
    (error: unknown) => {
      assert.deepEqual(JSON.parse(JSON.stringify(error)), {
        ok: false,
        code: "overloaded",
        message: "this node is behind with its work; try again after retryAfterMs",
        retryAfterMs: 2_000,
      });
      return true;
    },
  );
  while (passed.length < 8) await turn();
  await door.pass();
});
