/** A room that many come back to at once is read once, and each gets what is theirs of it. */
import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Reject } from "../../core/errors.ts";
import { Log } from "../../core/log/log.ts";
import type { Person } from "../../core/plugin.ts";
import { Reading } from "../../core/reading.ts";
import { Registry } from "../../core/registry.ts";
import { LOBBY, type Rooms } from "../../core/rooms.ts";
import plugins from "../../plugins/server.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { stillTime } from "../helpers/time.ts";
import { draft } from "../suites/samples.ts";

const ana = { id: "ana", name: "Ana" };
const bo = { id: "bo", name: "Bo" };
const eve = { id: "eve", name: "Eve" };

async function newReading(t: TestContext) {
  const log = await Log.open(temporaryDirectory(t));
  cleanUp(t, () => log.close());
  const still = stillTime();
  let reads = 0;
  const counted = new Proxy(log, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "page" || name === "resume") reads++;
        return value.apply(target, args);
      };
    },
  });
  const rooms: Pick<Rooms, "assertReadable"> = {
    assertReadable(person) {
      if (person.id === eve.id) throw new Reject("unknown-room");
      return LOBBY;
    },
  };
  const reading = new Reading({
    log: counted,
    rooms: rooms as Rooms,
    registry: new Registry(plugins),
    time: still.time,
    holders: { copiesOf: () => 3, shown() {} },
    cluster: { lags: () => false },
  });
  return {
    still,
    reads: () => reads,
    write: async (...authors: Person[]) => {
      await log.append(authors.map(({ id, name }) => draft({ room: LOBBY.id, author: id, authorName: name })));
    },
    join: (person: Person, cursor?: Record<string, number>) =>
      reading.join(person, { room: LOBBY.id, cursor, last: {} }),
  };
}

test("those who ask for the same page at once share one read, and each sees the copies of their own messages only", async t => {
  const { join, write, reads } = await newReading(t);
  await write(ana, bo);
  const [forAna, forBo] = await Promise.all([join(ana), join(bo)]);
  assert.equal(reads(), 1);
  const copies = ({ messages }: Awaited<ReturnType<typeof join>>) =>
    messages.map(({ author, copies }) => [author.id, copies]);
  assert.deepEqual(copies(forAna), [
    ["ana", 3],
    ["bo", undefined],
  ]);
  assert.deepEqual(copies(forBo), [
    ["ana", undefined],
    ["bo", 3],
  ]);
});

test("another cursor is another page", async t => {
  const { join, write, reads } = await newReading(t);
  await write(ana, bo);
  const [{ cursor, messages }] = await Promise.all([join(ana), join(ana, {})]);
  assert.equal(messages.length, 2);
  assert.deepEqual((await join(ana, cursor)).messages, []);
  const [origin] = Object.keys(cursor) as [string];
  assert.equal((await join(ana, { [origin]: 1 })).messages.length, 1);
  assert.equal(reads(), 4);
});

test("who asks after a commit gets it, though others were given the page of before", async t => {
  const { join, write } = await newReading(t);
  await write(ana);
  assert.equal((await join(ana, {})).messages.length, 1);
  await write(bo);
  assert.equal((await join(ana, {})).messages.length, 2);
  assert.equal((await join(bo)).messages.length, 2);
});

test("a page that was read is not kept for long", async t => {
  const { join, write, reads, still } = await newReading(t);
  await write(ana);
  await join(ana);
  await join(bo);
  assert.equal(reads(), 1);
  still.pass(1_000);
  await join(bo);
  assert.equal(reads(), 2);
  still.pass(1_000);
  assert.equal(still.running(), 0);
});

test("who may not read the room is refused, also while others are given its page", async t => {
  const { join, write } = await newReading(t);
  await write(ana);
  const [joined, refused] = await Promise.allSettled([join(ana), join(eve)]);
  assert.equal(joined.status, "fulfilled");
  assert.equal(refused.status === "rejected" && refused.reason.code, "unknown-room");
});

test("a cursor of another history is refused to everybody who brings it, each time", async t => {
  const { join, write, reads } = await newReading(t);
  await write(ana);
  const stray = { ["x".repeat(16)]: 9 };
  const answers = await Promise.allSettled([join(ana, stray), join(bo, stray)]);
  assert.deepEqual(
    answers.map(answer => answer.status === "rejected" && answer.reason.code),
    ["reset", "reset"],
  );
  assert.equal(reads(), 1);
  await assert.rejects(join(ana, stray), { code: "reset" });
  assert.equal(reads(), 2, "a refusal is not kept");
});
