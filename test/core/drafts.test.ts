/** Whose clocks are remembered. */
import assert from "node:assert/strict";
import test from "node:test";
import { Clock } from "../../core/clock.ts";
import { Drafts } from "../../core/drafts.ts";
import { Registry } from "../../core/registry.ts";
import plugins from "../../plugins/server.ts";

const text = new Registry(plugins).get("text");

/** Drafts of a node, and the time of what an author writes there. */
function newDrafts() {
  let wall = 1_700_000_000_000;
  const clock = new Clock(() => wall);
  const drafts = new Drafts({ clock, blobs: { touch: () => true } });
  const write = (id: string) => {
    assert.ok(text);
    return drafts.make(text, { id, name: id }, { text: "Hello" }, { room: "lobby" }).hlc;
  };
  const pass = (ms: number) => {
    wall += ms;
  };
  return { clock, drafts, write, pass };
}

/** On the clock of a node that is half a minute ahead. */
const ahead = (clock: Clock) => clock.tick() + 30_000 * 1_024;

test("an author who wrote on a node that is ahead stays in order here", () => {
  const { clock, drafts, write } = newDrafts();
  const there = ahead(clock);
  drafts.authorWasAt("ana", there);
  assert.ok(write("ana") > there);
  assert.ok(write("bo") < there);
});

test("whoever lets ten thousand authors come from the future has the first of them forgotten, after those who were overtaken", () => {
  const { clock, drafts, write, pass } = newDrafts();
  drafts.authorWasAt("overtaken", ahead(clock));
  pass(60_000);
  const there = ahead(clock);
  for (let index = 0; index < 10_000; index++) drafts.authorWasAt(`author ${index}`, there);
  assert.ok(write("author 0") > there, "the one that was overtaken made room");
  drafts.authorWasAt("one more", there);
  assert.ok(write("one more") > there);
  assert.ok(write("author 0") < there);
  assert.ok(write("author 9999") > there);
});
