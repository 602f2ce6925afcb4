import assert from "node:assert/strict";
import test from "node:test";
import { Remembered, type RememberedPeer } from "../../core/cluster/remembered.ts";

const peer = (id: string, host = "10.0.0.2", name = id): RememberedPeer => ({
  id,
  name,
  addresses: [{ host, port: 6002 }],
});

/** Remembers into an array of what was saved; `refusing` makes the disk refuse. */
function remembering(text?: string) {
  const saved: string[] = [];
  const failures: string[] = [];
  const disk = { refusing: false };
  const remembered = new Remembered(
    {
      async save(text) {
        if (disk.refusing) throw new Error("the disk is full");
        saved.push(text);
      },
      failed: why => void failures.push(why),
    },
    text,
  );
  return { remembered, saved, failures, disk };
}

const turn = () => new Promise(resolve => setImmediate(resolve));

test("who was up once is known at the next start", async () => {
  const { remembered, saved } = remembering();
  remembered.saw(peer("bo"));
  remembered.saw(peer("cy", "fd00::3"));
  await turn();
  const again = remembering(saved.at(-1)).remembered;
  assert.deepEqual(again.all(), [peer("bo"), peer("cy", "fd00::3")]);
  assert.equal(again.get("cy")?.name, "cy");
});

test("it is written when it changes, and only then", async () => {
  const { remembered, saved } = remembering();
  remembered.saw(peer("bo"));
  await turn();
  remembered.saw(peer("bo"));
  await turn();
  assert.equal(saved.length, 1);
  remembered.saw(peer("bo", "10.0.0.7"));
  await turn();
  remembered.saw(peer("bo", "10.0.0.7", "a new name"));
  await turn();
  assert.equal(saved.length, 3);
  const { remembered: again, saved: more } = remembering(saved.at(-1));
  again.saw(peer("bo", "10.0.0.7", "a new name"));
  await turn();
  assert.equal(more.length, 0, "nor at the next start, where nothing has changed");
});

test("what the disk refused is written with the next change", async () => {
  const { remembered, saved, failures, disk } = remembering();
  disk.refusing = true;
  remembered.saw(peer("bo"));
  await turn();
  assert.deepEqual(failures, ["the disk is full"]);
  disk.refusing = false;
  remembered.saw(peer("cy"));
  await turn();
  assert.deepEqual(JSON.parse(saved.at(-1) as string), [peer("bo"), peer("cy")]);
});

test("who was forgotten is not known at the next start", async () => {
  const { remembered, saved } = remembering(JSON.stringify([peer("bo"), peer("cy")]));
  remembered.forget("bo");
  remembered.forget("nobody");
  await turn();
  assert.deepEqual(remembering(saved.at(-1)).remembered.all(), [peer("cy")]);
});

test("what cannot be read is as good as nothing", () => {
  for (const text of [
    "",
    "{",
    "null",
    "[1]",
    '[{"id":"bo"}]',
    '[{"id":"bo","name":"bo","addresses":[{"host":" ","port":1}]}]',
  ])
    assert.deepEqual(remembering(text).remembered.all(), [], text);
});

test("of more peers than any cluster has those that were up last are kept", () => {
  const { remembered } = remembering();
  for (let count = 0; count < 300; count++) remembered.saw(peer(`node ${count}`));
  assert.equal(remembered.all().length, 256);
  assert.equal(remembered.get("node 43"), undefined);
  assert.equal(remembered.get("node 44")?.id, "node 44");
});
