/** Voice messages, in a browser whose microphone plays a file: tone, silence, tone. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { inspect } from "../helpers/axe.ts";
import { composer, join, logOut, row, say } from "../helpers/chat.ts";
import { connect } from "../helpers/client.ts";
import { newNode, peer, spawnNode } from "../helpers/node.ts";
import {
  AWAY,
  type Body,
  joinWithMicrophone,
  kept,
  PHONE,
  panel,
  record,
  recordUntil,
  reviewed,
  sent,
  sounding,
  speak,
  timer,
  tool,
  voices,
  writeMp4Only,
} from "../helpers/voice.ts";

test("what is recorded is heard by others as it was said: tone, silence, tone", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  const raj = await join(t, node.url, "Raj");
  await recordUntil(page, "0:06");
  await tool(page, "Send").click();
  await voices(raj).waitFor();
  await raj.getByRole("img", { name: "Not heard yet" }).waitFor();

  const reader = await connect(t, node, { name: "Reader" });
  const body = (await reader.join("lobby")).messages[0]?.body as Body;
  const answer = await fetch(`${node.url}/blobs/${body.blob}`, {
    headers: { Authorization: `Bearer ${reader.welcome.token}` },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(createHash("sha256").update(bytes).digest("hex"), body.blob);
  t.diagnostic(`${bytes.length} bytes, ${body.durationMs} ms, peaks ${body.peaks.join(" ")}`);
  const decoded = await raj.evaluate(async data => {
    const buffer = Uint8Array.from(atob(data), character => character.charCodeAt(0)).buffer;
    const url = URL.createObjectURL(new Blob([buffer], { type: "audio/webm" }));
    const audio = new Audio(url);
    await new Promise(done => audio.addEventListener("loadedmetadata", done));
    const { duration } = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(buffer);
    return { said: audio.duration, decoded: duration };
  }, bytes.toString("base64"));
  for (const seconds of Object.values(decoded))
    assert.ok(Math.abs(seconds - body.durationMs / 1_000) <= 0.1, `${JSON.stringify(decoded)}, ${body.durationMs} ms`);

  const mean = (from: number, to: number) => {
    const at = (seconds: number) => Math.round((seconds * 1_000 * body.peaks.length) / body.durationMs);
    const part = body.peaks.slice(at(from), at(to));
    return part.reduce((sum, peak) => sum + peak, 0) / part.length;
  };
  const [tone, silence, again] = [mean(0.5, 1.5), mean(2.5, 3.5), mean(4.5, 5.5)];
  assert.ok(tone > 4 * silence && again > 4 * silence, `${tone}, ${silence}, ${again}`);
});

test("Esc discards, a pause is left out, others see that somebody records, and the draft is there afterwards", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const page = await joinWithMicrophone(t, node.url);
  await record(page).click();
  await raj.until(() =>
    raj.events.some(([type, signal]) => type === "typing" && (signal as { body: { voice?: boolean } }).body.voice),
  );
  await timer(page, "0:01").waitFor();
  await page.keyboard.press("Escape");
  await panel(page).waitFor({ state: "detached" });
  assert.deepEqual(await kept(t, node), []);

  await raj.ask("typing", { room: "lobby", body: { typing: true, voice: true } });
  await page.getByText("Raj is recording…").waitFor();

  await record(page).click();
  await timer(page, "0:01").waitFor();
  await tool(page, "Pause").click();
  const pausedAt = await page.getByRole("timer").innerText();
  await page.waitForTimeout(1_500);
  assert.equal(await page.getByRole("timer").innerText(), pausedAt, "time does not pass");
  await tool(page, "Resume").click();
  await timer(page, "0:02").waitFor();
  await tool(page, "Stop").click();
  await reviewed(page);
  await panel(page).getByRole("button", { name: "Play" }).click();
  await panel(page).getByRole("button", { name: "Pause" }).waitFor();
  await tool(page, "Send").click();
  await sent(page);
  const [body] = await kept(t, node);
  assert.ok(body && body.durationMs < 3_000, `${body?.durationMs} ms`);

  await composer(page).fill("something to send");
  await record(page).waitFor({ state: "hidden" });
  await composer(page).fill("");
  await record(page).waitFor();
});

test("a recording whose upload was cut off is sent once, after a reload or a node's death", async t => {
  const node = await spawnNode(t);
  const page = await joinWithMicrophone(t, node.url, { ignore: AWAY });
  let uploads = 0;
  // Nothing comes of an upload for as long as this stands.
  await page.route("**/blobs", () => void uploads++);
  await recordUntil(page, "0:02");
  await tool(page, "Send").click();
  await voices(page).getByText("Waiting to be sent").waitFor({ state: "attached" });
  while (uploads === 0) await page.waitForTimeout(20);
  await say(page, "a text does not wait for it");
  await row(page, "a text does not wait").getByText("Sent", { exact: true }).waitFor({ state: "attached" });
  await voices(page).getByRole("button", { name: "Play" }).click();
  await voices(page).getByRole("button", { name: "Pause" }).waitFor();

  await page.reload();
  await voices(page).getByText("Waiting to be sent").waitFor({ state: "attached" });
  await node.kill("SIGKILL");
  await page
    .getByText(/Reconnecting/)
    .first()
    .waitFor();
  await page.unroute("**/blobs");
  const again = await spawnNode(t, { PORT: String(node.port), DATA_DIR: node.dataDir });
  await sent(page);
  assert.equal((await kept(t, again)).length, 1);
  assert.equal(await voices(page).count(), 1);
  const left = await page.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name = "" }) => name);
    const opening = indexedDB.open(names.find(name => name.endsWith("files")) as string);
    const db = await new Promise<IDBDatabase>(done => {
      opening.onsuccess = () => done(opening.result);
    });
    const counting = db.transaction("files").objectStore("files").count();
    return new Promise<number>(done => {
      counting.onsuccess = () => done(counting.result);
    });
  });
  assert.equal(left, 0, "the browser keeps no file that was sent");
});

