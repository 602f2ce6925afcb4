import assert from "node:assert/strict";
import test from "node:test";
import { type Address, DOWN_AFTER_MS, Membership, type NodeInfo, textOf } from "../../core/cluster/membership.ts";

const HERE = "10.0.0.1";

function node(id: string, host = "10.0.0.9", changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    id,
    boot: `${id}'s first run`,
    name: id,
    version: "1",
    hosts: [host],
    port: 6002,
    pubPort: 7002,
    ...changes,
  };
}
const address = (host: string, port = 6002): Address => ({ host, port });

/** Effects in words, as `dial 10.0.0.2:6002` or `welcome bo`. */
function said(effects: ReturnType<Membership["seek"]>): string[] {
  return effects.map(effect =>
    "peer" in effect ? `${effect.do} ${effect.peer.info.id}` : `${effect.do} ${textOf(effect.address)}`,
  );
}

function members() {
  return new Membership(node("self", HERE));
}

/** Knows `bo` at 10.0.0.2, and it is up since time 0. */
function withBo() {
  const membership = members();
  membership.seek([address("10.0.0.2")]);
  membership.introduced(node("bo", "10.0.0.2"), 0, address("10.0.0.2"));
  return membership;
}

const ups = (membership: Membership) => membership.up().map(({ info }) => info.id);

test("a named address is dialed once", () => {
  const membership = members();
  assert.deepEqual(said(membership.seek([address("10.0.0.2"), address("10.0.0.2")])), ["dial 10.0.0.2:6002"]);
  assert.deepEqual(said(membership.seek([address("10.0.0.2")])), []);
});

test("who answers at a dialed address is up", () => {
  const membership = members();
  membership.seek([address("10.0.0.2")]);
  assert.deepEqual(said(membership.introduced(node("bo"), 0, address("10.0.0.2"))), ["welcome bo"]);
  assert.deepEqual(ups(membership), ["bo"]);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.2"));
  assert.deepEqual(said(membership.introduced(node("bo"), 1, address("10.0.0.2"))), [], "it answers again");
});

test("who calls is dialed at all its addresses, and up as soon as one answers", () => {
  const membership = members();
  const bo = node("bo", "10.0.0.2", { hosts: ["10.0.0.2", "192.168.0.2"] });
  assert.deepEqual(said(membership.introduced(bo, 0)), ["dial 10.0.0.2:6002", "dial 192.168.0.2:6002"]);
  assert.deepEqual(ups(membership), []);
  assert.deepEqual(said(membership.introduced(bo, 0, address("192.168.0.2"))), ["welcome bo"]);
  assert.deepEqual(said(membership.introduced(bo, 1)), [], "known by now");
});

test("of two addresses of one peer the first that answers stays, the other is hung up", () => {
  const membership = members();
  const bo = node("bo", "10.0.0.2", { hosts: ["10.0.0.2", "192.168.0.2"] });
  membership.introduced(bo, 0);
  membership.introduced(bo, 0, address("10.0.0.2"));
  assert.deepEqual(said(membership.introduced(bo, 0, address("192.168.0.2"))), ["hangUp 192.168.0.2:6002"]);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.2"));
  assert.deepEqual(said(membership.greet()), []);
});

test("an address that a person named is kept beside the one that answered first, and greeted when the peer is gone", () => {
  const membership = members();
  membership.seek([address("10.0.0.2"), address("192.168.0.2")]);
  membership.introduced(node("bo"), 0, address("10.0.0.2"));
  assert.deepEqual(said(membership.introduced(node("bo"), 0, address("192.168.0.2"))), []);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.2"));
  assert.deepEqual(said(membership.greet()), []);
  membership.left("bo", "bo's first run");
  assert.deepEqual(said(membership.greet()), ["greet 10.0.0.2:6002", "greet 192.168.0.2:6002"]);
});

