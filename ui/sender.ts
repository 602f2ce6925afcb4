/** Sends the outbox: in order, one message in flight, and below the pace that the node admits. */
import { effect, signal } from "@preact/signals";
import { blobsOf, upload } from "./blobs.ts";
import { type Answer, acksLate, connected, limits, request } from "./connection.ts";
import { raise } from "./copies.ts";
import { t } from "./i18n.ts";
import { delay, drop, due, fail, hold, type Item, isHeld, items, unholdAll, wake } from "./outbox.ts";
import { pictureOf } from "./picture.ts";
import { lastPlace } from "./places.ts";
import { reason } from "./reason.ts";
import { roleOf } from "./registry.ts";
import { join } from "./resume.ts";
import { heldRoom, roomOf } from "./rooms.ts";
import { me, wrote } from "./session.ts";
import { toast } from "./toasts.tsx";

const RETRY_MS = 2_000;
/** Who has to wait longer than that is told so. */
const LONG_MS = 10_000;
/** An ack that waits for another node comes before that. */
const CONFIRMED_MS = 5_000;
/** Refusals that pass by themselves. */
const PASSING = new Set([
  "offline",
  "rate-limited",
  "stopping",
  "no-space",
  "storage-failed",
  "overloaded",
  "not-in-room",
  "not-ready",
]);

/** The node has refused for now what is first in the outbox: it has too much to do. */
export const overloaded = signal(false);

type Ack = { id: string; at: number; key: string; copies: number };

/** What to do when the node delivers what is under way: it has committed it by then. */
const arrivals = new Map<string, () => void>();
/** Messages whose files are on their way to a node. */
const uploading = new Set<string>();
/** Where the files of a message have been brought to. */
const uploaded = new Map<string, string>();
let busy = false;
/** The allowance of a token bucket, and when it was last topped up, in milliseconds since 1970. */
let tokens = 1;
let toppedUpAt = 0;

/** Keeps sending whatever may be sent, as soon as it may. */
export function startSending(): void {
  effect(() => {
    const sendable = items.value.some(item => heldRoom(item.room)?.joined.value);
    if (connected.value && sendable) flush();
  });
}

async function flush(): Promise<void> {
  if (busy) return;
  busy = true;
  try {
    for (let item = next(); item && connected.peek(); item = next()) {
      await sleep(paceMs());
      // It may have been discarded meanwhile, or sent by another tab.
      if (item === next()) await deliver(item);
    }
  } finally {
    busy = false;
  }
}

/** The first one that may go; a room that is not joined keeps all of its own waiting, and nobody else's. */
function next(): Item | undefined {
  const now = Date.now();
  return items
    .peek()
    .find(({ id, room, failed }) => !failed && !uploading.has(id) && due(id) <= now && roomOf(room).joined.peek());
}

/** Brings the files of a message to the node; what was written after it does not wait for that. */
async function bring(item: Item, hashes: readonly string[]): Promise<void> {
  const place = lastPlace();
  uploading.add(item.id);
  const answer = await upload(hashes);
  if (answer.ok) uploaded.set(item.id, place);
  else await settle(item, answer);
  uploading.delete(item.id);
  wake();
}

async function deliver(item: Item): Promise<void> {
  const { id, type, room, body, ref } = item;
  const hashes = blobsOf(item);
  if (hashes.length > 0 && uploaded.get(id) !== lastPlace()) return void bring(item, hashes);
  const asked = isHeld(id);
  if (asked) hold(id, CONFIRMED_MS);
  const answered = request<Ack>(type, { id, room, body, ...(ref && { ref }) }).then(answer => settle(item, answer));
  // What comes next need not wait for another node to have this one.
  if (!asked) await Promise.race([answered, new Promise<void>(done => arrivals.set(id, done))]);
  arrivals.delete(id);
}

/** The log has it. */
export function arrived(id: string): void {
  if (!items.peek().some(item => item.id === id)) return;
  // Else its ack may never come if the connection broke.
  if (!acksLate.peek()) return drop(id);
  hold(id, CONFIRMED_MS);
  arrivals.get(id)?.();
}

/** So many nodes have it. */
export function stored(id: string, copies: number): void {
  raise(id, copies);
  const item = items.peek().find(item => item.id === id);
  if (item && roomOf(item.room).timeline.has({ ...item, author: me.peek() })) drop(id);
}

/** The connection broke. */
export function stopWaiting(): void {
  overloaded.value = false;
  unholdAll();
  for (const done of arrivals.values()) done();
}

async function settle(item: Item, answer: Answer<Ack>): Promise<void> {
  const { id, room } = item;
  overloaded.value = !answer.ok && answer.code === "overloaded" && connected.peek();
  if (answer.ok) return committed(item, answer);
  if (answer.code === "unconfirmed" || isHeld(id)) {
    if (answer.code === "unconfirmed") raise(id, 1);
    return hold(id, answer.retryAfterMs ?? RETRY_MS);
  }
  uploaded.delete(id);
  if (!PASSING.has(answer.code)) return refused(item, answer.code, answer.message);
  if (answer.code === "not-in-room") {
    roomOf(room).joined.value = false;
    join(roomOf(room));
  }
  const waitMs = answer.retryAfterMs ?? RETRY_MS;
  // What is overloaded takes nothing else either: all wait for the first, and their order stays.
  if (waitMs > LONG_MS && answer.code !== "overloaded") delay(id, waitMs);
  else if (connected.peek()) await sleep(waitMs);
}

/** Shows it as a message of the log right away: the node's own copy takes its place when it comes. */
function committed(item: Item, ack: Ack): void {
  const { id, room } = item;
  wrote(ack.key);
  raise(id, ack.copies);
  roomOf(room).show(pictureOf(item, ack));
  drop(id);
}

function refused(item: Item, code: string, message: string): void {
  fail(item.id, code, message);
  if (roleOf(item.type) === "row") return;
  // Nothing in the timeline stands for it, so nothing there could offer to try again.
  toast(t("notSent", { reason: reason(code, message) }));
  drop(item.id);
}

/** Milliseconds until the next message may go; takes its token where that is now. */
function paceMs(): number {
  const { messagesPerSecond, burst } = limits.peek();
  if (messagesPerSecond <= 0) return 0;
  // Half of the burst and a tenth of the pace stay for what does not go through the outbox.
  const perMs = (messagesPerSecond * 0.9) / 1_000;
  const now = Date.now();
  tokens = Math.min(Math.max(1, burst / 2), tokens + (now - toppedUpAt) * perMs);
  toppedUpAt = now;
  tokens -= 1;
  return tokens >= 0 ? 0 : -tokens / perMs;
}

async function sleep(ms: number): Promise<void> {
  if (ms > 0) await new Promise(done => setTimeout(done, ms));
}
