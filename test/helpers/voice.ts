/** What a person does with voice messages in the page, in a browser whose microphone plays a file: tone, silence, tone. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join as pathOf } from "node:path";
import type { TestContext } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { launch, type PageOptions } from "./browser.ts";
import { join } from "./chat.ts";
import { cleanUp } from "./cleanup.ts";
import { type Client, connect } from "./client.ts";
import { temporaryDirectory } from "./node.ts";
import { recording, wav } from "./sound.ts";

export const PHONE = { viewport: { width: 390, height: 844 }, touch: true };
export const AWAY = [/net::ERR_/, /WebSocket connection/];

export type Body = { blob: string; mime: string; durationMs: number; peaks: number[] };
export type Node = { url: string; port: number };

/** A page in a browser that may use its microphone, unless `flags` are others. */
export async function joinWithMicrophone(
  t: TestContext,
  url: string,
  options: PageOptions = {},
  flags: readonly string[] = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
): Promise<Page> {
  const file = pathOf(temporaryDirectory(t), "microphone.wav");
  writeFileSync(file, wav({ level: 0.6, seconds: 2 }, { level: 0, seconds: 2 }, { level: 0.6, seconds: 2 }));
  const browser: Browser = await launch({ flags: [...flags, `--use-file-for-fake-audio-capture=${file}`] });
  cleanUp(t, () => browser.close());
  return join(t, url, "Ana", { ...options, browser });
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
export const timer = (page: Page, time: string) => page.getByRole("timer").filter({ hasText: time });
export const reviewed = (page: Page) => page.getByText("Recorded, not sent yet").waitFor({ state: "attached" });
export const sent = (page: Page) => voices(page).getByText("Sent", { exact: true }).waitFor({ state: "attached" });
/** What is heard by now, and not only asked for. */
export const sounding = (of: Page | Locator) =>
  of.locator('.voice-play[aria-label="Pause"]:not([aria-busy="true"])').first();

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