test("a node does not become its own peer, and does not dial itself twice", () => {
  const membership = members();
  membership.seek([address("127.0.0.1")]);
  assert.deepEqual(said(membership.introduced(node("self", HERE), 0, address("127.0.0.1"))), ["hangUp 127.0.0.1:6002"]);
  assert.deepEqual(said(membership.seek([address("127.0.0.1")])), []);
  assert.deepEqual(said(membership.introduced(node("self", HERE), 0)), []);
  assert.deepEqual(said(membership.heardOf([node("self", HERE)])), []);
  assert.equal(membership.peers.size, 0);
});

test("a node on the same host is dialed at the loopback address", () => {
  const membership = new Membership(node("self", HERE, { hosts: [HERE, "172.17.0.1"] }));
  const neighbour = node("bo", HERE, { hosts: ["172.17.0.1", HERE], port: 6003 });
  assert.deepEqual(said(membership.introduced(neighbour, 0)), ["dial 127.0.0.1:6003"]);
});

test("nodes that a peer knows are dialed, but for those known already", () => {
  const membership = withBo();
  const known = [node("bo", "10.0.0.2"), node("cy", "10.0.0.3"), node("self", HERE)];
  assert.deepEqual(said(membership.heardOf(known)), ["dial 10.0.0.3:6002"]);
  assert.deepEqual(said(membership.heardOf(known)), []);
});

test("a peer without heartbeats is down after three of them, and greeted from then on", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.beat("bo", "bo's first run", 1_000)), []);
  assert.deepEqual(said(membership.watch(1_000 + DOWN_AFTER_MS)), []);
  assert.deepEqual(said(membership.greet()), []);
  assert.deepEqual(said(membership.watch(1_001 + DOWN_AFTER_MS)), ["drop bo"]);
  assert.deepEqual(said(membership.watch(9_999 + DOWN_AFTER_MS)), [], "once");
  assert.deepEqual(ups(membership), []);
  assert.deepEqual(said(membership.greet()), ["greet 10.0.0.2:6002"]);
});

test("the next look at who is silent is due when the first peer may be, and not before", () => {
  const membership = withBo();
  membership.beat("bo", "bo's first run", 1_000);
  const due = membership.dueMs(2_000);
  assert.equal(due, 1_000 + DOWN_AFTER_MS);
  assert.deepEqual(said(membership.watch(due + 1)), ["drop bo"]);
  assert.equal(membership.dueMs(9_000), 9_000 + DOWN_AFTER_MS, "whoever comes up is given as long");
});

test("a silent peer is back when its heartbeats are heard, not when it only calls: half a connection is none", () => {
  const membership = withBo();
  membership.watch(10_000);
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 10_000)), []);
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 10_000, address("10.0.0.2"))), []);
  assert.deepEqual(said(membership.beat("bo", "bo's first run", 11_000)), ["greet 10.0.0.2:6002"]);
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 11_000, address("10.0.0.2"))), ["welcome bo"]);
});

test("a peer that comes back is given the whole time again", () => {
  const membership = withBo();
  membership.watch(10_000);
  membership.beat("bo", "bo's first run", 20_000);
  membership.introduced(node("bo", "10.0.0.2"), 20_001, address("10.0.0.2"));
  assert.deepEqual(said(membership.watch(20_001 + DOWN_AFTER_MS)), []);
});

test("heartbeats of a stranger change nothing", () => {
  const membership = members();
  assert.deepEqual(said(membership.beat("bo", "boot", 0)), []);
  membership.introduced(node("bo", "10.0.0.2"), 0);
  assert.deepEqual(said(membership.beat("bo", "bo's first run", 1)), [], "no address of it has answered");
  assert.deepEqual(ups(membership), []);
});

test("a peer that says goodbye is down at once; a goodbye of the run before is none", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.left("bo", "an earlier run")), []);
  assert.deepEqual(said(membership.left("nobody", "boot")), []);
  assert.deepEqual(said(membership.left("bo", "bo's first run")), ["drop bo"]);
  assert.deepEqual(said(membership.left("bo", "bo's first run")), []);
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 1)), ["welcome bo"], "it need not be silent");
});

