import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { partOf } from "../../core/blobs/ranges.ts";
import { holds } from "../suites/samples.ts";

test("one range is the part that it names", () => {
  for (const [header, from, to] of [
    ["bytes=0-0", 0, 1],
    ["bytes=0-99", 0, 100],
    ["bytes=0-", 0, 100],
    ["bytes=99-", 99, 100],
    ["bytes=10-19", 10, 20],
    ["bytes=90-1000", 90, 100],
    [`bytes=90-${"9".repeat(400)}`, 90, 100],
    ["bytes=-1", 99, 100],
    ["bytes=-100", 0, 100],
    [`bytes=-${"9".repeat(400)}`, 0, 100],
    ["bytes= 5-6 ", 5, 7],
    ["BYTES=5-6", 5, 7],
  ] as const)
    assert.deepEqual(partOf(header, 100), { from, to }, header);
});

test("a range that no byte lies in, or that is none, means nothing", () => {
  for (const header of [
    "bytes=100-",
    "bytes=100-200",
    `bytes=${"9".repeat(400)}-`,
    "bytes=20-10",
    "bytes=-0",
    "bytes=-",
    "bytes=--5",
    "bytes=-5-10",
    "bytes=5",
    "bytes=a-b",
    "bytes=0x1-0x2",
    "bytes=1.5-2",
    "bytes=1e1-2e1",
    "bytes=",
    "bytes=0-1\n0-1",
  ])
    assert.equal(partOf(header, 100), "none", header);
});

test("several ranges, other units and no range mean all of it", () => {
  for (const header of [
    undefined,
    "",
    "items=0-1",
    "bytes",
    "bytes=0-1,5-6",
    "bytes=0-50,25-75",
    "bytes=0-1,-5,200-",
    `bytes=${Array.from({ length: 10_000 }, () => "0-").join(",")}`,
  ])
    assert.equal(partOf(header, 100), undefined, header?.slice(0, 50));
});

test("whatever is asked for, the part lies inside the file, and is not empty", async t => {
  const number = fc.oneof(fc.nat(), fc.bigInt({ min: 0n }), fc.constant(""));
  const header = fc.oneof(
    fc.string().map(text => `bytes=${text}`),
    fc.tuple(number, number).map(([first, last]) => `bytes=${first}-${last}`),
  );
  await holds(
    t,
    fc.property(header, fc.nat(), (header, size) => {
      const part = partOf(header, size);
      if (typeof part !== "object") return;
      assert.ok(Number.isSafeInteger(part.from) && Number.isSafeInteger(part.to));
      assert.ok(0 <= part.from && part.from < part.to && part.to <= size);
    }),
    { numRuns: 2_000 },
  );
});
