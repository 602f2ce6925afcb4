/** So many at a time, so many waiting, and nobody else. */
import assert from "node:assert/strict";
import test from "node:test";
import { Gate } from "../../core/gate.ts";

/** A gate, and work that goes on until the test ends it. */
function newGate() {
  const gate = new Gate({ atOnce: 2, waiting: 3 });
  const begun: { name: string; end: (error?: Error) => void }[] = [];
  const enter = (name: string) =>
    gate.pass(
      () =>
        new Promise<string>((resolve, reject) => {
          begun.push({ name, end: error => (error ? reject(error) : resolve(name)) });
        }),
    );
  return { gate, enter, begun, names: () => begun.map(({ name }) => name) };
}

const turn = () => new Promise(resolve => setImmediate(resolve));

test("those who wait get their turn in the order in which they came", async () => {
  const { gate, enter, begun, names } = newGate();
  const all = ["a", "b", "c", "d", "e"].map(enter);
  await turn();
  assert.deepEqual(names(), ["a", "b"]);
  begun[1]?.end();
  await turn();
  assert.deepEqual(names(), ["a", "b", "c"]);
  for (let next = 0; next < 5; next++) {
    begun[next]?.end();
    await turn();
  }
  assert.deepEqual(await Promise.all(all), ["a", "b", "c", "d", "e"]);
  assert.equal(gate.size, 0);
});

test("past those who may wait everyone is refused, until there is room again", async () => {
  const { gate, enter, begun } = newGate();
  const all = ["a", "b", "c", "d", "e"].map(enter);
  assert.equal(gate.size, 5);
  await assert.rejects(enter("f"), { code: "overloaded", details: { retryAfterMs: 1_000 } });
  begun[0]?.end();
  await turn();
  all.push(enter("g"));
  for (let next = 1; next < 6; next++) {
    begun[next]?.end();
    await turn();
  }
  assert.deepEqual(await Promise.all(all), ["a", "b", "c", "d", "e", "g"]);
});

test("work that fails takes nobody's place", async () => {
  const { gate, enter, begun, names } = newGate();
  const [a, ...others] = ["a", "b", "c"].map(enter);
  begun[0]?.end(new Error("no disk"));
  await assert.rejects(a as Promise<string>, /no disk/);
  await turn();
  assert.deepEqual(names(), ["a", "b", "c"]);
  for (const { end } of begun) end();
  await Promise.all(others);
  assert.equal(gate.size, 0);
});
