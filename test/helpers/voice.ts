/** What a person does with voice messages in the page, in a browser whose microphone plays a file: tone, silence, tone. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathOf } from "node:path";
import { after, type TestContext } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { launch, type PageOptions } from "./browser.ts";
import { join } from "./chat.ts";
import { cleanUp } from "./cleanup.ts";
import { type Client, connect } from "./client.ts";
import { recording, wav } from "./sound.ts";

export const PHONE = { viewport: { width: 390, height: 844 }, touch: true };
export const AWAY = [/net::ERR_/, /WebSocket connection/];

export type Body = { blob: string; mime: string; durationMs: number; peaks: number[] };
export type Node = { url: string; port: number };

export const FAKE_DEVICE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
const directory = mkdtempSync(pathOf(tmpdir(), "web-chat-test-"));
let launched: Promise<Browser> | undefined;
after(async () => {
  await (await launched)?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A browser that hears that file through its microphone. */
function launchWithMicrophone(flags: readonly string[], isWhole = false): Promise<Browser> {
  const file = pathOf(directory, "microphone.wav");
  writeFileSync(file, wav({ level: 0.6, seconds: 2 }, { level: 0, seconds: 2 }, { level: 0.6, seconds: 2 }));
  return launch({ isWhole, flags: [...flags, `--use-file-for-fake-audio-capture=${file}`] });
}

/** A page in a browser that may use its microphone, the same one for the whole file; in one of its own, and whole, with `flags`. */
export async function joinWithMicrophone(
  t: TestContext,
  url: string,
  options: PageOptions = {},
  flags?: readonly string[],
): Promise<Page> {
  if (flags) {
    const browser = await launchWithMicrophone(flags, true);
    cleanUp(t, () => browser.close());
    return join(t, url, "Ana", { ...options, browser });
  }
  launched ??= launchWithMicrophone(FAKE_DEVICE);
  return join(t, url, "Ana", { ...options, browser: await launched });
}

export const record = (page: Page) => page.getByRole("button", { name: "Record a voice message" });
/** In place of the composer, while something is recorded or reviewed. */
export const panel = (page: Page) => page.getByRole("region", { name: "Recording" });
export const tool = (page: Page, name: string) =>
  page.locator(".voice-composer").getByRole("button", { name, exact: true });
export const voices = (page: Page) =>
  page
    .getByRole("log")
    .getByRole("article")
    .filter({ has: page.getByRole("slider") });
/** Shows that time, or has passed it: a busy machine does not look at each second. */
export function timer(page: Page, time: string): Locator {
  const from = Number(time.slice("0:".length));
  const later = Array.from({ length: 60 - from }, (_, at) => String(from + at).padStart(2, "0"));
  return page.getByRole("timer").filter({ hasText: new RegExp(`0:(${later.join("|")})`) });
}
export const reviewed = (page: Page) => page.getByText("Recorded, not sent yet").waitFor({ state: "attached" });
export const sent = (page: Page) => voices(page).getByText("Sent", { exact: true }).waitFor({ state: "attached" });
/** What is heard by now, and not only asked for. */
export const sounding = (of: Page | Locator) =>
  of.locator('.voice-play[aria-label="Pause"]:not([aria-busy="true"])').first();

/** The page has all that makes a message of a recording, wherever its node is by now. */
export const equipped = (page: Page) =>
  page.waitForFunction(() =>
    performance.getEntriesByType("resource").some(entry => {
      const { name, responseEnd } = entry as PerformanceResourceTiming;
      return name.includes("/finish-") && responseEnd > 0;
    }),
  );

/** From now on the browser records MP4 and nothing else; resolves with whether it can. */
export const writeMp4Only = (page: Page) =>
  page.evaluate(() => {
    const type = "audio/mp4";
    const records = MediaRecorder.isTypeSupported(type);
    MediaRecorder.isTypeSupported = asked => asked === type;
    return records;
  });

type FalseMicrophone = { name?: string; named?: boolean; slow?: boolean };

/**
 * From now on the browser refuses to open a microphone, with an error of that name, or only those that are named by their
 * id; with `slow`, each opens when `openNow` says so.
 */
export async function falseMicrophone(page: Page, how: FalseMicrophone): Promise<void> {
  await page.evaluate(({ name, named, slow }) => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async wanted => {
      const isNamed = Object.hasOwn(Object(wanted?.audio), "deviceId");
      if (name && (!named || isNamed)) throw new DOMException("", name);
      if (slow) await new Promise<void>(openNow => Object.assign(window, { openNow }));
      const stream = await open(wanted);
      Object.assign(window, { stream });
      return stream;
    };
  }, how);
}

export const openNow = (page: Page) => page.evaluate(() => (window as unknown as { openNow(): void }).openNow());

/** Records until the timer shows that, and ends. */
export async function recordUntil(page: Page, time: string): Promise<void> {
  await record(page).click();
  await timer(page, time).waitFor();
  await tool(page, "Stop").click();
  await reviewed(page);
}

let readers = 0;

/** The voice messages of the lobby, as somebody else is told of them. */
export async function kept(t: TestContext, node: Node): Promise<Body[]> {
  const reader = await connect(t, node, { name: `Reader ${++readers}` });
  const { messages } = await reader.join("lobby");
  return messages.filter(({ type }) => type === "voice").map(({ body }) => body as Body);
}

/** Says so many seconds of silence. */
export async function speak(node: Node, client: Client, seconds: number, times = 1): Promise<void> {
  await client.join("lobby");
  const headers = { Authorization: `Bearer ${client.welcome.token}` };
  const file = await recording("webm", { seconds });
  const stored = await fetch(`${node.url}/blobs`, { method: "PUT", headers, body: new Uint8Array(file) });
  const { hash } = (await stored.json()) as { hash: string };
  const peaks = Array.from({ length: 96 }, (_, at) => Math.round(128 + 127 * Math.sin(at / 5)));
  const body = { blob: hash, mime: "audio/webm", durationMs: seconds * 1_000, peaks };
  for (let left = times; left > 0; left -= 50) {
    const some = Array.from({ length: Math.min(left, 50) }, () => client.ask("voice", { room: "lobby", body }));
    for (const answer of await Promise.all(some)) assert.ok(answer.ok, JSON.stringify(answer));
  }
}
