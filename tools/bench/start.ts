/**
 * How large the executable is, how fast it starts, and what it takes while nobody is there: `npm run bench:start`. The
 * figures go to tools/bench/start.json as well, and the READMEs are held to them.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createGzip } from "node:zlib";
import { fileName, label, root, thisMachine, version } from "../executable/target.ts";

const STARTS = 15;
const IDLE_MS = 10_000;

type Spread = { median: number; min: number; max: number };

const target = thisMachine();
const executable = join(root, "dist", fileName(target));
if (!existsSync(executable)) throw new Error("there is no executable: npm run executable makes it");
const dataDir = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const children = new Set<ChildProcess>();
try {
  const figures = {
    version,
    platform: label(target),
    sizeMb: tenths(statSync(executable).size / 1e6),
    gzippedMb: tenths((await gzippedBytes()) / 1e6),
    readySeconds: await repeated(async () => (await start()).seconds),
    versionSeconds: await repeated(async () => runVersion()),
    ...(await idle()),
  };
  const { sizeMb, gzippedMb, readySeconds, versionSeconds, idleRssMb, idlePrivateMb } = figures;
  const spread = ({ median, min, max }: Spread) => `${median} s (${min} to ${max}, median of ${STARTS})`;
  console.log(`size               ${sizeMb} MB, ${gzippedMb} MB gzipped`);
  console.log(`ready              ${spread(readySeconds)}`);
  console.log(`web-chat version   ${spread(versionSeconds)}`);
  console.log(`idle               ${idleRssMb} MB RSS, ${idlePrivateMb ?? "?"} MB of it not shared with the file`);
  writeFileSync(join(import.meta.dirname, "start.json"), `${JSON.stringify(figures, null, 2)}\n`);
} finally {
  for (const child of children) child.kill("SIGKILL");
  await rm(dataDir, { recursive: true, force: true });
}

async function gzippedBytes(): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(executable).pipe(createGzip())) bytes += (chunk as Buffer).length;
  return bytes;
}

/** Median and spread in seconds; the first run, which warms up, is left out. */
async function repeated(measure: () => Promise<number>): Promise<Spread> {
  await measure();
  const seconds: number[] = [];
  for (let index = 0; index < STARTS; index++) seconds.push(await measure());
  const sorted = seconds.sort((a, b) => a - b).map(value => Math.round(value * 1_000) / 1_000);
  return { median: sorted[STARTS >> 1] as number, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** Seconds from the start of the process to the first 200 of /readyz. The node has ended again unless it is to be kept. */
async function start({ keep = false } = {}): Promise<{ seconds: number; child: ChildProcess }> {
  const startedAt = performance.now();
  const child = spawn(executable, [], {
    env: { PATH: process.env.PATH, PORT: "0", HOST: "127.0.0.1", DATA_DIR: dataDir } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const ended = once(child, "exit").then(() => children.delete(child));
  const url = await urlOf(child);
  while (!(await isReady(url))) await sleep(2);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (!keep) {
    child.kill("SIGTERM");
    await ended;
  }
  return { seconds, child };
}

async function urlOf({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error("the node says nothing");
  for await (const line of createInterface({ input: stdout })) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url === undefined) continue;
    stdout.resume();
    return url;
  }
  throw new Error("the node did not start");
}

function isReady(url: string): Promise<boolean> {
  return new Promise(resolve => {
    get(`${url}/readyz`, response => {
      response.resume();
      resolve(response.statusCode === 200);
    }).once("error", () => resolve(false));
  });
}

function runVersion(): number {
  const startedAt = performance.now();
  execFileSync(executable, ["version"]);
  return (performance.now() - startedAt) / 1_000;
}

/** Megabytes of a node without clients, 10 s after it was ready. */
async function idle(): Promise<{ idleRssMb: number; idlePrivateMb?: number }> {
  forgetPages();
  const { child } = await start({ keep: true });
  await sleep(IDLE_MS);
  if (process.platform !== "linux") {
    const kilobytes = Number(execFileSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" }));
    return { idleRssMb: megabytes(kilobytes) };
  }
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const read = (name: string) => megabytes(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]));
  return { idleRssMb: read("VmRSS"), idlePrivateMb: read("RssAnon") };
}

/**
 * As after a boot. Linux counts to a process what it finds of its file in memory beside what is asked for, in pieces the
 * larger the more recently the file was written as a whole: 10 MB more just after it was built.
 */
function forgetPages(): void {
  if (process.platform !== "linux") return;
  execFileSync("sync", [executable]);
  execFileSync("dd", [`if=${executable}`, "iflag=nocache", "count=0", "status=none"]);
}

function megabytes(kilobytes: number): number {
  return tenths((kilobytes * 1_024) / 1e6);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
