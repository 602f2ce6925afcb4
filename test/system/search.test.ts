/** People search what was written, on whichever node, and what was removed is in no file of any. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Message } from "../../core/plugin.ts";
import { type Client, connect } from "../helpers/client.ts";
import { converged, newNode, peer, temporaryDirectory } from "../helpers/node.ts";

async function find(client: Client, query: string, given: object = {}) {
  const answer = await client.ask("search", { query, ...given });
  assert.equal(answer.ok, true, answer.message);
  assert.equal(answer.behind, 0);
  return answer as typeof answer & { messages: Message[]; older: boolean };
}

test("what one writes another finds on another node, before and after a restart", async t => {
  const dataDir = temporaryDirectory(t);
  const a = await newNode(t);
  const b = await newNode(t, { ...peer(a), DATA_DIR: dataDir });
  const [ana, raj] = [await connect(t, a, { name: "Ana" }), await connect(t, b, { name: "Raj" })];
  await ana.join("lobby");
  const { id, key } = await ana.say("Shall we ship the *whole* thing? 可以出发了");
  await ana.say("No.");
  await converged(a, b);
  for (const query of ["whole ship", "出发"]) {
    const { messages, older } = await find(raj, query);
    assert.deepEqual(
      messages.map(message => [message.id, message.key]),
      [[id, key]],
      query,
    );
    assert.deepEqual(messages[0]?.body, { text: "Shall we ship the *whole* thing? 可以出发了" });
    assert.deepEqual([messages[0]?.room, messages[0]?.author.name, older], ["lobby", "Ana", false]);
  }
  await b.stop();
  const again = await newNode(t, { ...peer(a), DATA_DIR: dataDir });
  const mia = await connect(t, again, { name: "Mia" });
  assert.equal((await find(mia, "whole")).messages[0]?.id, id);
});

test("a page at a time, in one room or in all", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const made = await ana.ask("chat:room", { name: "ops" });
  const ops = (made.room as { id: string }).id;
  for (const room of ["lobby", ops]) {
    await ana.join(room);
    for (const n of [1, 2, 3]) await ana.say(`word ${n} of ${room}`, room);
  }
  assert.equal((await find(ana, "word")).messages.length, 6);
  const newest = await find(ana, "word", { room: ops, limit: 2 });
  const textsOf = (messages: Message[]) => messages.map(({ alt }) => alt);
  assert.deepEqual([textsOf(newest.messages), newest.older], [["word 2 of ops", "word 3 of ops"], true]);
  const rest = await find(ana, "word", { room: ops, limit: 2, before: newest.messages[0]?.key });
  assert.deepEqual([textsOf(rest.messages), rest.older], [["word 1 of ops"], false]);
  const byId = await find(ana, "word", { room: ops, before: newest.messages[0]?.id });
  assert.deepEqual(textsOf(byId.messages), ["word 1 of ops"]);
});

test("what asks for nothing, or for too much, is refused with a code", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  for (const [payload, code] of [
    [{}, "invalid"],
    [{ query: 1 }, "invalid"],
    [{ query: "?" }, "invalid"],
    [{ query: "x".repeat(101) }, "invalid"],
    [{ query: "word", limit: 51 }, "invalid"],
    [{ query: "word", limit: 0 }, "invalid"],
    [{ query: "word", room: "no such room" }, "unknown-room"],
    [{ query: "word", before: "no such message" }, "not-found"],
  ] as const) {
    const answer = await ana.ask("search", payload);
    assert.deepEqual([answer.ok, answer.code], [false, code], JSON.stringify(payload));
  }
  assert.deepEqual((await find(ana, '\u0000 " word*')).messages, []);
});

test("what was removed is found by nobody, and is in no file of any node", async t => {
  const a = await newNode(t);
  const b = await newNode(t, peer(a));
  const [ana, raj] = [await connect(t, a, { name: "Ana" }), await connect(t, b, { name: "Raj" })];
  await ana.join("lobby");
  const { id } = await ana.say("vanishingword of this test");
  await converged(a, b);
  for (const client of [ana, raj]) assert.equal((await find(client, "vanishingword")).messages.length, 1);
  await ana.ask("redact", { room: "lobby", ref: id, body: {} });
  await converged(a, b);
  for (const client of [ana, raj]) assert.deepEqual((await find(client, "vanishingword")).messages, []);
  for (const node of [a, b]) {
    await node.stop();
    for (const file of ["log.db", "log.db-wal", "search.db", "search.db-wal"]) {
      const path = join(node.dataDir, file);
      if (existsSync(path)) assert.ok(!readFileSync(path).includes("vanishing"), `${file} still has the text`);
    }
  }
});
