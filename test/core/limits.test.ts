import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Reject } from "../../core/errors.ts";
import { AddressLimit, Bucket } from "../../core/limits.ts";
import { holds } from "../suites/samples.ts";

const limited = { name: "Reject", code: "rate-limited" };

/** How many are given out now, up to `max`. */
function takeAll(bucket: Bucket, max = 1_000): number {
  for (let taken = 0; taken < max; taken++)
    try {
      bucket.take();
    } catch {
      return taken;
    }
  return max;
}

test("a burst is given out at once, then as many a second as the rate says", () => {
  let now = 0;
  const bucket = new Bucket({ perSecond: 10, burst: 30 }, () => now);
  assert.equal(takeAll(bucket), 30);
  assert.throws(() => bucket.take(), { ...limited, details: { retryAfterMs: 101 } });
  now += 1_000;
  assert.equal(takeAll(bucket), 10);
});

test("what is saved up never exceeds the burst", () => {
  let now = 0;
  const bucket = new Bucket({ perSecond: 10, burst: 30 }, () => now);
  now += 1_000_000;
  assert.equal(takeAll(bucket), 30);
});

test("a rate of 0 is no limit", () => {
  assert.equal(takeAll(new Bucket({ perSecond: 0, burst: 0 }, () => 0)), 1_000);
});

test("a bucket is full when nothing was taken for long enough", () => {
  let now = 0;
  const bucket = new Bucket({ perSecond: 10, burst: 30 }, () => now);
  assert.ok(bucket.isFull);
  bucket.take();
  assert.ok(!bucket.isFull);
  now += 100;
  assert.ok(bucket.isFull);
});

test("in no stretch of time more is given out than the burst and the rate allow, and nobody waits for ever", async t => {
  const rate = fc.record({ perSecond: fc.integer({ min: 1, max: 100 }), burst: fc.integer({ min: 1, max: 100 }) });
  await holds(
    t,
    fc.property(rate, fc.array(fc.nat(500), { minLength: 1, maxLength: 100 }), (rate, waits) => {
      let now = 0;
      let taken = 0;
      const bucket = new Bucket(rate, () => now);
      for (const wait of waits) {
        now += wait;
        try {
          bucket.take();
          taken++;
        } catch (error) {
          assert.ok(error instanceof Reject);
          const { retryAfterMs = 0 } = error.details;
          assert.ok(retryAfterMs >= 2 && retryAfterMs <= Math.ceil(1_000 / rate.perSecond) + 1);
        }
        assert.ok(taken <= rate.burst + (now / 1_000) * rate.perSecond + 1e-6);
      }
      now += Math.ceil(1_000 / rate.perSecond) + 1;
      bucket.take();
    }),
    { numRuns: 500 },
  );
});

test("whoever waits as long as was said gets one, whatever the rate", () => {
  for (let hourly = 1; hourly <= 2_000; hourly++) {
    let now = 0;
    const bucket = new Bucket({ perSecond: hourly / 3_600, burst: 1 }, () => now);
    bucket.take();
    assert.throws(
      () => bucket.take(),
      (error: Reject) => {
        now += error.details.retryAfterMs ?? 0;
        return error.code === limited.code;
      },
    );
    bucket.take();
  }
});

test("many are taken at once, or none, and what was not needed is given back", () => {
  let now = 0;
  const bucket = new Bucket({ perSecond: 10, burst: 30 }, () => now);
  bucket.take(25);
  assert.throws(() => bucket.take(10), { ...limited, details: { retryAfterMs: 501 } });
  now += 501;
  bucket.take(10);
  assert.throws(() => bucket.take(1), limited);
  bucket.giveBack(7);
  assert.equal(takeAll(bucket), 7);
  bucket.giveBack(1_000);
  assert.equal(takeAll(bucket), 30);
});

test("each address has a bucket of its own", () => {
  const limit = new AddressLimit({ perSecond: 1e-9, burst: 1 });
  limit.take("192.0.2.1");
  limit.take("192.0.2.2");
  assert.throws(() => limit.take("192.0.2.1"), limited);
  assert.throws(() => limit.take("192.0.2.2"), limited);
});

test("the addresses of one IPv6 household share a bucket, those of two do not", () => {
  const limit = new AddressLimit({ perSecond: 1e-9, burst: 1 });
  limit.take("2001:db8:0:1::1");
  assert.throws(() => limit.take("2001:db8:0:1:ffff::2"), limited);
  limit.take("2001:db8:0:2::1");
});

test("of more addresses than are remembered the oldest is forgotten, the newest is not", () => {
  const limit = new AddressLimit({ perSecond: 1e-9, burst: 1 });
  for (let address = 0; address < 10_001; address++) limit.take(`address ${address}`);
  assert.throws(() => limit.take("address 10000"), limited);
  assert.throws(() => limit.take("address 1"), limited);
  limit.take("address 0");
});
