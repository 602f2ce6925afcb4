import assert from "node:assert/strict";
import test from "node:test";
import { guarded, realTime } from "../../core/time.ts";

test("what runs later and throws, or rejects, is told, and neither ends the process nor what is done again and again", async () => {
  const failed: string[] = [];
  const heard = Promise.withResolvers<void>();
  const time = guarded(realTime, (what, error) => {
    failed.push(`${what}: ${(error as Error).message}`);
    if (failed.length >= 6) heard.resolve();
  });
  const fails = (why: string) => () => {
    throw new Error(why);
  };
  time.after(1, fails("late"));
  time.after(1, async () => fails("rejected")());
  time.soon(function looking() {
    fails("soon")();
  });
  const cancel = time.every(2, fails("again"));
  const stays = setTimeout(() => {}, 10_000);
  await heard.promise;
  clearTimeout(stays);
  cancel();
  time.after(1, fails("never"))();
  const again = "what is done every 2 ms: again";
  assert.deepEqual(
    new Set(failed),
    new Set(["a timer of 1 ms: late", "a timer of 1 ms: rejected", "what was put off: looking: soon", again]),
  );
  assert.ok(failed.filter(what => what === again).length >= 3, "it goes on");
});
