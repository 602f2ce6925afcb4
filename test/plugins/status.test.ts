import assert from "node:assert/strict";
import test from "node:test";
import status from "../../plugins/status/message.ts";
import server from "../../plugins/status/server.ts";
import { figures, serverContext } from "./context.ts";

test("a node says its figures once a second, under its own id", () => {
  const context = serverContext({ node: () => ({ ...figures, clients: 7 }) });
  assert.deepEqual(server.hooks().tick?.(context), [{ body: { ...figures, clients: 7 }, to: "all" }]);
  assert.equal(status.key?.(figures), "node-1");
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
