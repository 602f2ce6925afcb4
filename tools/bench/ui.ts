/**
 * What a person feels of the page: `npm run bench:ui`, or `node tools/bench/ui.ts [file]`. In Chromium, against a node of its
 * own: how soon one can write on a cold load, how long a key takes to the screen in a quiet room and while 500 messages come
 * a second, and what the page holds after 50,000. Writes tools/bench/results/ui.json, or the file.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import { run } from "./sample.ts";
import { Load } from "./ui/load.ts";
import { clockOf, noteReady, readyMs, type Seen, type Spent, taken, watch, weigh } from "./ui/watch.ts";

const LOADS = 5;
const TYPED_MS = 10_000;
const KEY_MS = 100;
const MESSAGES_PER_SECOND = 500;
const ALL_MESSAGES = 50_000;
/** What is left of them after the typing comes faster, so that it does not take minutes. */
const HURRIED_PER_SECOND = 2_500;

const root = join(import.meta.dirname, "../..");
const file = process.argv[2] ?? join(import.meta.dirname, "results/ui.json");
// Before anything is started.
const executablePath = chromiumPath();
const dataDir = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const node = run({ DATA_DIR: dataDir, RATE_LIMIT: "0" });
const browser = await chromium.launch({
  executablePath,
  args: [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  ],
});
let load: Load | undefined;
try {
  const { url } = JSON.parse(await node.line('"url"')) as { url: string };
  const page = await enter(browser, url);
  const loadsMs = await coldLoads(browser, page, url);
  await watch(page);
  const empty = await weigh(page);
  await taken(page);
  const quiet = await typing(page);
  load = await Load.connect(url);
  load.start(MESSAGES_PER_SECOND);
  const spent = await clockOf(page);
  const before = await spent();
  const flooded = await typing(page);
  const cpuMs = perSecond(before, await spent());
  const whileTyping = load.sent;
  load.start(HURRIED_PER_SECOND);
  await load.reach(ALL_MESSAGES);
  const endedAt = performance.now();
  await page.locator("article", { hasText: `message ${ALL_MESSAGES - 1}:` }).waitFor();
  const behindMs = performance.now() - endedAt;
  const { longTasksMs } = await taken(page);
  const full = await weigh(page);
  const figures = {
    machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores`,
    chromium: browser.version(),
    interactiveMs: spread(loadsMs),
    typing: { quiet: felt(quiet), flooded: { messages: whileTyping, cpuMsPerSecond: cpuMs, ...felt(flooded) } },
    hurried: { longTasks: longTasksMs.length, longestTaskMs: Math.round(Math.max(0, ...longTasksMs)) },
    behindMs: Math.round(behindMs),
    memory: { messages: ALL_MESSAGES, empty, full, drawnRows: await page.locator("article").count() },
  };
  print(figures);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(figures, null, 2)}\n`);

  function print({ interactiveMs, typing: { quiet, flooded }, hurried, behindMs, memory }: typeof figures): void {
    const row = (what: string, ...cells: (string | number)[]) => console.log(`| ${[what, ...cells].join(" | ")} |`);
    row("page", "median or p50", "p95", "largest");
    row("---", "--:", "--:", "--:");
    row("interactive on a cold load, ms", interactiveMs.p50, interactiveMs.p95, interactiveMs.max);
    row("key to screen, quiet, ms", quiet.keyMs.p50, quiet.keyMs.p95, quiet.keyMs.max);
    row(
      `key to screen, ${MESSAGES_PER_SECOND} messages/s, ms`,
      flooded.keyMs.p50,
      flooded.keyMs.p95,
      flooded.keyMs.max,
    );
    row(`frames, ${MESSAGES_PER_SECOND} messages/s, ms`, flooded.frameMs.p50, flooded.frameMs.p95, flooded.frameMs.max);
    row(`CPU ms/s of the main thread, ${MESSAGES_PER_SECOND} messages/s`, flooded.cpuMsPerSecond.all, "", "");
    row(`tasks over 50 ms, ${MESSAGES_PER_SECOND} messages/s`, flooded.longTasks, "", `${flooded.longestTaskMs} ms`);
    row(`tasks over 50 ms, ${HURRIED_PER_SECOND} messages/s`, hurried.longTasks, "", `${hurried.longestTaskMs} ms`);
    row("from the last ack to the last row, ms", behindMs, "", "");
    row(`heap after ${ALL_MESSAGES} messages, MB`, memory.full.heapMb, "", `${memory.empty.heapMb} before`);
    row(`nodes after ${ALL_MESSAGES} messages`, memory.full.domNodes, "", `${memory.drawnRows} rows`);
  }
} finally {
  await browser.close();
  load?.disconnect();
  node.process.kill("SIGTERM");
  await node.ended;
  await rm(dataDir, { recursive: true });
}

/** That of the tests: without windows where there is one. */
function chromiumPath(): string {
  const files = ["chromium-shell", "chromium"].map(name => join(root, "node_modules/.cache/web-chat", name));
  const found = files.map(file => existsSync(file) && readFileSync(file, "utf8")).find(path => path);
  const path = process.env.CHROMIUM ?? found;
  if (path) return path;
  throw new Error("there is no Chromium that the tests know: npm test looks for it, or CHROMIUM names one");
}

async function enter(browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.newContext({ locale: "en", viewport: { width: 1280, height: 800 } })).newPage();
  await page.goto(url);
  await page.getByRole("textbox").fill("Ana");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  return page;
}

/** Of a person who was here before, in a browser that has nothing of the page; the first one warms the node up. */
async function coldLoads(browser: Browser, page: Page, url: string): Promise<number[]> {
  const storageState = await page.context().storageState();
  const loadsMs: number[] = [];
  for (let load = 0; load <= LOADS; load++) {
    const context = await browser.newContext({ storageState, locale: "en" });
    await context.addInitScript(noteReady);
    const cold = await context.newPage();
    await cold.goto(url);
    loadsMs.push(await readyMs(cold));
    await context.close();
  }
  return loadsMs.slice(1);
}

/** Writes at the pace of a quick writer, and sends nothing of it. */
async function typing(page: Page): Promise<Seen> {
  const field = page.getByRole("textbox", { name: /^Message/ });
  await field.fill("");
  await field.focus();
  await taken(page);
  const startedAt = performance.now();
  for (let key = 0; performance.now() - startedAt < TYPED_MS; key++) {
    await page.keyboard.press("abcdefghijklmnopqrstuvwxyz "[key % 27] as string);
    await sleep(Math.max(0, startedAt + (key + 1) * KEY_MS - performance.now()));
  }
  return taken(page);
}

/** In milliseconds a second. */
function perSecond(before: Spent, after: Spent) {
  const part = (name: keyof Spent) => Math.round(((after[name] - before[name]) * 1e6) / TYPED_MS);
  return { all: part("tasksS"), script: part("scriptS"), style: part("styleS"), layout: part("layoutS") };
}

function felt({ keysMs, longTasksMs, framesMs }: Seen) {
  return {
    keys: keysMs.length,
    keyMs: spread(keysMs),
    frameMs: spread(framesMs),
    longTasks: longTasksMs.length,
    longestTaskMs: Math.round(Math.max(0, ...longTasksMs)),
  };
}

function spread(values: readonly number[]): { p50: number; p95: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
