/** The one place through which the core calls into plugins, on its own: time, places, what is told and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyServerPlugin, ServerContext } from "../../core/plugin.ts";
import { Calls, GIVE_UP_MS, HOOKS, SLOW_MS } from "../../core/plugins/calls/calls.ts";
import { Faults } from "../../core/plugins/faults.ts";
import { CALL, CALLS, newMarks } from "../../core/plugins/watchdog/marks.ts";
import { Registry, type Type } from "../../core/registry.ts";
import { stillTime } from "../helpers/time.ts";

type Changes = { message?: object; hooks?: object };

/** A type that works but for what a test changes. */
function note({ message, hooks }: Changes): AnyServerPlugin {
  const sound = { type: "note", version: 1, kind: "log", parse: (input: unknown) => input, summary: () => "a note" };
  return { message: { ...sound, ...message }, hooks: () => hooks ?? {} } as never;
}

/** A type of a registry in which time passes only as the test says. */
function still(changes: Changes) {
  const { time, pass } = stillTime();
  let elapsed = 0;
  const faults = new Faults();
  const lines: string[] = [];
  const slow: [string, string, number][] = [];
  const calls = new Calls({
    faults,
    time: { elapsed: () => elapsed, after: time.after },
    warn: (_, line) => void lines.push(line),
    slow: (type, hook, ms) => void slow.push([type, hook, ms]),
  });
  const take = (ms: number) => {
    elapsed += ms;
  };
  return { calls, faults, lines, slow, take, pass, type: new Registry([note(changes)], calls).get("note") as Type };
}

test("each call that keeps the node waiting is counted, told at most once a minute, and from the third time on in the panel", () => {
  let tookMs = 0;
  const { faults, lines, slow, take, type } = still({ message: { parse: () => take(tookMs) } });
  for (tookMs of [SLOW_MS, 80, 300]) type.parse({});
  assert.deepEqual(faults.list(), [], "a machine may stall once");
  tookMs = 60;
  type.parse({});
  assert.deepEqual(slow, [
    ["note", "parse", 80],
    ["note", "parse", 300],
    ["note", "parse", 60],
  ]);
  assert.deepEqual(lines, ["“note” kept this node waiting for 80 ms in parse"]);
  assert.deepEqual(faults.list(), [
    { plugin: "note", why: "parse of “note” kept the node waiting, for 300 ms at most", slowMs: 300 },
  ]);
  take(60_000);
  tookMs = 400;
  type.parse({});
  assert.equal(lines.length, 2);
  assert.equal(faults.list()[0]?.slowMs, 400);
});

test("a hook that does not settle within 10 s is given up, unless the node is fetching something for it", async () => {
  const { type, pass, faults } = still({ hooks: { receive: () => new Promise(() => {}) } });
  let fetching = true;
  const given = assert.rejects(type.hooks.receive?.({}, {} as never, () => fetching) as Promise<unknown>, {
    code: "plugin-failed",
  });
  pass(GIVE_UP_MS);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(faults.list(), []);
  fetching = false;
  pass(GIVE_UP_MS);
  await given;
  assert.match(faults.list()[0]?.why ?? "", /did not settle within 10000 ms/);
});

test("what fails again and again is told once a minute, with its place in the plugin's own sources", () => {
  const { type, lines, faults, take } = still({ message: { parse: inPlugin } });
  for (let again = 0; again < 100; again++) assert.throws(() => type.parse({}), { code: "plugin-failed" });
  assert.deepEqual(lines, ["“note” failed in parse (plugins/note/message.ts:12): broken"]);
  assert.deepEqual(faults.list(), [
    { plugin: "note", why: "parse of “note”: broken", where: "plugins/note/message.ts:12" },
  ]);
  take(60_000);
  assert.throws(() => type.parse({}));
  assert.equal(lines.length, 2);
});

function inPlugin() {
  const error = new Error("broken");
  error.stack = `Error: broken\n    at helper (/srv/chat/core/values.ts:3:1)\n    at parse (file:///srv/chat/plugins/note/message.ts:12:9)`;
  throw error;
}

test("what the core itself finds wrong with a result has no place in the plugin's sources", () => {
  const { faults, type } = still({ message: { parse: async () => ({}) } });
  assert.throws(() => type.parse({}), { code: "plugin-failed" });
  assert.deepEqual(faults.list(), [{ plugin: "note", why: "parse of “note”: it returned a promise" }]);
});

test("the list of faults keeps the newest of each plugin and hook, and 64 at most", () => {
  const faults = new Faults();
  for (let n = 0; n < 100; n++) faults.add({ plugin: `p${n % 80}`, hook: "parse", why: `${n}` });
  const kept = faults.list();
  assert.equal(kept.length, 64);
  assert.deepEqual(kept.at(-1), { plugin: "p19", why: "99" });
  assert.equal(kept.filter(({ plugin }) => plugin === "p19").length, 1);
});

test("another thread sees which call runs, also within another, and how many began", () => {
  const seen: unknown[] = [];
  const look = (where: string) => {
    const { [CALL]: call = 0, [CALLS]: begun } = marks;
    seen.push([where, call === 0 ? undefined : HOOKS[(call - 1) % HOOKS.length], begun]);
  };
  const marks = newMarks();
  const { calls, type } = still({
    message: { parse: () => look("in parse") },
    hooks: {
      receive() {
        type.parse({});
        look("in receive");
        return 1;
      },
    },
  });
  calls.seenBy({ marks, types: () => {} });
  type.parse({});
  look("between");
  type.hooks.receive?.({}, {} as ServerContext as never, () => false);
  look("after");
  assert.deepEqual(seen, [
    ["in parse", "parse", 1],
    ["between", undefined, 1],
    ["in parse", "parse", 3],
    ["in receive", "receive", 3],
    ["after", undefined, 3],
  ]);
});
