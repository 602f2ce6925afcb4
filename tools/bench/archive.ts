/**
 * How long an export and an import of a million envelopes take, and how much memory: `node tools/bench/archive.ts [envelopes]`.
 * Once on the database itself, once through a node that runs; the commands are processes of their own. Linux.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuid } from "uuid";
import { type Draft, encode } from "../../core/envelope.ts";
import { Log } from "../../core/log/log.ts";

const ENVELOPES = Number(process.argv[2] ?? 1_000_000);
const GROUP = 2_000;
const MAIN = join(import.meta.dirname, "../../core/main.ts");
const MEASURE_MS = 50;

const folder = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const [full, fresh, running, copy] = ["full", "fresh", "running", "copy"].map(name => join(folder, name)) as [
  string,
  string,
  string,
  string,
];
const file = join(folder, "archive.jsonl");
try {
  await fill(full);
  await measure("export, no node", full, "export", file);
  say("the file", `${Math.round((await stat(file)).size / ENVELOPES)} bytes an envelope`);
  await measure("import, no node", fresh, "import", file);
  await measure("import of what is there", fresh, "import", file);
  await measure("backup, no node", fresh, "backup", copy);
  await withNode(full, pid => measure("export from a node", full, "export", "--force", file).then(() => tell(pid)));
  await withNode(running, pid => measure("import into a node", running, "import", file).then(() => tell(pid)));
  const digests = await Promise.all([full, fresh, running].map(dataDir => run(dataDir, "digest").ended));
  if (new Set(digests.map(({ out }) => out)).size !== 1) throw new Error("the digests differ");
} finally {
  await rm(folder, { recursive: true });
}

async function fill(dataDir: string): Promise<void> {
  const log = await Log.open(dataDir);
  const startedAt = performance.now();
  for (let index = 0; index < ENVELOPES; index += GROUP)
    await log.append(Array.from({ length: GROUP }, (_, step) => draft(index + step)));
  rate("written", startedAt);
  await log.close();
}

function draft(index: number): Draft {
  const text = `message ${index}: shall we ship it? 可以。`;
  return {
    room: `room ${index % 10}`,
    hlc: 1_800_000_000_000 * 1_024 + index,
    type: "text",
    version: 1,
    role: "row",
    author: `person ${index % 100}`,
    authorName: "Ana",
    id: uuid(),
    ref: null,
    alt: text,
    body: encode({ text }),
    blobs: [],
    extra: null,
  };
}

function run(dataDir: string, ...words: string[]) {
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: "0", HOST: "127.0.0.1", LOG_LEVEL: "info" };
  const child = spawn(process.execPath, [MAIN, ...words], { env, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", data => {
    out += data;
  });
  const ended = once(child, "close").then(([code]) => {
    if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}`);
    return { out };
  });
  return { child, ended };
}

async function measure(what: string, dataDir: string, ...words: string[]): Promise<void> {
  const startedAt = performance.now();
  const { child, ended } = run(dataDir, ...words);
  let peak = 0;
  const measuring = setInterval(async () => {
    peak = Math.max(peak, await peakMegabytes(child.pid as number));
  }, MEASURE_MS);
  await ended;
  clearInterval(measuring);
  rate(what, startedAt, `, peak RSS ${peak} MB`);
}

async function withNode(dataDir: string, work: (pid: number) => Promise<void>): Promise<void> {
  const { child, ended } = run(dataDir);
  while (!String((await once(child.stdout, "data"))[0]).includes('"ready"'));
  await work(child.pid as number);
  child.kill("SIGTERM");
  await ended;
}

async function tell(pid: number): Promise<void> {
  say("  the node meanwhile", `peak RSS ${await peakMegabytes(pid)} MB`);
}

/** Of the process so far; 0 where it has ended. */
async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

function rate(what: string, startedAt: number, more = ""): void {
  const seconds = (performance.now() - startedAt) / 1_000;
  say(what, `${seconds.toFixed(1)} s, ${Math.round(ENVELOPES / seconds)}/s${more}`);
}

function say(what: string, figures: string): void {
  process.stdout.write(`${what}: ${figures}\n`);
}
