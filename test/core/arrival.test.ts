import assert from "node:assert/strict";
import test from "node:test";
import { Arrival } from "../../core/cluster/arrival.ts";
import type { Address } from "../../core/cluster/membership.ts";

const address = (host: string): Address => ({ host, port: 6002 });

/** An arrival, and what has come of it. */
function arriving({ isSettled = true } = {}) {
  const has = { ready: false, mayWrite: false, isSettled };
  const arrival = new Arrival({ isSettled: () => has.isSettled });
  void arrival.ready.then(() => {
    has.ready = true;
  });
  void arrival.mayWrite.then(() => {
    has.mayWrite = true;
  });
  /** What holds when everything has been told that was to be told. */
  const now = async () => {
    await new Promise(resolve => setImmediate(resolve));
    return { ready: has.ready, mayWrite: has.mayWrite };
  };
  return { arrival, has, now };
}

const NEITHER = { ready: false, mayWrite: false };
const BOTH = { ready: true, mayWrite: true };

test("who has no peers has arrived at once", async () => {
  const { arrival, now } = arriving();
  arrival.sought();
  assert.deepEqual(await now(), BOTH);
});

test("every peer is waited for until it answers or refuses, and what it has until it is here", async () => {
  const { arrival, has, now } = arriving({ isSettled: false });
  arrival.dialed(address("10.0.0.2"), "bo");
  arrival.dialed(address("10.0.0.3"), "cy");
  arrival.dialed(address("10.0.0.4"), undefined);
  arrival.sought();
  arrival.heardFrom(address("10.0.0.2"));
  arrival.heardFrom(address("10.0.0.3"), "cy");
  assert.deepEqual(await now(), NEITHER);
  arrival.heardFrom(address("10.0.0.4"), "di");
  assert.deepEqual(await now(), NEITHER, "there is something to fetch yet");
  has.isSettled = true;
  arrival.check();
  assert.deepEqual(await now(), BOTH);
});

test("a peer that answers at one address is not waited for at its others", async () => {
  const { arrival, now } = arriving();
  arrival.dialed(address("172.17.0.1"), "bo");
  arrival.dialed(address("10.0.0.2"), "bo");
  arrival.sought();
  arrival.heardFrom(address("10.0.0.2"), "bo");
  assert.deepEqual(await now(), BOTH);
});

test("a peer that is only remembered and stays silent is passed over, and named", async () => {
  const { arrival, now } = arriving();
  arrival.dialed(address("10.0.0.2"), "bo");
  arrival.dialed(address("172.17.0.1"), "bo");
  arrival.sought();
  assert.deepEqual(await now(), NEITHER);
  assert.deepEqual(arrival.passOver(), ["bo"]);
  assert.deepEqual(await now(), BOTH);
});

test("a peer that a person named holds up readiness longer than it holds up writes", async () => {
  const { arrival, now } = arriving();
  arrival.dialed(address("10.0.0.2"), undefined);
  arrival.sought();
  assert.deepEqual(arrival.passOver(), []);
  assert.deepEqual(await now(), { ready: false, mayWrite: true });
  arrival.giveUp();
  assert.deepEqual(await now(), BOTH);
});
