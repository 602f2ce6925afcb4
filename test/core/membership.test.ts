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

/** Effects in words, as `dial 10.0.0.2:6002`, `welcome bo`, or `outlast` with the twin's run. */
function said(effects: ReturnType<Membership["seek"]>): string[] {
  return effects.map(effect => {
    if ("peer" in effect) return `${effect.do} ${effect.peer.info.id}`;
    return `${effect.do} ${"twin" in effect ? effect.twin.info.boot : textOf(effect.address)}`;
  });
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

test("peers of before this start are dialed where they were, and are up when they answer anywhere", () => {
  const membership = members();
  const bo = { id: "bo", addresses: [address("10.0.0.2"), address("172.17.0.1")] };
  assert.deepEqual(membership.recall([bo]), [
    { do: "dial", address: address("10.0.0.2"), of: "bo" },
    { do: "dial", address: address("172.17.0.1"), of: "bo" },
  ]);
  assert.deepEqual(said(membership.seek([address("10.0.0.2")])), [], "it is dialed already");
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 0, address("172.17.0.1"))), ["welcome bo"]);
  const peer = membership.peers.get("bo");
  assert.deepEqual(peer && membership.addressesOf(peer), [address("172.17.0.1"), address("10.0.0.2")]);
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
  assert.deepEqual(said(membership.greet(0)), []);
});

test("an address that a person named is kept beside the one that answered first, and greeted when the peer is gone", () => {
  const membership = members();
  membership.seek([address("10.0.0.2"), address("192.168.0.2")]);
  membership.introduced(node("bo"), 0, address("10.0.0.2"));
  assert.deepEqual(said(membership.introduced(node("bo"), 0, address("192.168.0.2"))), []);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.2"));
  assert.deepEqual(said(membership.greet(0)), []);
  membership.left("bo", "bo's first run");
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.2:6002", "greet 192.168.0.2:6002"]);
});

test("a node does not become its own peer, and does not dial itself twice", () => {
  const membership = members();
  membership.seek([address("127.0.0.1")]);
  assert.deepEqual(said(membership.introduced(node("self", HERE), 0, address("127.0.0.1"))), ["hangUp 127.0.0.1:6002"]);
  assert.deepEqual(said(membership.seek([address("127.0.0.1")])), []);
  assert.deepEqual(said(membership.introduced(node("self", HERE), 0)), []);
  assert.deepEqual(said(membership.heardOf([node("self", HERE)], 0)), []);
  assert.equal(membership.peers.size, 0);
});

/** This node, started at 1,000, and other runs of it. */
function twins() {
  const membership = new Membership(node("self", HERE, { startedAt: 1_000 }));
  const twin = (boot: string, startedAt?: number, host = "10.0.0.7") => node("self", host, { boot, startedAt });
  return { membership, twin };
}

test("of two runs of one node the later gives way, wherever they meet", () => {
  const { membership, twin } = twins();
  membership.seek([address("10.0.0.7")]);
  assert.deepEqual(said(membership.introduced(twin("later", 1_001), 0, address("10.0.0.7"))), ["outlast later"]);
  assert.deepEqual(said(membership.introduced(twin("later", 1_001), 0)), ["outlast later"]);
  assert.deepEqual(said(membership.introduced(twin("earlier", 999), 0, address("10.0.0.7"))), ["giveWay earlier"]);
  assert.deepEqual(said(membership.introduced(twin("earlier", 999), 0)), ["giveWay earlier"]);
  assert.deepEqual(said(membership.introduced(twin("a node that knows no twins"), 0)), [
    "giveWay a node that knows no twins",
  ]);
  assert.equal(membership.peers.size, 0);
});

test("of two runs that began in the same millisecond both know which one gives way", () => {
  const { membership, twin } = twins();
  assert.deepEqual(said(membership.introduced(twin("zz", 1_000), 0)), ["outlast zz"]);
  assert.deepEqual(said(membership.introduced(twin("a", 1_000), 0)), ["giveWay a"]);
});

test("another run that a peer has heard of is looked for: it may be the one before, which is no more", () => {
  const { membership, twin } = twins();
  assert.deepEqual(said(membership.heardOf([twin("before", 900)], 0)), ["dial 10.0.0.7:6002"]);
  assert.deepEqual(said(membership.introduced(twin("later", 2_000), 1, address("10.0.0.7"))), [
    "outlast later",
    "hangUp 10.0.0.7:6002",
  ]);
  assert.deepEqual(said(membership.greet(2)), []);
});

