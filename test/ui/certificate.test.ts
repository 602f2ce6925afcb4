/** The page that says how a device comes to trust a node. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join as joinPath } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { Authority } from "../../core/tls/authority.ts";
import { inspect } from "../helpers/axe.ts";
import { launch, newPage } from "../helpers/browser.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { newNode, type TestNode, temporaryDirectory } from "../helpers/node.ts";

const PHONE = { width: 360, height: 740 };
const SELF_SIGNED = { TLS: "self-signed" };
const hasCertutil = spawnSync("certutil", ["-H"]).error === undefined;

const plain = ({ url }: { url: string }) => `${url.replace("https:", "http:")}/ca`;
const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });

/** No wider than the screen, and nothing that a finger misses. */
async function fitsAPhone(page: Page): Promise<void> {
  const { width, tops } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    tops: [...document.querySelectorAll("a, button, summary")]
      .map(element => element.getBoundingClientRect().height)
      .filter(height => height > 0),
  }));
  assert.ok(width <= PHONE.width, `${width} px wide`);
  for (const height of tops) assert.ok(height >= 44, `${height} px high`);
}

for (const colorScheme of ["light", "dark"] as const)
  for (const [language, title, other, otherTitle] of [
    ["en", "Trust this chat on your device", "中文", "让这台设备信任此聊天"],
    ["zh-CN", "让这台设备信任此聊天", "English", "Trust this chat on your device"],
  ] as const)
    test(`over plain HTTP, ${colorScheme}, in the browser's language (${language}) and then in the other`, async t => {
      const node = await newNode(t, SELF_SIGNED);
      const page = await newPage(t, plain(node), { language, colorScheme, viewport: PHONE });
      await heading(page, title).waitFor();
      assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, "one language at a time");
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
      await inspect(page, title);
      await fitsAPhone(page);
      await page.getByRole("button", { name: other }).click();
      await heading(page, otherTitle).waitFor();
      await inspect(page, otherTitle);
      await fitsAPhone(page);
      await page.keyboard.press("Enter");
      await heading(page, title).waitFor();
    });

test("it shows the fingerprint, the steps for this device, and gives the file", async t => {
  const node = await newNode(t, SELF_SIGNED);
  const page = await newPage(t, plain(node));
  const shown = await page.locator(".fingerprint:visible").innerText();
  assert.equal(shown.trim().split(/\s+/).join(":"), node.authority?.fingerprint);
  const open = page.locator("details[open]:visible");
  assert.equal(await open.count(), 1);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download the certificate" }).click(),
  ]);
  assert.equal(readFileSync(await download.path(), "utf8"), node.authority?.certificate);
});

/** Chromium with a profile in which a person has installed the node's authority. */
async function trustingPage(t: TestContext, node: TestNode, ...flags: string[]): Promise<Page> {
  const home = temporaryDirectory(t);
  const database = joinPath(home, ".pki/nssdb");
  mkdirSync(database, { recursive: true });
  writeFileSync(joinPath(home, "ca.crt"), node.authority?.certificate ?? "");
  for (const words of [
    ["-N", "--empty-password"],
    ["-A", "-t", "C,,", "-n", "web-chat", "-i", joinPath(home, "ca.crt")],
  ]) {
    const { status, stderr } = spawnSync("certutil", ["-d", `sql:${database}`, ...words], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  }
  const browser = await launch({ flags, env: { HOME: home } });
  cleanUp(t, () => browser.close());
  return browser.newPage();
}

test("a browser with the authority installed opens the chat without a warning, and the link on the page does", async t => {
  if (!hasCertutil) return t.skip("there is no certutil on this machine");
  const node = await newNode(t, SELF_SIGNED);
  const page = await trustingPage(t, node);
  for (const host of ["localhost", "127.0.0.1"]) {
    await page.goto(`https://${host}:${node.port}/`);
    assert.equal(await page.evaluate(() => isSecureContext), true);
  }
  await page.goto(plain(node));
  await page.getByRole("link", { name: "Open the chat" }).click();
  await page.getByRole("textbox").waitFor();
  assert.equal(page.url(), `${node.url}/`);
});

test("a browser without the authority is warned", async t => {
  const node = await newNode(t, SELF_SIGNED);
  const page = await newPage(t, "about:blank");
  await assert.rejects(page.goto(node.url), /ERR_CERT_AUTHORITY_INVALID/);
});

test("a browser with the authority installed still takes no certificate of another site from it", async t => {
  if (!hasCertutil) return t.skip("there is no certutil on this machine");
  const node = await newNode(t, SELF_SIGNED);
  const [cert, key] = ["ca.crt", "ca.key"].map(name => readFileSync(joinPath(node.dataDir, "tls", name), "utf8"));
  const stolen = await Authority.read({ cert: cert ?? "", key: key ?? "" });
  for (const [name, expected] of [
    ["localhost", undefined],
    ["bank.example", /ERR_CERT/],
  ] as const) {
    const server = createServer(await stolen.issue([name]), (_, response) => response.end("in")).listen(0, "127.0.0.1");
    cleanUp(t, () => server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const page = await trustingPage(t, node, "--host-resolver-rules=MAP bank.example 127.0.0.1");
    const opened = page.goto(`https://${name}:${port}/`);
    if (expected) await assert.rejects(opened, expected);
    else assert.equal((await opened)?.status(), 200);
  }
});
