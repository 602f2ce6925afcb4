/** How much the heap may take, and when it is given back. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import { Memory } from "../../core/memory.ts";

function newMemory() {
  let mayGrow: boolean | undefined;
  let releases = 0;
  const memory = new Memory({
    letYoungGrow(may) {
      mayGrow = may;
    },
    release: () => releases++,
  });
  const second = ({ messages = 0, clients = 0 }) => {
    memory.committed(messages);
    memory.tick(clients);
  };
  return { second, mayGrow: () => mayGrow, releases: () => releases };
}

test("the young generation may grow while a flood lasts, and no longer", () => {
  const { second, mayGrow } = newMemory();
  assert.equal(mayGrow(), false);
  second({ messages: 50 });
  assert.equal(mayGrow(), false);
  second({ messages: 10_000 });
  assert.equal(mayGrow(), true);
  second({ messages: 50 });
  assert.equal(mayGrow(), false);
});

test("it may grow while many come or go at once", () => {
  const { second, mayGrow } = newMemory();
  second({ clients: 1_000 });
  assert.equal(mayGrow(), true);
  second({ clients: 1_000 });
  assert.equal(mayGrow(), false, "those who stay are no work");
  second({ clients: 0 });
  assert.equal(mayGrow(), true);
});

test("after a storm memory is given back once it is calm, and once only", () => {
  const { second, releases } = newMemory();
  second({ clients: 2_000 });
  second({ clients: 2_000, messages: 60 });
  second({ clients: 2_000 });
  second({ clients: 2_000 });
  assert.equal(releases(), 0, "more of it may come");
  for (let at = 0; at < 60; at++) second({ clients: 2_000 });
  assert.equal(releases(), 1);
});

test("thousands who come one by one leave as much behind, and a few leave nothing that is worth a stop", () => {
  const crowd = newMemory();
  for (let clients = 1; clients <= 4_000; clients += 20) crowd.second({ clients });
  for (let at = 0; at < 10; at++) crowd.second({ clients: 4_000 });
  assert.equal(crowd.releases(), 1);
  const few = newMemory();
  for (let clients = 1; clients <= 100; clients++) few.second({ clients, messages: 5 });
  assert.equal(few.releases(), 0);
});

/** Bytes of the young generation after much of what was allocated has stayed. */
function youngBytes(before: string): number {
  const source = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { Memory, releaseMemory } from ${JSON.stringify(new URL("../../core/memory.ts", import.meta.url).href)};
    const stays = [];
    const allocate = () => { for (let at = 0; at < 300_000; at++) stays.push({ at, text: "text " + at, more: [at] }); };
    const memory = new Memory();
    ${before}
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    console.log(stays.length > 0 && young.space_size);
  `;
  return Number(execFileSync(process.execPath, ["--input-type=module", "--eval", source], { encoding: "utf8" }));
}

test("this Node's young generation heeds what it is told", () => {
  const small = youngBytes("allocate();");
  const grown = youngBytes("memory.committed(10_000); memory.tick(0); allocate();");
  const released = youngBytes(
    "memory.committed(10_000); memory.tick(0); allocate(); for (let at = 0; at < 5; at++) memory.tick(0);",
  );
  assert.ok(grown >= 4 * small, `${grown} bytes, and ${small} while it may not grow`);
  assert.ok(released <= grown / 4, `${released} bytes after a release`);
});
