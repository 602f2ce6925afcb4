import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Copies } from "../../core/copies.ts";
import { holds } from "../suites/samples.ts";

const holdsAll = () => true;
const news = (copies: Copies, peer: string, seq: number) => Object.fromEntries(copies.held(peer, seq));

test("a sender is told how many nodes hold its messages, as peers report that they do", () => {
  const copies = new Copies(holdsAll);
  copies.sent(1, "ana", "one", []);
  copies.sent(2, "bo", "two", []);
  copies.sent(3, "ana", "three", []);
  assert.deepEqual(news(copies, "peer", 2), { ana: [{ id: "one", copies: 2 }], bo: [{ id: "two", copies: 2 }] });
  assert.deepEqual(news(copies, "peer", 3), { ana: [{ id: "three", copies: 2 }] });
  assert.deepEqual(news(copies, "other", 3), {
    ana: [
      { id: "one", copies: 3 },
      { id: "three", copies: 3 },
    ],
    bo: [{ id: "two", copies: 3 }],
  });
});

test("what a peer said before, or has gone back to, is no news", () => {
  const copies = new Copies(holdsAll);
  copies.sent(1, "ana", "one", []);
  news(copies, "peer", 1);
  assert.deepEqual(news(copies, "peer", 1), {});
  assert.deepEqual(news(copies, "peer", 0), {});
  assert.equal(copies.of(1, []), 2);
});

test("who has a message without its blobs does not count, until it is known to hold all of them", () => {
  const held = new Set<string>();
  const copies = new Copies((peer, blobs) => blobs.every(blob => held.has(`${peer} ${blob}`)));
  const gets = (peer: string, ...blobs: string[]) => {
    for (const blob of blobs) held.add(`${peer} ${blob}`);
    return Object.fromEntries(copies.blobsHeld(blobs));
  };
  copies.sent(1, "ana", "one", ["x", "y"]);
  copies.sent(2, "bo", "two", []);
  copies.sent(3, "bo", "three", ["y"]);
  assert.deepEqual(news(copies, "peer", 3), { bo: [{ id: "two", copies: 2 }] });
  assert.deepEqual(gets("peer", "x"), {});
  assert.deepEqual(gets("peer", "y"), { ana: [{ id: "one", copies: 2 }], bo: [{ id: "three", copies: 2 }] });
  assert.deepEqual(gets("peer", "x", "y"), {}, "that is known");
  assert.deepEqual(gets("other", "x", "y"), {}, "it has the files alone");
  assert.deepEqual(news(copies, "other", 2), { ana: [{ id: "one", copies: 3 }], bo: [{ id: "two", copies: 3 }] });
  assert.deepEqual([copies.of(1, ["x", "y"]), copies.of(3, ["y"]), copies.of(1, ["z"])], [3, 2, 1]);
});

test("what was forgotten of a peer's blobs is told of when it is heard again", () => {
  let isHeld = true;
  const copies = new Copies(() => isHeld);
  copies.sent(1, "ana", "one", ["x"]);
  const first = { ana: [{ id: "one", copies: 2 }] };
  assert.deepEqual(news(copies, "peer", 1), first);
  isHeld = false;
  copies.sent(1, "ana", "one", ["x"]);
  isHeld = true;
  assert.deepEqual(Object.fromEntries(copies.blobsHeld(["x"])), first);
});

test("what is remembered no more is not told of when its blobs are held", () => {
  let isHeld = false;
  const copies = new Copies(() => isHeld);
  for (let seq = 1; seq <= 25_000; seq++) copies.sent(seq, "ana", `message ${seq}`, ["x", `own ${seq}`]);
  news(copies, "peer", 25_000);
  isHeld = true;
  assert.deepEqual(Object.fromEntries(copies.blobsHeld(["own 1"])), {});
  const told = copies.blobsHeld(["x"]).get("ana") ?? [];
  assert.ok(told.length >= 5_000 && told.length <= 10_000, "memory is bounded");
});

test("the copies of any place are known, also of messages that are remembered no more", () => {
  const copies = new Copies(holdsAll);
  for (let seq = 1; seq <= 25_000; seq++) copies.sent(seq, "ana", `message ${seq}`, []);
  assert.equal(copies.of(25_000, []), 1);
  const told = copies.held("peer", 25_000).get("ana") ?? [];
  assert.ok(told.length >= 5_000 && told.length <= 10_000, "memory is bounded");
  assert.equal(told.at(-1)?.id, "message 25000");
  assert.equal(copies.of(1, []), 2);
});

test("a message that was sent again counts from what is known, whatever its seq, and is told of once", () => {
  const copies = new Copies(holdsAll);
  news(copies, "peer", 3);
  copies.sent(4, "ana", "four", []);
  copies.sent(2, "ana", "two", []);
  copies.sent(2, "ana", "two", []);
  assert.deepEqual(news(copies, "other", 4), {
    ana: [
      { id: "two", copies: 3 },
      { id: "four", copies: 2 },
    ],
  });
});

test("in whatever order messages are sent and reports come, each message is told of once for each peer", async t => {
  const step = fc.oneof(fc.constant("send" as const), fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(30)));
  await holds(
    t,
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const copies = new Copies(holdsAll);
      const told = new Map<string, number>();
      const held = new Map<string, number>();
      let seq = 0;
      for (const step of steps) {
        if (step === "send") {
          copies.sent(++seq, "ana", String(seq), []);
          continue;
        }
        // A peer cannot hold what is not written yet.
        const [peer, upTo] = [step[0], Math.min(step[1], seq)];
        held.set(peer, Math.max(held.get(peer) ?? 0, upTo));
        for (const { id, copies: count } of copies.held(peer, upTo).get("ana") ?? []) {
          assert.equal(count, (told.get(id) ?? 1) + 1);
          told.set(id, count);
        }
      }
      for (let place = 1; place <= seq; place++) {
        const expected = 1 + [...held.values()].filter(upTo => upTo >= place).length;
        assert.equal(copies.of(place, []), expected);
        assert.equal(told.get(String(place)) ?? 1, expected);
      }
    }),
    { numRuns: 500 },
  );
});