test("what cannot be played says so, and is played when it can; logging out ends it", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await speak(node, raj, 9);
  const page = await join(t, node.url, "Ana", { ignore: AWAY });
  await page.route("**/blobs/*", route => route.abort());
  const play = voices(page).getByRole("button", { name: "Play" });
  await play.click();
  await voices(page).getByText("It cannot be played").waitFor();
  assert.equal(await page.getByRole("img", { name: "Not heard yet" }).count(), 1);
  await page.unroute("**/blobs/*");
  await play.click();
  await sounding(voices(page)).waitFor();
  await voices(page).getByText("It cannot be played").waitFor({ state: "detached" });
  await logOut(page);
  assert.equal(await page.evaluate(() => navigator.mediaSession.metadata), null);
});

test("what keeps the page from a microphone is told in words", async t => {
  for (const [words, flags] of [
    [
      "The browser does not let this page use the microphone",
      ["--use-fake-device-for-media-stream", "--deny-permission-prompts"],
    ],
    ["No microphone was found", ["--use-fake-ui-for-media-stream"]],
  ] as const) {
    const node = await newNode(t);
    const page = await joinWithMicrophone(t, node.url, {}, flags);
    await record(page).click();
    await panel(page).getByText(words).waitFor();
    await panel(page).getByRole("button", { name: "Close" }).click();
    await composer(page).waitFor();
  }
});

test("what a browser records that writes nothing but MP4 is sent, too", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  if (!(await writeMp4Only(page))) return t.skip("this browser cannot write MP4");
  await recordUntil(page, "0:02");
  await tool(page, "Send").click();
  await sent(page);
  const [body] = await kept(t, node);
  t.diagnostic(`${body?.mime}, ${body?.durationMs} ms`);
  assert.ok(body && body.durationMs >= 2_000 && body.durationMs < 4_000, `${body?.durationMs} ms`);
  await voices(page).getByRole("button", { name: "Play" }).click();
  await voices(page).getByRole("button", { name: "Pause" }).waitFor();
});

test("what was recorded until the microphone was unplugged is kept", async t => {
  const node = await newNode(t);
  const page = await joinWithMicrophone(t, node.url);
  await page.evaluate(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async wanted => {
      const stream = await open(wanted);
      Object.assign(window, { stream });
      return stream;
    };
  });
  await record(page).click();
  await timer(page, "0:02").waitFor();
  await page.evaluate(() => {
    const { stream } = window as unknown as { stream: MediaStream };
    for (const track of stream.getTracks()) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  });
  await panel(page).getByText("The microphone was unplugged.").waitFor();
  await tool(page, "Send").click();
  await sent(page);
});

