/** A thread that names what never returns: real processes, stuck for real, some of them stopped and continued. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { OFF_FOLDER, offFor, offInEnvironment, switchOff } from "../../core/plugins/off.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const WATCHED = join(import.meta.dirname, "../helpers/watched.ts");
/** Short, as loops run for so long. */
const STUCK_MS = 600;

const SOURCE = `import { execSync } from "node:child_process"; import { existsSync } from "node:fs";
import { forever } from "./away.ts";
if (process.argv[3] === "load") for (;;);
export default {
  load() {},
  loop() { for (;;); },
  regex() { return /^(a+)+$/.test("a".repeat(60) + "b"); },
  sort() { for (;;) Array.from({ length: 1e6 }, (_, i) => (i * 7919) % 1000003).sort((a, b) => a - b); },
  away() { forever(); },
  async later() { await null; for (;;); },
  child() { execSync("sleep 20"); },
  async starved(tell: (said: object) => void) {
    tell({ busy: true });
    while (!existsSync(process.argv[2] + "/go")) await new Promise(done => setTimeout(done, 10));
    const ran = ({ user, system }: NodeJS.CpuUsage) => user + system;
    const end = ran(process.threadCpuUsage()) + 240_000;
    while (ran(process.threadCpuUsage()) < end);
  },
  lock() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); },
  builtIn() { for (;;); },
  slow(tell: (said: object) => void) { tell({ busy: true }); const end = performance.now() + 240; while (performance.now() < end); },
};
`;

type Said = {
  pid: number;
  started?: true;
  returned?: true;
  busy?: true;
  off?: { why: string; where?: string };
  restartedAt?: string;
  level?: number;
  msg?: string;
  where?: string;
  function?: string;
  plugin?: string;
  why?: string;
};

type Watched = {
  child: ChildProcess;
  dataDir: string;
  said: Said[];
  /** Resolves with the first that fits, said already or later. */
  hears(fits: (said: Said) => unknown): Promise<Said>;
};

