/** Voice messages over the wire: what a client may claim of a file, and what a node believes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";
import { recording } from "../helpers/sound.ts";

const peaks = Array(96).fill(128);

test("only what is a recording becomes a voice message, and it says the same to everybody", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const raj = await connect(t, node, { name: "Raj", types: ["text"] });
  await ana.join("lobby");
  await raj.join("lobby");
  const upload = async (bytes: Uint8Array) => {
    const headers = { Authorization: `Bearer ${ana.welcome.token}`, "Content-Type": "audio/webm" };
    const answer = await fetch(`${node.url}/blobs`, { method: "PUT", headers, body: new Uint8Array(bytes) });
    return ((await answer.json()) as { hash: string }).hash;
  };
  const say = (blob: string, changes = {}) =>
    ana.ask("voice", { room: "lobby", body: { blob, mime: "audio/webm", durationMs: 2_000, peaks, ...changes } });

  const webm = await recording("webm");
  const page = Buffer.from("<!doctype html><title>a.webm</title><script>alert(1)</script>");
  for (const [what, bytes] of [
    ["a page", page],
    ["a page behind a recording's first bytes", Buffer.concat([webm.subarray(0, 40), page])],
    ["a recording that was cut off", webm.subarray(0, webm.length - 700)],
    ["a zip file behind a recording", Buffer.concat([webm, Buffer.from("PK\x03\x04"), Buffer.alloc(300_000)])],
  ] as const) {
    const refused = await say(await upload(bytes));
    assert.equal(!refused.ok && refused.code, "invalid", what);
  }
  const unknown = await say("0".repeat(64));
  assert.equal(!unknown.ok && unknown.code, "not-found");
  const elsewhere = await say("../../../../etc/passwd");
  assert.equal(!elsewhere.ok && elsewhere.code, "invalid");
  assert.deepEqual((await raj.join("lobby")).messages, [], "nothing of them is kept");

  const hash = await upload(webm);
  const longer = await say(hash, { durationMs: 60_000 });
  assert.equal(!longer.ok && longer.code, "invalid");
  const taken = await say(hash);
  assert.ok(taken.ok, JSON.stringify(taken));
  const told = await raj.until(() => raj.messages("lobby").find(({ type }) => type === "voice"));
  assert.equal(told.alt, "Voice message, 0:02", "who does not know the type reads what it is");
  const ranged = await fetch(
    `${node.url}/blobs/${hash}?ticket=${(raj.welcome as unknown as { ticket: string }).ticket}`,
    {
      headers: { Range: "bytes=100-199" },
    },
  );
  assert.equal(ranged.status, 206);
  assert.deepEqual(Buffer.from(await ranged.arrayBuffer()), webm.subarray(100, 200));
});
