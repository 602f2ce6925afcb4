import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { nameDistances, nameTargets } from "../../core/bcj.ts";

test("calls of one function are alike, wherever they stand, and are what they were on the way back", () => {
  // Both call what stands at 100.
  const program = Uint8Array.of(0x90, 0xe8, 94, 0, 0, 0, 0x90, 0xe8, 88, 0, 0, 0);
  const changed = program.slice();
  nameTargets(changed);
  assert.deepEqual([...changed], [0x90, 0xe8, 100, 0, 0, 0, 0x90, 0xe8, 100, 0, 0, 0]);
  nameDistances(changed);
  assert.deepEqual(changed, program);
});

test("whatever the bytes, they are the same again", () => {
  const calls = fc.constant(0xe8);
  fc.assert(
    fc.property(fc.array(fc.oneof(calls, fc.nat(255)), { maxLength: 200 }), given => {
      const program = Uint8Array.from(given);
      nameTargets(program);
      nameDistances(program);
      assert.deepEqual([...program], given);
    }),
  );
});
