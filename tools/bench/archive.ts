/**
 * How long an export and an import of a million envelopes take, and how much memory: `node tools/bench/archive.ts [envelopes]`.
 * Once on the database itself, once through a node that runs; the commands are processes of their own. Linux.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillDirectory } from "./load/filled.ts";
import { peakMegabytes, run, say } from "./sample.ts";

const ENVELOPES = Number(process.argv[2] ?? 1_000_000);
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
  const startedAt = performance.now();
  await fillDirectory(full, ENVELOPES);
  rate("written", startedAt);
  await measure("export, no node", full, "export", file);
  say("the file", `${Math.round((await stat(file)).size / ENVELOPES)} bytes an envelope`);
  await measure("import, no node", fresh, "import", file);
  await measure("import of what is there", fresh, "import", file);
  await measure("backup, no node", fresh, "backup", copy);
  await withNode(full, node => measure("export from a node", full, "export", "--force", file).then(() => tell(node)));
  await withNode(running, node => measure("import into a node", running, "import", file).then(() => tell(node)));
  const digests = await Promise.all([full, fresh, running].map(dataDir => digestOf(dataDir)));
  if (new Set(digests).size !== 1) throw new Error("the digests differ");
} finally {
  await rm(folder, { recursive: true });
}

async function digestOf(dataDir: string): Promise<string> {
  const { ended, output } = run({ DATA_DIR: dataDir }, "digest");
  await ended;
  return output();
}

async function measure(what: string, dataDir: string, ...words: string[]): Promise<void> {
  const startedAt = performance.now();
  const program = run({ DATA_DIR: dataDir }, ...words);
  let peak = 0;
  const measuring = setInterval(async () => {
    peak = Math.max(peak, await peakMegabytes(program.process));
  }, MEASURE_MS);
  await program.ended;
  clearInterval(measuring);
  rate(what, startedAt, `, peak RSS ${peak} MB`);
}

async function withNode(dataDir: string, work: (node: ChildProcess) => Promise<void>): Promise<void> {
  const node = run({ DATA_DIR: dataDir });
  await node.line('"ready"');
  await work(node.process);
  node.process.kill("SIGTERM");
  await node.ended;
}

async function tell(node: ChildProcess): Promise<void> {
  say("  the node meanwhile", `peak RSS ${await peakMegabytes(node)} MB`);
}

function rate(what: string, startedAt: number, more = ""): void {
  const seconds = (performance.now() - startedAt) / 1_000;
  say(what, `${seconds.toFixed(1)} s, ${Math.round(ENVELOPES / seconds)}/s${more}`);
}
