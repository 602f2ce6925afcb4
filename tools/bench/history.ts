/** How long a page of history takes in a log of a million messages: `node tools/bench/history.ts [messages]`. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyOf } from "../../core/envelope.ts";
import { Log } from "../../core/log/log.ts";
import { fill, say } from "./sample.ts";

const MESSAGES = Number(process.argv[2] ?? 1_000_000);
const ROOMS = 10;
const PAGES = 500;

const directory = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
try {
  const log = await Log.open(directory);
  const keys: { room: string; key: string }[] = [];
  const startedAt = performance.now();
  await fill(log, MESSAGES, stored => keys.push({ room: stored.room, key: keyOf(stored) }));
  const seconds = (performance.now() - startedAt) / 1_000;
  const { size } = await stat(join(directory, "log.db"));
  say(`${MESSAGES} messages written`, `${Math.round(MESSAGES / seconds)}/s, ${Math.round(size / MESSAGES)} bytes each`);
  await measure("newest page of 50", () => log.page(`room ${Math.floor(Math.random() * ROOMS)}`, {}, 50, log.pos));
  await measure("page of 50 before a random message", () => {
    const { room, key } = keys[Math.floor(Math.random() * keys.length)] as { room: string; key: string };
    return log.page(room, { before: key }, 50, log.pos);
  });
  const cursor = await log.cursor("room 1", log.pos);
  const [origin = "", n = 0] = Object.entries(cursor)[0] ?? [];
  await measure("resume with 50 missing", () => log.resume("room 1", { [origin]: n - 50 }, log.pos, 500));
  await log.close();
} finally {
  await rm(directory, { recursive: true });
}

async function measure(what: string, call: () => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let index = 0; index < PAGES; index++) {
    const startedAt = performance.now();
    await call();
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] as number).toFixed(2);
  say(what, `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}
