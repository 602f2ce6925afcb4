/** Teardown in the reverse order of set-up: node:test runs its own after hooks first come, first served. */
import type { TestContext } from "node:test";

const stacks = new WeakMap<TestContext, (() => unknown)[]>();

/** Calls `undo` when the test ends, before whatever was registered earlier. */
export function cleanUp(t: TestContext, undo: () => unknown): void {
  const stack = stacks.get(t);
  if (stack) {
    stack.push(undo);
    return;
  }
  const fresh = [undo];
  stacks.set(t, fresh);
  t.after(async () => {
    const failures: unknown[] = [];
    for (let last = fresh.pop(); last; last = fresh.pop()) {
      try {
        await last();
      } catch (error) {
        failures.push(error);
      }
    }
    // What failed first is the cause of the rest, more often than not.
    if (failures.length > 0) throw failures[0];
  });
}
