import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Clock, MAX_DRIFT_MS, millisecondsOf } from "../../core/clock.ts";
import { holds } from "../suites/samples.ts";

const STEPS = 1024;
const START_MS = 1_800_000_000_000;

test("a time is the milliseconds since 1970 and a counter", () => {
  const clock = new Clock(() => START_MS);
  assert.equal(clock.tick(), START_MS * STEPS);
  assert.equal(clock.tick(), START_MS * STEPS + 1);
  assert.equal(millisecondsOf(START_MS * STEPS + 1_023), START_MS);
  assert.equal(millisecondsOf(START_MS * STEPS + 1_024), START_MS + 1);
  assert.equal(clock.now(), START_MS);
});

test("a counter that runs over carries into the milliseconds", () => {
  const clock = new Clock(() => START_MS);
  for (let ticks = 0; ticks < STEPS; ticks++) clock.tick();
  assert.equal(millisecondsOf(clock.tick()), START_MS + 1);
});

test("a clock goes on after the last time of the run before, even if the machine's clock was set back", () => {
  const last = (START_MS + 5_000) * STEPS;
  assert.equal(new Clock(() => START_MS, last).tick(), last + 1);
});

test("a time from elsewhere is passed, but believed only a minute ahead", () => {
  const clock = new Clock(() => START_MS);
  clock.observe((START_MS + 10) * STEPS);
  assert.equal(clock.tick(), (START_MS + 10) * STEPS + 1);
  clock.observe(Number.MAX_SAFE_INTEGER);
  assert.equal(clock.tick(), (START_MS + MAX_DRIFT_MS) * STEPS + 1);
  assert.equal(clock.believable((START_MS + 1) * STEPS), (START_MS + 1) * STEPS);
  assert.equal(clock.believable(Number.MAX_SAFE_INTEGER), (START_MS + MAX_DRIFT_MS) * STEPS);
});

test("a time from the past changes nothing", () => {
  const clock = new Clock(() => START_MS);
  const before = clock.tick();
  clock.observe(1);
  assert.equal(clock.tick(), before + 1);
});

const day = 86_400_000;
const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: "tick" } as const) },
  fc.record({
    do: fc.constant("observe" as const),
    aheadMs: fc.integer({ min: -day, max: day }),
    count: fc.nat(STEPS),
  }),
  fc.record({ do: fc.constant("jump" as const), byMs: fc.integer({ min: -day, max: day }) }),
);

test("whatever the machine's clock and the peers' clocks do, times rise and are never dragged a minute ahead", async t => {
  await holds(
    t,
    fc.property(fc.array(step, { maxLength: 100 }), fc.nat(), (steps, last) => {
      let now = START_MS;
      const clock = new Clock(() => now, last);
      let before = last;
      /** Latest that the clock may stand at: a minute ahead of the latest time the machine ever showed. */
      let latest = now;
      let ticks = 0;
      for (const step of steps) {
        if (step.do === "jump") now += step.byMs;
        latest = Math.max(latest, now);
        if (step.do === "observe") {
          const heard = (now + step.aheadMs) * STEPS + step.count;
          clock.observe(heard);
          if (step.aheadMs < MAX_DRIFT_MS) before = Math.max(before, heard);
        }
        if (step.do !== "tick") continue;
        ticks++;
        const time = clock.tick();
        assert.ok(time > before, "later than all that were given out, and than what was observed and believed");
        assert.ok(time >= now * STEPS, "never behind the machine's own clock");
        assert.ok(time <= (latest + MAX_DRIFT_MS) * STEPS + ticks, "not dragged further than a minute");
        assert.ok(Number.isSafeInteger(time));
        before = time;
      }
    }),
    { numRuns: 500 },
  );
});