test("who was taken for another run of itself introduces itself again to everybody, for a while", () => {
  const { membership, twin } = twins();
  membership.seek([address("10.0.0.2")]);
  membership.introduced(node("bo", "10.0.0.2"), 0, address("10.0.0.2"));
  membership.heardOf([twin("later", 2_000, HERE)], 5);
  assert.ok(said(membership.greet(6)).includes("greet 10.0.0.2:6002"));
  assert.ok(!said(membership.greet(10_006)).includes("greet 10.0.0.2:6002"));
});

test("a node on the same host is dialed at the loopback address", () => {
  const membership = new Membership(node("self", HERE, { hosts: [HERE, "172.17.0.1"] }));
  const neighbour = node("bo", HERE, { hosts: ["172.17.0.1", HERE], port: 6003 });
  assert.deepEqual(said(membership.introduced(neighbour, 0)), ["dial 127.0.0.1:6003"]);
});

test("nodes that a peer knows are dialed, but for those known already", () => {
  const membership = withBo();
  const known = [node("bo", "10.0.0.2"), node("cy", "10.0.0.3"), node("self", HERE)];
  assert.deepEqual(said(membership.heardOf(known, 0)), ["dial 10.0.0.3:6002"]);
  assert.deepEqual(said(membership.heardOf(known, 0)), []);
});

test("a peer without heartbeats is down after three of them, and greeted from then on", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.beat("bo", "bo's first run", 1_000)), []);
  assert.deepEqual(said(membership.watch(1_000 + DOWN_AFTER_MS)), []);
  assert.deepEqual(said(membership.greet(0)), []);
  assert.deepEqual(said(membership.watch(1_001 + DOWN_AFTER_MS)), ["drop bo"]);
  assert.deepEqual(said(membership.watch(9_999 + DOWN_AFTER_MS)), [], "once");
  assert.deepEqual(ups(membership), []);
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.2:6002"]);
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
  assert.deepEqual(said(membership.greet(0)), ["greet 198.51.100.1:6002", "greet 172.17.0.6:6002"]);
  assert.deepEqual(said(membership.introduced(again, 2, address("198.51.100.1"))), ["welcome bo"]);
});

test("how long an answer takes, and how far the peer's clock is ahead, is known while it is up", () => {
  const membership = withBo();
  membership.measured("bo", 7, -3_000);
  membership.measured("nobody", 7, 0);
  const measured = () => [membership.peers.get("bo")?.rttMs, membership.peers.get("bo")?.clockMs];
  assert.deepEqual(measured(), [7, -3_000]);
  membership.left("bo", "bo's first run");
  assert.deepEqual(measured(), [null, null]);
});

test("addresses where nobody answered are greeted every time", () => {
  const membership = members();
  membership.seek([address("10.0.0.2"), address("10.0.0.3")]);
  membership.introduced(node("bo"), 0, address("10.0.0.2"));
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.3:6002"]);
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.3:6002"]);
});

test("what a name no longer stands for is given up where nobody answers", () => {
  const membership = members();
  membership.seek([address("10.0.0.2"), address("10.0.0.3")]);
  assert.deepEqual(said(membership.seek([address("10.0.0.3"), address("10.0.0.4")])), [
    "dial 10.0.0.4:6002",
    "hangUp 10.0.0.2:6002",
  ]);
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.3:6002", "greet 10.0.0.4:6002"]);
});

test("what a name no longer stands for is kept while its peer is up there, and given up with it", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.seek([address("10.0.0.7")])), ["dial 10.0.0.7:6002"]);
  assert.deepEqual(ups(membership), ["bo"]);
  assert.deepEqual(said(membership.watch(1 + DOWN_AFTER_MS)), ["drop bo", "hangUp 10.0.0.2:6002"]);
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.7:6002"]);
  // It ran on all the while, and has another address.
  const moved = node("bo", "10.0.0.7");
  assert.deepEqual(said(membership.introduced(moved, 5_000, address("10.0.0.7"))), ["welcome bo"]);
});

test("an address that a name stands for again is kept whatever happens, as before", () => {
  const membership = withBo();
  membership.seek([address("10.0.0.7")]);
  membership.seek([address("10.0.0.2")]);
  assert.deepEqual(said(membership.watch(1 + DOWN_AFTER_MS)), ["drop bo"]);
  assert.deepEqual(said(membership.greet(0)), ["greet 10.0.0.2:6002"]);
});

