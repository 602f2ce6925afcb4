import assert from "node:assert/strict";
import test from "node:test";
import type { Message, Receiving, ServerPlugin } from "web-chat/plugin";
import { type Poll, tally, type Vote, vote } from "./message.ts";
import server from "./server.ts";

const lunch: Poll = { question: "Lunch?", answers: ["soup", "rice", "salad"] };

test("the last vote of each person counts, and may be taken back", () => {
  const votes = [by("ana", 0), by("bo", 1), by("ana", 2), by("cy", 1), by("cy", null), by("eve", 7)];
  assert.deepEqual(Object.fromEntries(tally(lunch, votes)), { ana: 2, bo: 1 });
  assert.equal(tally(lunch, []).size, 0);
});

test("one votes for an answer that the poll has, in the poll's room", async () => {
  assert.deepEqual(await cast(2), { choice: 2 });
  assert.deepEqual(await cast(null), { choice: null });
  await assert.rejects(cast(3), { name: "Reject", code: "invalid" });
  await assert.rejects(cast(0, { room: "hall" }), { code: "not-found" });
  await assert.rejects(cast(0, { find: async () => ({ ...asked, type: "text" }) }), { code: "not-found" });
  await assert.rejects(cast(0, { find: async () => ({ ...asked, body: undefined, erased: true }) }), {
    code: "not-found",
  });
});

test("a vote on a poll that has not reached this node yet is taken", async () => {
  assert.deepEqual(await cast(9, { find: async () => undefined }), { choice: 9 });
});

const asked = message("poll", "ana", lunch);

function by(person: string, choice: number | null): Message {
  return message("poll.vote", person, { choice });
}

function message(type: string, person: string, body: Poll | Vote): Message {
  const author = { id: person, name: person };
  return { type, id: "one", room: "lobby", author, at: 0, key: "", origin: "", n: 1, body };
}

/** What the server makes of a vote on `asked`. */
async function cast(choice: number | null, changes: Partial<Receiving> = {}): Promise<unknown> {
  const { hooks } = server[1] as ServerPlugin<Vote>;
  const context = { room: "lobby", ref: "one", find: async () => asked, ...changes } as Receiving;
  return hooks().receive?.(vote.parse({ choice }), context);
}
