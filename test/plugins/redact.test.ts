import assert from "node:assert/strict";
import test from "node:test";
import type { Message, Receiving } from "../../core/plugin.ts";
import server from "../../plugins/redact/server.ts";
import { receiving, serverContext, session } from "./context.ts";

const message: Message = {
  type: "text",
  id: "one",
  room: "lobby",
  author: { id: "ana", name: "Ana" },
  at: 1,
  key: "key",
  origin: "o".repeat(16),
  n: 1,
};
const { find } = serverContext({ messages: [message] });
const receive = async (who: string, changes: Partial<Receiving> = {}) =>
  server.hooks().receive?.({}, receiving(session(who), { find, ref: "one", ...changes }));

test("the author of a message may remove it", async () => {
  assert.deepEqual(await receive("ana"), {});
});

test("nobody else may, not even under the author's name", async () => {
  const notAllowed = { name: "Reject", code: "not-allowed" };
  await assert.rejects(receive("bo"), notAllowed);
  await assert.rejects(receive("bo", { from: session("bo", "session", "Ana") }), notAllowed);
});

test("of two messages with one id the author's own is meant", async () => {
  const stranger: Message = { ...message, author: { id: "bo", name: "Bo" } };
  const both = serverContext({ messages: [stranger, message] });
  assert.deepEqual(await receive("ana", { find: both.find }), {});
  assert.deepEqual(await receive("bo", { find: both.find }), {});
  await assert.rejects(receive("cy", { find: both.find }), { code: "not-allowed" });
});

test("a message of another room cannot be removed from here", async () => {
  await assert.rejects(receive("ana", { room: "hall" }), { name: "Reject", code: "not-found" });
});

test("a message that this node does not hold yet may be removed: the log judges it when it arrives", async () => {
  assert.deepEqual(await receive("bo", { ref: "two" }), {});
});

test("a message that was removed already may be removed again", async () => {
  const erased = serverContext({ messages: [{ ...message, erased: true }] });
  assert.deepEqual(await receive("ana", { find: erased.find }), {});
});
