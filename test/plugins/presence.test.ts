import assert from "node:assert/strict";
import test from "node:test";
import presence, { type Presence } from "../../plugins/presence/message.ts";
import server from "../../plugins/presence/server.ts";
import { receiving, serverContext, session } from "./context.ts";

/** A node whose clock the test sets. */
function node() {
  let now = 1_000;
  const hooks = server.hooks();
  const context = serverContext({ now: () => now });
  const { receive, joined, left, tick } = hooks;
  assert.ok(receive && joined && left && tick);
  return {
    at: (time: number) => {
      now = time;
    },
    joined: (...args: Parameters<typeof session>) => joined(session(...args), context),
    left: (...args: Parameters<typeof session>) => left(session(...args), context),
    tick: () => tick(context),
    says: (status: Presence["status"], ...args: Parameters<typeof session>) =>
      receive({ status }, receiving(session(...args), { now: () => now })),
  };
}

const value = (status: Presence["status"], since: number, person = "ana"): Presence => ({
  person,
  name: person,
  status,
  since,
});
const said = (body: Presence) => [{ body, to: "all" }];
const gone = (key: string) => [{ body: null, key }];

test("who comes is online", () => {
  assert.deepEqual(node().joined("ana"), said(value("online", 1_000)));
});

test("who says so is away, since then", () => {
  const ana = node();
  ana.joined("ana");
  ana.at(5_000);
  assert.deepEqual(ana.says("away", "ana"), value("away", 5_000));
  ana.at(9_000);
  assert.deepEqual(ana.says("away", "ana"), value("away", 5_000), "saying it again changes nothing");
  assert.deepEqual(ana.says("online", "ana"), value("online", 9_000));
});

test("of several sessions one that is online is enough", () => {
  const ana = node();
  ana.joined("ana", "laptop");
  ana.joined("ana", "phone");
  assert.deepEqual(ana.says("away", "ana", "laptop"), value("online", 1_000));
  ana.at(2_000);
  assert.deepEqual(ana.says("away", "ana", "phone"), value("away", 2_000));
  ana.at(3_000);
  assert.deepEqual(ana.says("online", "ana", "laptop"), value("online", 3_000));
  ana.at(4_000);
  assert.deepEqual(ana.left("ana", "laptop"), said(value("away", 4_000)));
});

test("who leaves is still there for half a second, so that a page may reload", () => {
  const ana = node();
  ana.joined("ana", "page");
  ana.at(2_000);
  assert.deepEqual(ana.left("ana", "page"), []);
  ana.at(2_499);
  assert.deepEqual(ana.tick(), []);
  ana.at(2_500);
  assert.deepEqual(ana.tick(), gone("ana"));
  ana.at(9_000);
  assert.deepEqual(ana.tick(), [], "once");
});

test("who comes back in time was never gone, and is online since before", () => {
  const ana = node();
  ana.joined("ana", "page");
  ana.at(2_000);
  ana.left("ana", "page");
  ana.at(2_300);
  assert.deepEqual(ana.joined("ana", "page again"), said(value("online", 1_000)));
  ana.at(9_000);
  assert.deepEqual(ana.tick(), []);
});

test("who comes back later is online anew", () => {
  const ana = node();
  ana.joined("ana");
  ana.left("ana");
  ana.at(5_000);
  ana.tick();
  assert.deepEqual(ana.joined("ana"), said(value("online", 5_000)));
});

test("the end of a session that is not known, or known no more, says nothing", () => {
  const ana = node();
  assert.deepEqual(ana.left("ana"), []);
  ana.joined("ana", "one");
  ana.joined("ana", "two");
  ana.left("ana", "one");
  assert.deepEqual(ana.left("ana", "one"), []);
  ana.at(9_000);
  assert.deepEqual(ana.tick(), [], "the other session is there");
});

test("who is called otherwise now is shown so, in all sessions", () => {
  const ana = node();
  ana.joined("ana", "one", "Ana");
  ana.at(3_000);
  assert.deepEqual(ana.joined("ana", "one", "Ana 2"), said({ ...value("online", 3_000), name: "Ana 2" }));
  assert.deepEqual(ana.left("ana", "one"), []);
  ana.at(9_000);
  assert.deepEqual(ana.tick(), gone("ana"));
});

test("people are told apart by id, whatever they are called", () => {
  const both = node();
  both.joined("ana", "one", "Ana");
  both.joined("__proto__", "two", "Ana");
  both.left("ana", "one");
  both.at(9_000);
  assert.deepEqual(both.tick(), gone("ana"));
});

test("two nodes in one process know nothing of each other's sessions", () => {
  const [one, other] = [node(), node()];
  one.joined("ana");
  assert.deepEqual(other.left("ana"), []);
});

test("a person on several nodes is online where any of them says so, the newest of those", () => {
  const merge = presence.merge as (bodies: Presence[]) => Presence;
  assert.deepEqual(merge([value("online", 1), value("away", 2)]), value("online", 1));
  assert.deepEqual(
    merge([value("away", 1), value("online", 2), value("online", 3), value("away", 4)]),
    value("online", 3),
  );
  assert.deepEqual(merge([value("away", 1), value("away", 2)]), value("away", 2));
});

test("a client says only whether it is there; who it is, the node knows", () => {
  assert.deepEqual(presence.parse({ status: "away", person: "bo", name: "Bo" }), { status: "away" });
  for (const input of [{}, { status: "offline" }, { status: null }, { status: ["away"] }, "away"])
    assert.throws(() => presence.parse(input), { name: "Reject", code: "invalid" });
  const { person, name } = node().says("online", "ana", "page", "Ana") as Presence;
  assert.deepEqual([person, name], ["ana", "Ana"]);
});

test("a value belongs to its person", () => {
  assert.equal(presence.key?.(value("online", 1)), "ana");
  assert.equal(presence.summary(value("away", 1)), "ana is away");
});
