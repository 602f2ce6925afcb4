import assert from "node:assert/strict";
import test from "node:test";
import type { NodeFigures } from "../../core/plugin.ts";
import status from "../../plugins/status/message.ts";
import server from "../../plugins/status/server.ts";
import { figures, serverContext } from "./context.ts";

test("a node says its figures under its own id", () => {
  const context = serverContext({ node: () => ({ ...figures, clients: 7 }) });
  assert.deepEqual(server.hooks().tick?.(context), [{ body: { ...figures, clients: 7 }, to: "all" }]);
  assert.equal(status.key?.(figures), "node-1");
});

/** What a node says whose figures these are, one after the other, a second apart. */
function said(...changes: Partial<NodeFigures>[]): boolean[] {
  const { tick } = server.hooks();
  return changes.map((change, second) => {
    const context = serverContext({ node: () => ({ ...figures, ...change }), now: () => second * 1_000 });
    return tick?.(context).length === 1;
  });
}

test("figures that stay as they are, or jitter, are said every half minute only", () => {
  const megabytes = (count: number) => count * 1024 * 1024;
  assert.deepEqual(said({}, {}, {}), [true, false, false]);
  assert.deepEqual(said(...Array(32).fill({})).lastIndexOf(true), 30);
  assert.deepEqual(said({ rssBytes: megabytes(100) }, { rssBytes: megabytes(140) }), [true, false]);
  assert.deepEqual(said({ lagMs: 0 }, { lagMs: 15 }), [true, false]);
  const peer = { id: "node-2", name: "hall", up: true, rttMs: 0.4, behind: 0, clockMs: null };
  assert.deepEqual(said({ peers: [peer] }, { peers: [{ ...peer, rttMs: 7 }] }), [true, false]);
  assert.deepEqual(said({ messagesPerSecond: 50.2 }, { messagesPerSecond: 49.8 }), [true, false]);
  const clock = (clockMs: number | null) => ({ peers: [{ ...peer, clockMs }] });
  assert.deepEqual(said(clock(-3), clock(40)), [true, false]);
});

test("whatever is news is said at once", () => {
  const peer = { id: "node-2", name: "hall", up: true, rttMs: 30, behind: 0, clockMs: null };
  for (const change of [
    { clients: 2 },
    { messagesPerSecond: 0.2 },
    { messagesPerSecond: 70 },
    { lagMs: 50 },
    { rssBytes: 200 * 1024 * 1024 },
    { peers: [{ ...peer, up: false }] },
    { peers: [{ ...peer, behind: 1 }] },
    { peers: [{ ...peer, rttMs: 90 }] },
    { peers: [{ ...peer, rttMs: null }] },
    { peers: [{ ...peer, clockMs: 0 }] },
    { peers: [peer, { ...peer, id: "node-3" }] },
    { peers: [] },
  ])
    assert.deepEqual(said({ peers: [peer] }, { peers: [peer], ...change }), [true, true], JSON.stringify(change));
});

test("clients cannot speak for a node", () => {
  assert.equal(server.hooks().receive, undefined);
});

test("figures that no node has are refused", () => {
  const peer = { id: "node-2", name: "hall", up: true, rttMs: 1, clockMs: -7.5, behind: 0 };
  status.parse({ ...figures, peers: [peer, { ...peer, clockMs: null }] });
  for (const changes of [
    { clients: -1 },
    { clients: Number.NaN },
    { clients: "7" },
    { id: null },
    { id: "x".repeat(65) },
    { busOpen: 1 },
    { peers: {} },
    { peers: [{ ...peer, rttMs: -1 }] },
    { peers: [{ ...peer, behind: undefined }] },
    { peers: [{ ...peer, clockMs: "far" }] },
    { peers: Array(257).fill(peer) },
  ])
    assert.throws(
      () => status.parse({ ...figures, ...changes }),
      { name: "Reject", code: "invalid" },
      JSON.stringify(changes),
    );
});

test("figures of a node that does not compare clocks are taken, without any", () => {
  const { clockMs: _, ...peer } = { id: "node-2", name: "hall", up: true, rttMs: 1, clockMs: 0, behind: 0 };
  assert.deepEqual(status.parse({ ...figures, peers: [peer] }).peers, [{ ...peer, clockMs: null }]);
});

test("the summary says how many are there and how much is written", () => {
  assert.equal(
    status.summary({ ...figures, clients: 3, messagesPerSecond: 1.25 }),
    "kitchen: 3 clients, 1.3 messages a second",
  );
});