const player = (page: Page) => page.getByRole("region", { name: "Voice message of Raj" });

test("a voice message is played, sought, sped up, left behind docked, and followed by the next", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await speak(node, raj, 9);
  await speak(node, raj, 2);
  const page = await join(t, node.url, "Ana");
  const asked: (string | undefined)[] = [];
  page.on("request", request => {
    if (request.url().includes("/blobs/")) asked.push(request.headers().range);
  });
  const first = voices(page).first();
  const slider = first.getByRole("slider");
  await voices(page).nth(1).waitFor();
  assert.equal(await page.getByRole("img", { name: "Not heard yet" }).count(), 2);
  assert.deepEqual(asked, [], "nothing is loaded before it is played");
  assert.equal(await slider.getAttribute("aria-valuetext"), "0 seconds of 9 seconds");

  const playingAfter = page.evaluate(
    () =>
      new Promise<number>(done => {
        let pressedAt = 0;
        addEventListener(
          "click",
          () => {
            pressedAt = performance.now();
          },
          { capture: true, once: true },
        );
        new MutationObserver((_, observer) => {
          if (!document.querySelector('.row [aria-label="Pause"][aria-busy="false"]')) return;
          observer.disconnect();
          done(performance.now() - pressedAt);
        }).observe(document.body, { subtree: true, attributes: true });
      }),
  );
  await first.getByRole("button", { name: "Play" }).click();
  await sounding(first).waitFor();
  t.diagnostic(`playing ${(await playingAfter).toFixed(0)} ms after the click`);
  assert.equal(asked[0], "bytes=0-");
  assert.equal(await page.getByRole("img", { name: "Not heard yet" }).count(), 1);

  const { width = 0, height = 0 } = (await slider.boundingBox()) ?? {};
  await slider.click({ position: { x: (width * 2) / 3, y: height / 2 } });
  const at = async () => Number(await slider.getAttribute("aria-valuenow"));
  assert.ok((await at()) >= 6 && (await at()) <= 7, `${await at()}`);
  await first.getByRole("button", { name: "Pause" }).click();
  await slider.press("ArrowLeft");
  assert.ok((await at()) >= 1 && (await at()) <= 2, `${await at()}`);
  await slider.press("End");
  await slider.press("ArrowLeft");
  assert.equal(await at(), 4);
  await inspect(page, "a player");

  await page.reload();
  await voices(page).nth(1).waitFor();
  assert.equal(await at(), 4, "where it was is kept");
  await first.getByRole("button", { name: "Play" }).click();
  await sounding(first).waitFor();
  assert.ok((await at()) >= 4, `${await at()}`);
  await first.getByRole("combobox", { name: "Speed" }).selectOption("2×");
  assert.ok((await page.evaluate(() => navigator.mediaSession.metadata?.artist)) === "Raj");

  await page.getByRole("link", { name: "ops" }).click();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  await player(page).getByRole("button", { name: "Pause" }).waitFor();
  await player(page).getByText("0:02").waitFor();
  await player(page).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "lobby" }).click();
  await voices(page).nth(1).waitFor();
  assert.equal(await page.getByRole("img", { name: "Not heard yet" }).count(), 0, "the next one was played on");

  await page.reload();
  await first.getByRole("button", { name: "Play" }).click();
  assert.equal(await first.getByRole("combobox", { name: "Speed" }).inputValue(), "2");
});

test("what comes while the reader is in another room is played on, too", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.ask("chat:room", { name: "ops" });
  await speak(node, raj, 60);
  const page = await join(t, node.url, "Ana");
  await voices(page).getByRole("button", { name: "Play" }).click();
  await sounding(voices(page)).waitFor();
  await page.getByRole("link", { name: "ops" }).click();
  await page.getByRole("textbox", { name: "Message #ops" }).waitFor();
  await speak(node, raj, 3);
  await page.getByRole("link", { name: /lobby.*1/ }).waitFor();
  await player(page).getByRole("slider").press("End");
  await player(page).getByText("0:03").waitFor();
  await player(page).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "lobby" }).click();
  await voices(page).nth(1).waitFor();
  assert.equal(await page.getByRole("img", { name: "Not heard yet" }).count(), 0);
});

