import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { LOBBY, Rooms } from "../../core/rooms.ts";
import { claims, dealt, makes } from "../suites/facts.ts";
import { holds } from "../suites/samples.ts";

const ana = { id: "ana", name: "Ana" };

test("there is a lobby from the start", () => {
  const rooms = new Rooms();
  assert.deepEqual(rooms.all(), [LOBBY]);
  assert.equal(rooms.assertReadable(ana, "lobby"), LOBBY);
});

test("a room that is made is told of once, and its id is its folded name", () => {
  const rooms = new Rooms();
  assert.deepEqual(rooms.add([makes("ana", "Kitchen", 1)]), [{ id: "kitchen", name: "Kitchen" }]);
  assert.deepEqual(rooms.add([makes("bo", "KITCHEN", 2)]), []);
  assert.deepEqual(rooms.get("kitchen"), { id: "kitchen", name: "Kitchen" });
  assert.deepEqual(rooms.all(), [LOBBY, { id: "kitchen", name: "Kitchen" }]);
});

test("two creations are one room, spelled as the lower key has it", () => {
  const rooms = new Rooms();
  rooms.add([makes("ana", "KITCHEN", 2)]);
  assert.deepEqual(rooms.add([makes("bo", "kitchen", 1)]), [{ id: "kitchen", name: "kitchen" }]);
  assert.deepEqual(rooms.add([makes("cy", "Kitchen", 3)]), []);
  assert.deepEqual(rooms.get("kitchen"), { id: "kitchen", name: "kitchen" });
});

test("nobody makes another lobby", () => {
  const rooms = new Rooms();
  assert.deepEqual(rooms.add([makes("ana", "LOBBY")]), []);
  assert.deepEqual(rooms.all(), [LOBBY]);
});

test("facts about people make no rooms", () => {
  assert.deepEqual(new Rooms().add([claims("ana", "Ana")]), []);
});

test("a room that does not exist cannot be read", () => {
  const rooms = new Rooms();
  for (const id of ["kitchen", "Lobby", "chat:facts", "__proto__", "", undefined, null, 1, {}, ["lobby"]])
    assert.throws(() => rooms.assertReadable(ana, id), { name: "Reject", code: "unknown-room" });
});

test("in whatever order and batches facts come, the rooms are the same, and each new one and new spelling was told of once", async t => {
  const fact = fc
    .tuple(fc.constantFrom("ana", "bo"), fc.constantFrom("Kitchen", "kitchen", "Lobby", "Hall", "ＨＡＬＬ"), fc.nat(20))
    .map(args => makes(...args));
  await holds(
    t,
    fc.property(dealt(fc.array(fact, { maxLength: 15 })), ({ sorted, batches }) => {
      const rooms = new Rooms();
      const told = new Map<string, string>();
      for (const { id, name } of batches.flatMap(batch => rooms.add(batch))) {
        assert.notEqual(told.get(id), name);
        told.set(id, name);
      }
      const expected = new Rooms();
      expected.add(sorted);
      assert.deepEqual(rooms.all(), expected.all());
      assert.deepEqual(
        rooms.all().filter(({ id, name }) => id !== LOBBY.id && told.get(id) !== name),
        [],
      );
    }),
    { numRuns: 500 },
  );
});
