/** Which acks wait for another node, and for how long. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { ACK_WITHIN_MS, Confirmations } from "../../core/confirmations.ts";
import { stillTime } from "../helpers/time.ts";
import { holds } from "../suites/samples.ts";

/** What became of each wait so far. */
function follow(confirmations: Confirmations) {
  const outcomes = new Map<number, boolean>();
  let waits = 0;
  return {
    outcomes,
    wait(seq: number) {
      const wait = ++waits;
      void confirmations.wait(seq).then(confirmed => outcomes.set(wait, confirmed));
      return wait;
    },
  };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

test("an ack is confirmed when a peer holds the stream up to it, and unconfirmed when none does in time", async () => {
  const still = stillTime();
  const confirmations = new Confirmations(still.time);
  const { wait, outcomes } = follow(confirmations);
  for (const seq of [1, 2, 3]) wait(seq);
  still.pass(ACK_WITHIN_MS - 1);
  confirmations.held(2);
  await settled();
  assert.deepEqual(
    [...outcomes],
    [
      [1, true],
      [2, true],
    ],
  );
  still.pass(1);
  await settled();
  assert.deepEqual([outcomes.get(3), still.running()], [false, 0]);
});

test("what was sent again has its own time, and does not hold up what is new", async () => {
  const still = stillTime();
  const confirmations = new Confirmations(still.time);
  const { wait, outcomes } = follow(confirmations);
  wait(7);
  still.pass(ACK_WITHIN_MS / 2);
  const again = wait(3);
  const fresh = wait(8);
  confirmations.held(3);
  await settled();
  assert.deepEqual([...outcomes], [[again, true]]);
  still.pass(ACK_WITHIN_MS / 2);
  await settled();
  assert.deepEqual([outcomes.get(1), outcomes.has(fresh)], [false, false]);
  still.pass(ACK_WITHIN_MS / 2);
  await settled();
  assert.equal(outcomes.get(fresh), false);
});

test("what is judged anew with each change waits as long as all else, and counts as waiting", async () => {
  const still = stillTime();
  const confirmations = new Confirmations(still.time);
  const outcomes: string[] = [];
  const safe = new Set<string>(["first"]);
  const wait = (name: string) =>
    void confirmations.waitUntil(() => safe.has(name)).then(confirmed => outcomes.push(`${name} ${confirmed}`));
  for (const name of ["first", "second", "third"]) wait(name);
  await settled();
  assert.deepEqual(outcomes, ["first true"]);
  safe.add("third");
  confirmations.held(100);
  await settled();
  assert.equal(outcomes.length, 1, "that is of another kind");
  confirmations.changed();
  await settled();
  assert.equal(outcomes.at(-1), "third true");
  still.pass(ACK_WITHIN_MS);
  await settled();
  assert.deepEqual([outcomes.at(-1), still.running()], ["second false", 0]);
  wait("fourth");
  confirmations.end();
  wait("first");
  await settled();
  assert.deepEqual(outcomes.slice(-2), ["fourth false", "first false"]);
});

test("where the stream ends, nothing waits on, and the next one begins with any seq", async () => {
  const still = stillTime();
  const confirmations = new Confirmations(still.time);
  const { wait, outcomes } = follow(confirmations);
  wait(100);
  confirmations.giveUp();
  await settled();
  assert.deepEqual([outcomes.get(1), still.running()], [false, 0]);
  wait(1);
  wait(2);
  confirmations.held(1);
  await settled();
  assert.deepEqual([outcomes.get(2), outcomes.has(3)], [true, false]);
  confirmations.end();
  wait(3);
  await settled();
  assert.deepEqual([outcomes.get(3), outcomes.get(4), still.running()], [false, false, 0]);
});

test("a crowd without a peer is bounded, and one timer serves it", async () => {
  const still = stillTime();
  const confirmations = new Confirmations(still.time);
  const { wait, outcomes } = follow(confirmations);
  let seq = 0;
  while (!confirmations.isFull) {
    wait(++seq);
    if (seq % 100 === 0) still.pass(1);
    assert.ok(seq <= 100_000, "there is an end");
  }
  assert.equal(still.most(), 1);
  still.pass(ACK_WITHIN_MS);
  await settled();
  assert.equal(outcomes.size, seq);
  assert.equal(confirmations.isFull, false);
});

test("in whatever order messages, reports and time come, each ack is settled once, rightly and in time", async t => {
  const step = fc.oneof(
    fc.constant({ send: true as const }),
    fc.record({ again: fc.nat(20) }),
    fc.record({ held: fc.nat(30) }),
    fc.record({ pass: fc.nat(ACK_WITHIN_MS) }),
  );
  await holds(
    t,
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const still = stillTime();
      const confirmations = new Confirmations(still.time);
      const { wait, outcomes } = follow(confirmations);
      const open = new Map<number, { seq: number; until: number }>();
      const expected = new Map<number, boolean>();
      let seq = 0;
      let now = 0;
      const ask = (seq: number) => open.set(wait(seq), { seq, until: now + ACK_WITHIN_MS });
      for (const step of steps) {
        if ("send" in step) ask(++seq);
        else if ("again" in step && step.again > 0 && step.again <= seq) ask(step.again);
        else if ("held" in step) {
          confirmations.held(Math.min(step.held, seq));
          for (const [id, waiting] of open) if (waiting.seq <= Math.min(step.held, seq)) close(id, true);
        } else if ("pass" in step) {
          now += step.pass;
          still.pass(step.pass);
          for (const [id, { until }] of open) if (until <= now) close(id, false);
        }
        await settled();
        assert.deepEqual(
          new Map([...outcomes].sort(([a], [b]) => a - b)),
          new Map([...expected].sort(([a], [b]) => a - b)),
        );
      }
      function close(id: number, confirmed: boolean) {
        open.delete(id);
        expected.set(id, confirmed);
      }
    }),
    { numRuns: 200 },
  );
});
