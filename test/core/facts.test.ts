import assert from "node:assert/strict";
import test from "node:test";
import { Clock } from "../../core/clock.ts";
import { encode, FACT, FACTS, keyOf } from "../../core/envelope.ts";
import { draftFact, readFact } from "../../core/facts.ts";
import { Forgotten } from "../../core/forgotten.ts";
import { at, draft, written } from "../suites/samples.ts";

const ana = { id: "ana", name: "Ana" };
const token = "0".repeat(64);

function factOf(type: string, body: unknown, bytes = encode(body)) {
  return readFact(at(written(draft({ room: FACTS, role: FACT, type, body: bytes })), 0));
}

test("a fact that one node writes is read on another", () => {
  const clock = new Clock(() => 1_800_000_000_000);
  const body = { name: "Ana", token };
  const envelope = at(written(draftFact("chat:name", ana, body, clock)), 0);
  assert.equal(envelope.room, FACTS);
  assert.equal(envelope.role, FACT);
  assert.deepEqual(readFact(envelope), {
    type: "chat:name",
    key: keyOf(envelope),
    hlc: 1_800_000_000_000 * 1024,
    author: "ana",
    authorName: "Ana",
    body,
  });
});

test("facts of a later version are passed over, their unknown fields too", () => {
  for (const type of ["chat:later", "text", "__proto__", "constructor"])
    assert.equal(factOf(type, { name: "Ana", token }), undefined, type);
  assert.deepEqual(factOf("chat:room", { name: "Hall", colour: "red" })?.body, { name: "Hall" });
});

test("damaged facts are passed over", () => {
  for (const body of [null, [], "x", {}, { name: "" }, { name: 1 }, { name: "x".repeat(513) }])
    assert.equal(factOf("chat:room", body), undefined, JSON.stringify(body));
  for (const body of [{ name: "Ana" }, { name: "Ana", token: "short" }, { name: "Ana", token: null }])
    assert.equal(factOf("chat:name", body), undefined, JSON.stringify(body));
  assert.equal(factOf("chat:room", null, Buffer.from([0xdd, 1, 255, 255, 255])), undefined);
  assert.equal(factOf("chat:room", null, Buffer.alloc(0)), undefined);
  assert.equal(readFact({ ...at(written(draft({ type: "chat:room" })), 0), body: null }), undefined);
});

test("nodes that were removed are told of once, and stay removed", () => {
  const forgotten = new Forgotten();
  const operator = { id: "chat:operator", name: "operator" };
  const facts = ["b", "c", "b"].flatMap(node => {
    const draft = draftFact("chat:forget", operator, { node }, new Clock(() => 1_800_000_000_000));
    return readFact(at(written(draft), 0)) ?? [];
  });
  assert.deepEqual(forgotten.add(facts), ["b", "c"]);
  assert.deepEqual(forgotten.add(facts), []);
  assert.deepEqual(
    ["a", "b", "c"].map(node => forgotten.has(node)),
    [false, true, true],
  );
  for (const node of ["", "x".repeat(65), 1, null]) assert.equal(factOf("chat:forget", { node }), undefined);
});
