/** Voice messages over the wire: what a client may claim of a file, and what a node believes. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { box, claiming, fragmented, hidden } from "../helpers/boxes.ts";
import { type Client, connect } from "../helpers/client.ts";
import { executable, noExecutable } from "../helpers/executable.ts";
import { type NodeProcess, newNode, spawnNode, type TestNode } from "../helpers/node.ts";
import { recording } from "../helpers/sound.ts";

const peaks = Array(96).fill(128);

/** Returns the file's hash. */
async function upload(node: TestNode | NodeProcess, client: Client, bytes: Uint8Array): Promise<string> {
  const headers = { Authorization: `Bearer ${client.welcome.token}`, "Content-Type": "audio/webm" };
  const answer = await fetch(`${node.url}/blobs`, { method: "PUT", headers, body: new Uint8Array(bytes) });
  return ((await answer.json()) as { hash: string }).hash;
}

const say = (client: Client, blob: string, changes = {}) =>
  client.ask("voice", { room: "lobby", body: { blob, mime: "audio/webm", durationMs: 2_000, peaks, ...changes } });

test("only what is a recording becomes a voice message, and it says the same to everybody", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const raj = await connect(t, node, { name: "Raj", types: ["text"] });
  await ana.join("lobby");
  await raj.join("lobby");
  const webm = await recording("webm");
  const page = Buffer.from("<!doctype html><title>a.webm</title><script>alert(1)</script>");
  for (const [what, bytes] of [
    ["a page", page],
    ["a page behind a recording's first bytes", Buffer.concat([webm.subarray(0, 40), page])],
    ["a recording that was cut off", webm.subarray(0, webm.length - 700)],
    ["a zip file behind a recording", Buffer.concat([webm, Buffer.from("PK\x03\x04"), Buffer.alloc(300_000)])],
  ] as const) {
    const refused = await say(ana, await upload(node, ana, bytes));
    assert.equal(!refused.ok && refused.code, "invalid", what);
  }
  const unknown = await say(ana, "0".repeat(64));
  assert.equal(!unknown.ok && unknown.code, "not-found");
  const elsewhere = await say(ana, "../../../../etc/passwd");
  assert.equal(!elsewhere.ok && elsewhere.code, "invalid");
  assert.deepEqual((await raj.join("lobby")).messages, [], "nothing of them is kept");

  const hash = await upload(node, ana, webm);
  const longer = await say(ana, hash, { durationMs: 60_000 });
  assert.equal(!longer.ok && longer.code, "invalid");
  const taken = await say(ana, hash);
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

/** The process that a node looks into files with. */
function proberOf({ process: { pid } }: NodeProcess): number | undefined {
  return readdirSync("/proc")
    .map(Number)
    .find(child => statusOf(child)?.includes(`\nPPid:\t${pid}\n`));
}

function statusOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
}

test("files that would fill the memory are invalid, others are acked meanwhile, and nothing of them is printed", async t => {
  const node = await spawnNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const mp4 = await recording("mp4");
  const webm = await upload(node, ana, await recording("webm"));
  const unknown = Buffer.from(mp4);
  unknown.write("\x1b[2J", unknown.indexOf("stsd") + 16, "latin1");
  const hostile = [
    claiming(mp4, 60_000_000),
    fragmented(mp4, box("trun", 0, 60_000_000)),
    hidden(mp4, box("stz2", 0, 0, 60_000_000)),
    unknown,
  ];
  const answers = hostile.map(async (bytes, at) => {
    const client = await connect(t, node, { name: `Mallory ${at}` });
    await client.join("lobby");
    const refused = await say(client, await upload(node, client, bytes), { mime: "audio/mp4" });
    return refused.ok || refused.code;
  });
  assert.ok((await say(ana, webm)).ok);
  // Where the process ended, the file is not to blame at once.
  for (const code of await Promise.all(answers)) assert.match(String(code), /^(invalid|overloaded)$/);
  assert.ok((await say(ana, await upload(node, ana, await recording("webm", { seconds: 2.1 })))).ok);
  assert.equal(node.process.exitCode ?? node.process.signalCode, null);
  for (const line of node.lines) assert.doesNotThrow(() => JSON.parse(line), line);
});

for (const [what, program] of [
  ["a node from source", undefined],
  ["the executable", [executable]],
] as const)
  for (const signal of ["SIGTERM", "SIGKILL"] as const)
    test(`${what} takes a recording, and what looked into it ends with it on ${signal}`, async t => {
      if (program && noExecutable()) return t.skip(noExecutable());
      if (process.platform !== "linux") return t.skip("processes are looked for in /proc");
      const node = await spawnNode(t, {}, [], [], program && [...program]);
      const ana = await connect(t, node, { name: "Ana" });
      await ana.join("lobby");
      const taken = await say(ana, await upload(node, ana, await recording("webm")));
      assert.ok(taken.ok, JSON.stringify(taken));
      const prober = proberOf(node);
      assert.ok(prober);
      await node.kill(signal);
      // One that ended may still wait for whoever takes note of it.
      while (statusOf(prober)?.includes("State:\tZ") === false) await sleep(10);
    });
