/** The fault run in its short form; that it notices a node which does not keep its word, and that it leaves nothing behind. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";
import { runNode } from "../helpers/node.ts";

const CHAOS = join(import.meta.dirname, "../../tools/chaos.ts");
const FORGETFUL = join(import.meta.dirname, "../helpers/forgetful.ts");
const skip = process.platform !== "linux" && "wires that can be cut are made on Linux alone";
const DUE = ["kill", "stop", "partition", "dropped last"];

function startChaos(t: TestContext, ...options: string[]) {
  // What begins with #!/usr/bin/env node has to find this one.
  const wrapper = ["env", `PATH=${dirname(process.execPath)}:${process.env.PATH}`];
  const run = runNode({}, [], options, [...wrapper, process.execPath, CHAOS]);
  cleanUp(t, () => run.kill("SIGTERM"));
  return run;
}

/** What a run with that process id has made on this machine, and not taken away. */
function leftovers(pid: number | undefined): string[] {
  const mark = `wc${(pid as number).toString(36)}-`;
  const mounts = existsSync("/proc/mounts") ? readFileSync("/proc/mounts", "utf8") : "";
  return [
    ...globSync(`/run/netns/${mark}*`),
    ...globSync(`/sys/class/net/wc[bvi]${(pid as number).toString(36)}*`),
    ...mounts.split("\n").filter(line => line.includes(`/web-chat-chaos-${pid}-`)),
    ...globSync(join(tmpdir(), `web-chat-chaos-${pid}-*`)),
  ];
}

test("thirty seconds of kills, stops, cuts and a full disk: every acked message is everywhere, once and in order", {
  skip,
}, async t => {
  const { process, lines, ended } = startChaos(t, "--seconds", "30");
  const code = await ended;
  for (const line of lines) t.diagnostic(line);
  assert.equal(code, 0);
  const said = lines.join("\n");
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
  const acked = number(/^writes: (\d+) acked/m);
  assert.ok(acked > 300, `${acked} acked`);
  const isDiskSkipped = /^disk full: skipped/m.test(said);
  const faults = /^faults: (.*)$/m.exec(said)?.[1]?.split(", ") ?? [];
  for (const kind of isDiskSkipped ? DUE : [...DUE, "disk full"])
    assert.ok(
      faults.some(fault => fault.endsWith(` ${kind}`) && !fault.startsWith("0 ")),
      `${kind} happened`,
    );
  if (!isDiskSkipped) assert.ok(number(/(\d+) no-space/) > 0, "the disk was full");
  const nodes = [...said.matchAll(/^node \w: (\d+) messages, \d+ second copies, (\d+) envelopes, digest (\w{64})$/gm)];
  assert.equal(nodes.length, 3);
  assert.equal(new Set(nodes.map(([, ...held]) => held.join())).size, 1, "all three hold the same");
  assert.ok(Number(nodes[0]?.[1]) >= acked);
  assert.deepEqual(leftovers(process.pid), []);
});

test("the fault run says of a node that forgets what it acked which messages are missing, and keeps its data", {
  skip,
}, async t => {
  const { lines, ended } = startChaos(t, "--seconds", "5", "--program", FORGETFUL);
  const code = await ended;
  const said = lines.join("\n");
  const folder = /^the data is in (.*)$/m.exec(said)?.[1] as string;
  cleanUp(t, () => rmSync(folder, { recursive: true, force: true }));
  if (said.includes("needs network namespaces")) return t.skip("another program needs namespaces, and those need root");
  assert.equal(code, 1, said);
  assert.match(said, /^broken: history of a: [0-9a-f-]{36}, number \d+ of [0-9a-f-]{36}, was acked and is missing$/m);
  assert.match(said, /^result: a promise was broken$/m);
  for (const path of ["a/data/log.db", "c/data/log.db", "b.log", "a.export", "writes.jsonl"])
    assert.ok(existsSync(join(folder, path)), path);
});

test("Ctrl+C ends the fault run, and leaves no namespace, mount, process or folder", { skip }, async t => {
  const { process, logged, ended, lines } = startChaos(t, "--seconds", "20");
  await logged("s later");
  process.kill("SIGINT");
  assert.equal(await ended, 130, lines.join("\n"));
  assert.deepEqual(leftovers(process.pid), []);
});
