import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { curveKeyPair } from "zeromq";
import { keysOf, z85 } from "../../core/cluster/keys.ts";
import { holds } from "../suites/samples.ts";

test("Z85 is what its specification gives as an example", () => {
  assert.equal(z85(Buffer.from("864fd26fb559f75b", "hex")), "HelloWorld");
  assert.equal(z85(new Uint8Array(8)), "0000000000");
  assert.equal(z85(Buffer.alloc(4, 0xff)), "%nSc0");
});

test("a secret gives the same keys each time, of the form of ZeroMQ's own, and other secrets give others", async t => {
  const form = Object.values(curveKeyPair()).map(key => key.length);
  assert.deepEqual(
    Object.values(keysOf("a secret")).map(key => key.length),
    form,
  );
  await holds(
    t,
    fc.property(fc.string(), fc.string(), (one, other) => {
      assert.deepEqual(keysOf(one), keysOf(one));
      assert.equal(keysOf(one).publicKey === keysOf(other).publicKey, one === other);
    }),
    { numRuns: 100 },
  );
});

test("the keys of a secret stay what they are from version to version: nodes of both run side by side", () => {
  assert.deepEqual(keysOf("0123456789abcdef"), {
    publicKey: "h}S.IZPzaXWxV}rYrm}om.j%0>)*xWR66?MLHZcJ",
    secretKey: "[Q3$f/4esOZGil)F47L3H^d*8rr}x1q/Knbo[:2Q",
  });
});