test("a peer that is down is up where it answers now, though it says of itself what it said before", () => {
  const membership = withBo();
  membership.watch(10_000);
  membership.seek([address("10.0.0.2"), address("10.0.0.7")]);
  // Behind a name that it advertises, or a forwarded port.
  assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2"), 10_001, address("10.0.0.7"))), ["welcome bo"]);
  assert.deepEqual(membership.peers.get("bo")?.address, address("10.0.0.7"));
});

test("a peer that runs on at another address is looked for there as soon as it says so", () => {
  const membership = withBo();
  const moved = node("bo", "10.0.0.7");
  assert.deepEqual(said(membership.introduced(moved, 100)), ["drop bo", "dial 10.0.0.7:6002"]);
  assert.deepEqual(said(membership.introduced(moved, 200, address("10.0.0.7"))), ["welcome bo"]);
});

test("a peer that has one network more or less than before, and not the one it is reached by, stays up", () => {
  const membership = withBo();
  for (const hosts of [["10.0.0.2", "172.17.0.1"], ["10.0.0.2"]])
    assert.deepEqual(said(membership.introduced(node("bo", "10.0.0.2", { hosts }), 100)), [], hosts.join());
});

test("addresses of a peer that never answered are given up when it has others", () => {
  const membership = members();
  const hosts = ["10.0.0.2", "192.168.0.2"];
  membership.introduced(node("bo", "10.0.0.2", { hosts }), 0);
  membership.introduced(node("bo", "10.0.0.2", { hosts }), 0, address("10.0.0.2"));
  const again = node("bo", "10.0.0.7", { boot: "second run" });
  assert.deepEqual(said(membership.introduced(again, 1)), [
    "drop bo",
    "hangUp 10.0.0.2:6002",
    "hangUp 192.168.0.2:6002",
    "dial 10.0.0.7:6002",
  ]);
});

test("a node that has other addresses tells the peers that are up, and dials its own host's peers by them", () => {
  const membership = withBo();
  assert.deepEqual(said(membership.moved([HERE])), []);
  assert.deepEqual(said(membership.moved([])), [], "without a network nobody would hear of it");
  assert.deepEqual(said(membership.moved(["10.0.0.8"])), ["greet 10.0.0.2:6002"]);
  assert.deepEqual(said(membership.introduced(node("cy", "10.0.0.8", { port: 6003 }), 0)), ["dial 127.0.0.1:6003"]);
});

test("what a node says anew of itself is said to those, too, that were greeted and are not up yet", () => {
  const membership = withBo();
  membership.seek([address("10.0.0.2"), address("10.0.0.3")]);
  assert.deepEqual(said(membership.changed()), ["greet 10.0.0.2:6002", "greet 10.0.0.3:6002"]);
});

test("a peer that is forgotten is down, given up, and as unknown as before", () => {
  const membership = members();
  membership.recall([{ id: "bo", addresses: [address("10.0.0.2"), address("172.17.0.1")] }]);
  membership.seek([address("198.51.100.1")]);
  membership.introduced(node("bo", "10.0.0.2"), 0, address("10.0.0.2"));
  membership.introduced(node("bo", "10.0.0.2"), 0, address("198.51.100.1"));
  assert.deepEqual(said(membership.forget("bo")), ["drop bo", "hangUp 10.0.0.2:6002", "hangUp 172.17.0.1:6002"]);
  assert.equal(membership.peers.size, 0);
  assert.deepEqual(said(membership.greet(0)), ["greet 198.51.100.1:6002"], "somebody else may come to live there");
  assert.deepEqual(said(membership.introduced(node("cy"), 1, address("198.51.100.1"))), ["welcome cy"]);
  assert.deepEqual(said(membership.forget("nobody")), []);
});

test("somebody is missing who is named or was up, and does not answer", () => {
  const membership = members();
  assert.equal(membership.isSomebodyMissing, false);
  membership.seek([address("10.0.0.2")]);
  assert.equal(membership.isSomebodyMissing, true);
  membership.introduced(node("bo", "10.0.0.2"), 0, address("10.0.0.2"));
  assert.equal(membership.isSomebodyMissing, false);
  membership.left("bo", "bo's first run");
  assert.equal(membership.isSomebodyMissing, true);
});