test("a timeline of 500 voice messages opens, and loads no sound", async t => {
  const node = await newNode(t);
  const raj = await connect(t, node, { name: "Raj" });
  await speak(node, raj, 2, 500);
  const page = await join(t, node.url, "Ana");
  let asked = 0;
  page.on("request", request => {
    if (request.url().includes("/blobs/")) asked++;
  });
  await voices(page).nth(40).waitFor({ state: "attached" });
  const scroller = page.getByRole("log");
  const beginning = page.getByText("This is where #lobby begins.");
  while ((await beginning.count()) === 0) await scroller.evaluate(box => box.scrollBy(0, -4_000));
  const openedAt = performance.now();
  await page.reload();
  await voices(page).nth(40).waitFor({ state: "attached" });
  t.diagnostic(`open again ${(performance.now() - openedAt).toFixed(0)} ms after the reload`);
  assert.equal(asked, 0);
});

for (const [what, options] of [
  ["in light", {}],
  ["in dark", { colorScheme: "dark" }],
  ["on a phone, in Chinese", { ...PHONE, language: "zh-CN" }],
] as const)
  test(`axe finds nothing in recording, review and row, ${what}`, async t => {
    const node = await newNode(t);
    const page = await joinWithMicrophone(t, node.url, options);
    const button = page.locator(".voice-button");
    await button.click();
    await page.locator(".voice-composer.recording").waitFor();
    await page.emulateMedia({ reducedMotion: "reduce" });
    await inspect(page, "recording");
    await timer(page, "0:01").waitFor();
    await button.click();
    await page.locator(".voice-composer.review").waitFor();
    await inspect(page, "review");
    await page.reload();
    await page
      .locator(".voice-panel")
      .getByText(/You recorded this before the page was closed\.|这是页面关闭前录制的/)
      .waitFor();
    await inspect(page, "what was left");
    await button.click();
    await voices(page).waitFor();
    await inspect(page, "a row");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
  });

test("what is said on one node is heard on another", async t => {
  const a = await newNode(t, { NODE_NAME: "attic" });
  const b = await newNode(t, { NODE_NAME: "kitchen", ...peer(a) });
  await b.ready;
  const page = await joinWithMicrophone(t, a.url);
  const raj = await join(t, b.url, "Raj");
  await recordUntil(page, "0:03");
  await tool(page, "Send").click();
  await voices(raj).getByRole("button", { name: "Play" }).click();
  await sounding(voices(raj)).waitFor();
  await voices(raj).getByRole("button", { name: "Play" }).waitFor();
  assert.equal(await raj.getByRole("img", { name: "Not heard yet" }).count(), 0);
  const [body] = await kept(t, b);
  const reader = await connect(t, b, { name: "Mia" });
  const headers = { Authorization: `Bearer ${reader.welcome.token}` };
  const bytes = Buffer.from(await (await fetch(`${b.url}/blobs/${body?.blob}`, { headers })).arrayBuffer());
  assert.equal(createHash("sha256").update(bytes).digest("hex"), body?.blob);
});

test("with ACK=peer, a recording outlives its node, which dies right after the ack", async t => {
  const a = await spawnNode(t, { NODE_NAME: "attic", ACK: "peer" });
  const b = await spawnNode(t, { NODE_NAME: "kitchen", ACK: "peer", ...peer(a) });
  await b.ready();
  const page = await joinWithMicrophone(t, a.url, { ignore: AWAY });
  await recordUntil(page, "0:02");
  await tool(page, "Send").click();
  await voices(page).getByText("Stored on another node too").waitFor({ state: "attached" });
  await a.kill("SIGKILL");
  const raj = await join(t, b.url, "Raj");
  await voices(raj).getByRole("button", { name: "Play" }).click();
  await sounding(voices(raj)).waitFor();
  await page.getByText("Connected to kitchen").waitFor();
  await voices(page).getByRole("button", { name: "Play" }).click();
  await sounding(voices(page)).waitFor();
});
