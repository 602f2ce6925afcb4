import assert from "node:assert/strict";
import test from "node:test";
import typing from "../../plugins/typing/message.ts";
import server from "../../plugins/typing/server.ts";
import { receiving, session } from "./context.ts";

test("a client says whether it types, and nothing else", () => {
  assert.deepEqual(typing.parse({ typing: true, text: "what nobody shall see yet" }), { typing: true });
  for (const input of [{}, { typing: 1 }, { typing: "true" }, { typing: null }, true, null, []])
    assert.throws(() => typing.parse(input), { name: "Reject", code: "invalid" });
});

test("it is passed on as it is, and kept nowhere", () => {
  assert.equal(typing.kind, "signal");
  const body = { typing: false };
  assert.equal(server.hooks().receive?.(body, receiving(session("ana"))), body);
  assert.equal(typing.summary({ typing: true }), "is typing");
  assert.equal(typing.summary({ typing: false }), "stopped typing");
});
