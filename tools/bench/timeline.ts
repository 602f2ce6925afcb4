/**
 * How long the page takes to show voice messages, against as many of text: `node tools/bench/timeline.ts [messages] [rounds]`.
 * In Chromium, in turns: opening the room on a page that was just loaded, going back through all of it, and opening it again
 * with all of it there. Nothing may be loaded of the sound.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { io, type Socket } from "socket.io-client";
import { run, say } from "./sample.ts";

const MESSAGES = Number(process.argv[2] ?? 500);
const ROUNDS = Number(process.argv[3] ?? 10);
const ROOMS = ["text", "voice"] as const;
const RECORDED_MS = 2_000;
const AT_ONCE = 50;

type Sent = { type: string; body: unknown };
type Figures = { openMs: number; allMs: number; againMs: number; longestTaskMs: number };

const dataDir = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
const node = run({ DATA_DIR: dataDir, RATE_LIMIT: "0" });
const sockets: Socket[] = [];
const cached = join(import.meta.dirname, "../../node_modules/.cache/web-chat/chromium");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? readFileSync(cached, "utf8"),
  args: [
    ...["--headless", "--no-sandbox", "--disable-gpu"],
    ...["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
  ],
});
try {
  const { url } = JSON.parse(await node.line('"url"')) as { url: string };
  const raj = await enter(url, "Raj");
  const page = await (await browser.newContext({ locale: "en", permissions: ["microphone"] })).newPage();
  await page.goto(url);
  await page.getByRole("textbox").fill("Ana");
  await page.keyboard.press("Enter");
  await fill(raj, "voice", await recorded(page, raj));
  await fill(raj, "text", { type: "text", body: { text: "The release candidate is on all three nodes." } });

  let sounds = 0;
  page.on("request", request => request.url().includes("/blobs/") && sounds++);
  const measured = { text: [] as Figures[], voice: [] as Figures[] };
  for (let round = 0; round < ROUNDS; round++) for (const room of ROOMS) measured[room].push(await look(page, room));
  for (const room of ROOMS) {
    const [first, ...all] = measured[room].map(({ openMs }) => openMs);
    say(`a room of ${room} opens`, `${median(all)} ms (${spread(all)}); the first time ${first?.toFixed(0)} ms`);
    const through = measured[room].map(({ allMs }) => allMs);
    say(`back through ${MESSAGES} of ${room}`, `${median(through)} ms (${spread(through)})`);
    const again = measured[room].map(({ againMs }) => againMs);
    say(`all ${MESSAGES} of ${room} open again`, `${median(again)} ms (${spread(again)})`);
    say(`longest task in ${room}`, `${spread(measured[room].map(({ longestTaskMs }) => longestTaskMs))} ms`);
  }
  say("files that were asked for meanwhile", String(sounds));
} finally {
  await browser.close();
  for (const socket of sockets) socket.disconnect();
  node.process.kill("SIGTERM");
  await node.ended;
  await rm(dataDir, { recursive: true });
}

async function enter(url: string, name: string): Promise<Socket> {
  const socket = io(url, { auth: { name }, transports: ["websocket"], forceNew: true });
  sockets.push(socket);
  await new Promise(resolve => socket.once("welcome", resolve));
  await socket.emitWithAck("join", { room: "lobby" });
  return socket;
}

/** What the page makes of what its microphone hears. */
async function recorded(page: Page, listener: Socket): Promise<Sent> {
  await page.getByRole("button", { name: "Record a voice message" }).click();
  await page.locator(".voice-composer.recording").waitFor();
  await page.waitForTimeout(RECORDED_MS);
  const heard = new Promise<Sent>(resolve =>
    listener.once("voice", ({ body }: { body: unknown }) => resolve({ type: "voice", body })),
  );
  await page.locator(".voice-panel").getByRole("button", { name: "Send" }).click();
  return heard;
}

async function fill(socket: Socket, name: string, { type, body }: Sent): Promise<void> {
  const { room: made } = await socket.emitWithAck("chat:room", { name });
  const room: string = made.id;
  await socket.emitWithAck("join", { room });
  for (let sent = 0; sent < MESSAGES; sent += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, MESSAGES - sent) }, () =>
      socket.emitWithAck(type, { room, id: crypto.randomUUID(), body }),
    );
    for (const answer of await Promise.all(some)) if (!answer.ok) throw new Error(answer.message);
  }
}

/** On a page that was loaded anew, from another room. */
async function look(page: Page, room: string): Promise<Figures> {
  await page.getByRole("link", { name: "lobby" }).click();
  await page.reload();
  await page.getByRole("textbox", { name: "Message #lobby" }).waitFor();
  await page.getByRole("link", { name: room, exact: true }).waitFor();
  return page.evaluate(async room => {
    let longestTaskMs = 0;
    const observer = new PerformanceObserver(list => {
      for (const { duration } of list.getEntries()) longestTaskMs = Math.max(longestTaskMs, duration);
    });
    observer.observe({ type: "longtask" });
    const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const rows = () => document.querySelectorAll("[role=log] article").length;
    const open = async (name: string, least: number) => {
      const startedAt = performance.now();
      const names = [...document.querySelectorAll<HTMLElement>(".room-name")];
      names.find(({ textContent }) => textContent === name)?.click();
      while (!document.querySelector(`[role=log][aria-label*="${name}"]`) || rows() < least) await painted();
      return performance.now() - startedAt;
    };
    const openMs = await open(room, 50);
    const box = document.querySelector("[role=log]");
    const backAt = performance.now();
    while (!box?.textContent?.includes(" begins.")) {
      box?.scrollBy(0, -4_000);
      await painted();
    }
    const allMs = performance.now() - backAt;
    await open("lobby", 0);
    const againMs = await open(room, 50);
    observer.disconnect();
    return { openMs, allMs, againMs, longestTaskMs };
  }, room);
}

function median(values: readonly number[]): string {
  return ([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0);
}

function spread(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}`;
}
