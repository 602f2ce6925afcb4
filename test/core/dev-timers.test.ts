/** Timers of a plugin that is being written: what its versions leave standing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { promisify } from "node:util";
import { GIVE_UP_MS } from "../../core/plugins/calls/calls.ts";
import { BANNER, endTimers, NAMES, offerTimers } from "../../core/plugins/dev/timers.ts";

type Own = Pick<typeof globalThis, "setTimeout" | "setInterval" | "setImmediate">;

/** What the banner gives a module at that URL. */
function timersOf(url: string): Own {
  offerTimers();
  const [, name] = /for\("([^"]+)"\)/.exec(BANNER) ?? [];
  return (globalThis as unknown as Record<symbol, (url: string) => Own>)[Symbol.for(name as string)]?.(url) as Own;
}

test("all that is ended is what repeats itself, and in the end also what goes on by itself", t => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate"] });
  const [old, fresh] = [timersOf("old"), timersOf("new")];
  const ran: string[] = [];
  const count = (name: string) => ran.splice(0).filter(other => other === name).length;
  old.setInterval(() => ran.push("interval"), 100);
  fresh.setInterval(() => ran.push("kept"), 100);
  const again = () => {
    ran.push("chain");
    old.setTimeout(again, 100);
  };
  again();
  old.setTimeout((word: string) => ran.push(word), GIVE_UP_MS - 1, "awaited");
  endTimers("old");
  t.mock.timers.tick(1_000);
  assert.ok(!ran.includes("interval") && ran.includes("kept") && ran.includes("chain"), ran.join());
  t.mock.timers.tick(GIVE_UP_MS - 1_001);
  assert.equal(count("awaited"), 1, "a message on its way may wait for it");
  t.mock.timers.tick(1_000);
  assert.equal(count("chain") <= 1, true);
  old.setInterval(() => ran.push("interval"), 1);
  old.setTimeout(() => ran.push("chain"), 1);
  old.setImmediate(() => ran.push("chain"));
  t.mock.timers.tick(1_000);
  assert.deepEqual([...new Set(ran)], ["kept"]);
});

test("they are promised as Node's own are", async () => {
  const { setTimeout, setImmediate } = timersOf("promises");
  assert.equal(await promisify(setTimeout)(1, "timer"), "timer");
  assert.equal(await promisify(setImmediate)("immediate"), "immediate");
});

test("every timer that a module finds under a global name is its own", () => {
  const own = timersOf("names") as unknown as Record<string, unknown>;
  for (const [name, found] of Object.entries(NAMES)) {
    assert.equal(found, `$timers.${name}`);
    assert.equal(typeof own[name], "function");
  }
});