test("a heartbeat of another run makes both introduce themselves again, and the new run is another peer", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.beat("bo", "second run", 500)), ["greet 10.0.0.2:6002"]);
  const again = node("bo", "10.0.0.2", { boot: "second run" });
  assert.deepEqual(said(membership.introduced(again, 600, address("10.0.0.2"))), ["drop bo", "welcome bo"]);
  assert.equal(membership.peers.get("bo")?.info.boot, "second run");
});

test("a new run that calls is welcomed where the run before was, also if that had gone silent", () => {
  const membership = withBo();
  membership.watch(10_000);
  const again = node("bo", "10.0.0.2", { boot: "second run" });
  assert.deepEqual(said(membership.introduced(again, 10_001)), ["welcome bo"]);
});

test("a new run at another address is dialed there", () => {
  const membership = withBo();
  const moved = node("bo", "10.0.0.7", { boot: "second run", port: 6005 });
  const effects = said(membership.introduced(moved, 600));
  assert.ok(effects.includes("drop bo"));
  assert.ok(effects.includes("dial 10.0.0.7:6005"));
  assert.deepEqual(ups(membership), [], "not up before it has answered");
  assert.deepEqual(said(membership.introduced(moved, 700, address("10.0.0.7", 6005))), ["welcome bo"]);
});

test("a new run with other addresses that answers where the run before did is reached there", () => {
  const membership = withBo();
  const again = node("bo", "10.0.0.2", { boot: "second run", hosts: ["10.0.0.2", "172.17.0.1"] });
  assert.deepEqual(said(membership.introduced(again, 600, address("10.0.0.2"))), ["drop bo", "welcome bo"]);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.2"));
});

test("two peers that come back with each other's addresses are reached where they are now", () => {
  const membership = withBo();
  membership.seek([address("10.0.0.3")]);
  membership.introduced(node("cy", "10.0.0.3"), 0, address("10.0.0.3"));
  for (const id of ["bo", "cy"]) membership.left(id, `${id}'s first run`);
  const [bo, cy] = [node("bo", "10.0.0.3", { boot: "second" }), node("cy", "10.0.0.2", { boot: "second" })];
  assert.deepEqual(said(membership.introduced(cy, 1, address("10.0.0.2"))), ["welcome cy"]);
  assert.deepEqual(said(membership.introduced(bo, 2, address("10.0.0.3"))), ["welcome bo"]);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.3"));
  assert.deepEqual(membership.peers.get("cy")?.address, address("10.0.0.2"));
});

test("a new run whose own addresses do not answer is still looked for at the one that a person named", () => {
  const membership = members();
  // A forwarded port, behind which the peer has addresses that nobody else can reach.
  membership.seek([address("198.51.100.1")]);
  membership.introduced(node("bo", "172.17.0.5"), 0, address("198.51.100.1"));
  membership.left("bo", "bo's first run");
  const again = node("bo", "172.17.0.6", { boot: "second run" });
  assert.deepEqual(said(membership.introduced(again, 1)), ["dial 172.17.0.6:6002"]);
  assert.deepEqual(said(membership.greet()), ["greet 198.51.100.1:6002", "greet 172.17.0.6:6002"]);
  assert.deepEqual(said(membership.introduced(again, 2, address("198.51.100.1"))), ["welcome bo"]);
});

test("how long an answer takes is known while the peer is up", () => {
  const membership = withBo();
  membership.measured("bo", 7);
  membership.measured("nobody", 7);
  assert.equal(membership.peers.get("bo")?.rttMs, 7);
  membership.left("bo", "bo's first run");
  assert.equal(membership.peers.get("bo")?.rttMs, null);
});

test("addresses where nobody answered are greeted every time", () => {
  const membership = members();
  membership.seek([address("10.0.0.2"), address("10.0.0.3")]);
  membership.introduced(node("bo"), 0, address("10.0.0.2"));
  assert.deepEqual(said(membership.greet()), ["greet 10.0.0.3:6002"]);
  assert.deepEqual(said(membership.greet()), ["greet 10.0.0.3:6002"]);
});