/** Runs the program with a plugin that hangs in that hook. */
async function newWatched(t: TestContext, hook: string, wrapper: string[] = []): Promise<Watched> {
  const dataDir = temporaryDirectory(t);
  mkdirSync(join(dataDir, "poll"));
  writeFileSync(join(dataDir, "poll/server.ts"), SOURCE);
  writeFileSync(join(dataDir, "poll/away.ts"), "export function forever() {\n  for (;;);\n}\n");
  await build({
    absWorkingDir: join(dataDir, "poll"),
    entryPoints: { poll: "server.ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    sourcemap: "external",
    outdir: join(dataDir, "poll"),
    write: false,
  }).then(({ outputFiles }) => {
    mkdirSync(join(dataDir, "compiled"));
    const [map, code] = outputFiles.sort((a, b) => b.path.length - a.path.length);
    writeFileSync(join(dataDir, "compiled/poll-AB12CD34.mjs"), code?.contents as Uint8Array);
    writeFileSync(join(dataDir, "compiled/poll-AB12CD34.mjs.map"), map?.contents as Uint8Array);
  });
  return run(t, dataDir, hook, wrapper);
}

function run(t: TestContext, dataDir: string, hook: string, wrapper: string[] = []): Watched {
  const [command = "", ...words] = [...wrapper, process.execPath, WATCHED, dataDir, hook, String(STUCK_MS)];
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
  cleanUp(t, async () => {
    // A successor reads the same input, and ends with it.
    child.stdin.end();
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  const said: Said[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on("line", line => {
    said.push(JSON.parse(line));
    for (const check of waiting) check();
  });
  const hears = (fits: (said: Said) => unknown) =>
    new Promise<Said>(resolve => {
      const check = () => {
        const found = said.find(fits);
        if (!found) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });
  return { child, dataDir, said, hears };
}

/** By the hook: the place in the plugin's own sources, and the function. */
const STUCK: readonly [what: string, hook: string, where: string, name: string][] = [
  ["an endless loop", "loop", "server.ts:6", "loop"],
  ["a regular expression that backtracks without end", "regex", "server.ts:7", "regex"],
  ["a sort without end", "sort", "server.ts:8", "sort"],
  ["a loop in another file of the plugin", "away", "away.ts:2", "forever"],
  ["a lock that nobody opens", "lock", "server.ts:19", "lock"],
  ["a loop after an await", "later", "server.ts:10", "later"],
  ["a loop while the module loads", "load", "server.ts:3", ""],
];

for (const [what, hook, where, name] of STUCK)
  test(`${what} is named, its plugin switched off, and the process restarted under the same pid`, async t => {
    const { child, dataDir, hears } = await newWatched(t, hook);
    const error = await hears(({ level }) => level === 50);
    assert.equal(error.where, where);
    if (name) assert.match(error.function ?? "", new RegExp(`${name}$`));
    assert.match(error.msg ?? "", /“poll.*never .* it is switched off, and this node restarts$/);
    const again = await hears(({ off }) => off);
    assert.equal(again.pid, child.pid);
    assert.equal(again.off?.where, where);
    assert.ok(existsSync(join(dataDir, OFF_FOLDER, "poll.json")));
  });

test("a hook that a busy machine leaves no time is left alone", async t => {
  if (process.platform !== "linux") return t.skip("only Linux says what a thread waits for");
  const { child, dataDir, said, hears } = await newWatched(t, "starved");
  await hears(({ busy }) => busy);
  const pid = String(child.pid);
  // Its main thread alone comes after all others, on a processor where there is always another.
  execFileSync("taskset", ["-p", "-c", "0", pid]);
  execFileSync("chrt", ["--idle", "-p", "0", pid]);
  const other = spawn("taskset", ["-c", "0", process.execPath, "-e", "for (;;);"], { stdio: "ignore" });
  cleanUp(t, () => other.kill("SIGKILL"));
  writeFileSync(join(dataDir, "go"), "");
  await sleep(4 * STUCK_MS);
  assert.ok(!said.some(({ returned }) => returned), "it had time");
  other.kill("SIGKILL");
  execFileSync("chrt", ["--other", "-p", "0", pid]);
  await hears(({ returned }) => returned);
  assert.ok(!said.some(({ level }) => level));
});

test("what waits in the system's own calls is left to a process that takes over, and the hook is named", async t => {
  if (process.platform === "win32") return t.skip("Windows has no sleep to wait for");
  const { child, hears } = await newWatched(t, "child");
  const error = await hears(({ level }) => level === 50);
  assert.match(error.msg ?? "", /^“poll.vote” never returned from tick: /);
  await once(child, "exit");
  assert.equal(child.signalCode, "SIGKILL");
  const again = await hears(({ off }) => off);
  assert.notEqual(again.pid, child.pid);
});

test("where no marker can be written the next process is told in its environment", async t => {
  const dataDir = await newWatched(t, "load").then(({ child, dataDir }) => {
    child.kill("SIGKILL");
    return dataDir;
  });
  // In the way of what the marker is written to, whoever runs this.
  mkdirSync(join(dataDir, OFF_FOLDER, "poll.json.new"), { recursive: true });
  const { child, hears } = run(t, dataDir, "loop");
  const again = await hears(({ off }) => off);
  assert.equal(again.pid, child.pid);
  assert.equal(again.off?.where, "server.ts:6");
});

test("a built-in type that hangs is named and the process restarted once, with nothing switched off", async t => {
  const { said, hears } = await newWatched(t, "builtIn");
  const error = await hears(({ level }) => level === 50);
  assert.equal(error.msg, "“poll.vote” never returned from tick: this node restarts");
  await hears(({ restartedAt }) => restartedAt);
  const warning = await hears(({ level }) => level === 40);
  assert.equal(warning.msg, "“poll.vote” never returned from tick");
  assert.ok(!said.some(({ off }) => off));
});

test("a hook that takes two fifths of the time is left alone", async t => {
  const { said, hears } = await newWatched(t, "slow");
  await hears(({ returned }) => returned);
  assert.ok(!said.some(({ level }) => level));
});

test("a process that was stopped for longer than a hook may take goes on as if nothing had been", async t => {
  if (process.platform === "win32") return t.skip("Windows stops no process");
  const { child, said, hears } = await newWatched(t, "slow");
  await hears(({ busy }) => busy);
  child.kill("SIGSTOP");
  // As long as it takes: nothing can be waited for in a process that is stopped.
  await sleep(2 * STUCK_MS);
  child.kill("SIGCONT");
  await hears(({ returned }) => returned);
  await sleep(STUCK_MS);
  assert.ok(!said.some(({ level }) => level));
  assert.equal(said.filter(({ started }) => started).length, 1);
});

test("where markers cannot be read that is told, and nothing is off but what the environment says", t => {
  const dataDir = temporaryDirectory(t);
  // It leads to itself, whoever runs this.
  symlinkSync(OFF_FOLDER, join(dataDir, OFF_FOLDER));
  const told: string[] = [];
  const unread = (error: Error) => void told.push((error as NodeJS.ErrnoException).code ?? "");
  const handed = offInEnvironment("board", { why: "it hung" }, {});
  assert.equal(offFor(dataDir, "poll", "", unread, handed), undefined);
  assert.deepEqual(offFor(dataDir, "board", "", unread, handed), { why: "it hung" });
  assert.deepEqual(told, ["ELOOP", "ELOOP"]);
  // Where a file is in the place of their folder there are none.
  rmSync(join(dataDir, OFF_FOLDER));
  writeFileSync(join(dataDir, OFF_FOLDER), "");
  assert.equal(offFor(dataDir, "poll", "", assert.fail, handed), undefined);
});

test("a marker says why and where, a damaged one switches off as well, and what the environment says goes with them", t => {
  const dataDir = temporaryDirectory(t);
  switchOff(dataDir, "poll", { why: "it hung", where: "server.ts:3" });
  switchOff(dataDir, "dice", { why: "it hung" });
  writeFileSync(join(dataDir, OFF_FOLDER, "dice.json"), "{");
  const handed = offInEnvironment(
    "board",
    { why: "it hung too" },
    offInEnvironment("github", { why: "so did this" }, {}),
  );
  const off = (folder: string) => offFor(dataDir, folder, "", assert.fail, handed);
  assert.deepEqual(["poll", "dice", "board", "github", "text"].map(off), [
    { why: "it hung", where: "server.ts:3" },
    { why: "it was switched off" },
    { why: "it hung too" },
    { why: "so did this" },
    undefined,
  ]);
});
