/** How the timeline keeps what belongs to a row beside it. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Message } from "../../core/plugin.ts";
import { identity, Timeline } from "../../ui/timeline.ts";

const ana = { id: "ana", name: "Ana" };
const bo = { id: "bo", name: "Bo" };

const row = (n: number): Message => message(`row ${n}`, n);
const mark = (id: string, n: number, about: Partial<Message> = {}): Message => ({
  ...message(id, n),
  type: "poll.vote",
  role: "mark",
  ref: "row 1",
  ...about,
});

function message(id: string, n: number): Message {
  const key = String(n).padStart(6, "0");
  return { type: "poll", id, room: "lobby", author: ana, at: n, key, origin: "o", n };
}

const entries = (timeline: Timeline) => timeline.chunks.peek().flatMap(chunk => chunk.entries.peek());
const marked = (timeline: Timeline, id = "row 1") =>
  entries(timeline)
    .find(entry => entry.message.id === id)
    ?.marks.map(({ id }) => id);

test("marks stand in the order of their keys, whether they come before the row or after it", () => {
  const timeline = new Timeline();
  timeline.mark([mark("c", 5)]);
  timeline.insert([row(1)]);
  timeline.mark([mark("a", 3), mark("d", 6)]);
  timeline.mark([mark("b", 4)]);
  assert.deepEqual(marked(timeline), ["a", "b", "c", "d"]);
  assert.equal(timeline.size, 1, "they are no rows");
});

test("a mark that two nodes accepted counts once, at its lower key, and two people may use one id", () => {
  const timeline = new Timeline();
  timeline.insert([row(1)]);
  timeline.mark([mark("a", 5), mark("b", 4), mark("a", 3), mark("a", 6), mark("a", 7, { author: bo })]);
  const keys = entries(timeline)[0]?.marks.map(({ author, id, n }) => [author.id, id, n]);
  assert.deepEqual(keys, [
    ["ana", "a", 3],
    ["ana", "b", 4],
    ["bo", "a", 7],
  ]);
});

test("the page's own picture of a mark gives way to the real one, which may have a higher key", () => {
  const timeline = new Timeline();
  timeline.insert([row(1)]);
  timeline.mark([mark("a", 3, { origin: "" })]);
  assert.equal(timeline.has({ id: "a", author: ana, ref: "row 1" }), true);
  timeline.mark([mark("a", 4)]);
  assert.deepEqual(
    entries(timeline)[0]?.marks.map(({ origin, n }) => [origin, n]),
    [["o", 4]],
  );
});

test("an erased mark vanishes, and stays away when it comes later; another person's of that id stays", () => {
  const timeline = new Timeline();
  timeline.insert([row(1)]);
  timeline.mark([mark("a", 3), mark("a", 4, { author: bo }), mark("b", 5, { erased: true })]);
  timeline.erase(ana, "a");
  timeline.erase(ana, "c");
  timeline.mark([mark("a", 3), mark("c", 6)]);
  assert.deepEqual(
    entries(timeline)[0]?.marks.map(({ author, id }) => [author.id, id]),
    [["bo", "a"]],
  );
});

test("nobody empties another person's row by its id", () => {
  const timeline = new Timeline();
  timeline.insert([{ ...row(1), body: "kept" }]);
  timeline.erase(bo, "row 1");
  assert.equal(entries(timeline)[0]?.message.body, "kept");
  timeline.erase(ana, "row 1");
  assert.equal(entries(timeline)[0]?.message.erased, true);
});

test("a mark changes the entry of its own row and no other", () => {
  const timeline = new Timeline();
  timeline.insert(Array.from({ length: 200 }, (_, n) => row(n)));
  const before = new Map(entries(timeline).map(entry => [identity(entry.message), entry]));
  const chunks = timeline.chunks.peek().map(chunk => chunk.entries.peek());
  timeline.mark([mark("a", 300, { ref: "row 60" })]);
  const changed = entries(timeline).filter(entry => before.get(identity(entry.message)) !== entry);
  assert.deepEqual(
    changed.map(({ message }) => message.id),
    ["row 60"],
  );
  const same = timeline.chunks.peek().filter((chunk, at) => chunk.entries.peek() === chunks[at]);
  assert.equal(same.length, timeline.chunks.peek().length - 1);
});

test("a row that was let go of has its marks again when it comes back, with those that came meanwhile", () => {
  const timeline = new Timeline();
  timeline.insert(Array.from({ length: 300 }, (_, n) => row(n)));
  timeline.mark([mark("a", 400)]);
  assert.equal(timeline.trim(100, "oldest"), true);
  assert.equal(marked(timeline), undefined);
  timeline.mark([mark("b", 401)]);
  timeline.insert([row(1)]);
  assert.deepEqual(marked(timeline), ["a", "b"]);
});

test("marks of messages that are not here are held up to a limit, those of rows that are here all", () => {
  const timeline = new Timeline();
  timeline.insert([row(1)]);
  timeline.mark([mark("mine", 1)]);
  for (let n = 0; n < 5_000; n++) timeline.mark([mark(`m${n}`, n + 2, { ref: `absent ${n}` })]);
  timeline.insert([message("absent 0", 9_000), message("absent 4999", 9_001)]);
  assert.deepEqual(marked(timeline), ["mine"]);
  assert.deepEqual(marked(timeline, "absent 0"), []);
  assert.deepEqual(marked(timeline, "absent 4999"), ["m4999"]);
});

test("thousands of marks of one row come without each being held against all", () => {
  const timeline = new Timeline();
  timeline.insert([row(1)]);
  let reads = 0;
  const watched = (n: number): Message =>
    new Proxy(mark(`m${n}`, n), {
      get(message, name) {
        reads++;
        return Reflect.get(message, name);
      },
    });
  const marks = Array.from({ length: 5_000 }, (_, at) => watched(at + 2));
  timeline.mark(marks);
  timeline.mark(marks);
  assert.ok(marks.every(known => timeline.has(known)));
  assert.equal(marked(timeline)?.length, 5_000);
  assert.ok(reads < 50 * 5_000, `${reads} fields were read`);
});
