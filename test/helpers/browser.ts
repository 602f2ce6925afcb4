import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, type TestContext } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { cleanUp } from "./cleanup.ts";

const root = join(import.meta.dirname, "../..");
const artifacts = join(root, "dist/test-artifacts");
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export type PageOptions = {
  /** As the browser's settings say it: `en`, `zh-CN`. */
  language?: string;
  /** In CSS pixels. */
  viewport?: { width: number; height: number };
  colorScheme?: "light" | "dark";
  /** Takes any certificate. */
  trust?: boolean;
  /** Another browser than the one of the whole file. */
  browser?: Browser;
  /** It has a touch screen. */
  touch?: boolean;
  /** Errors that the test brings about on purpose. */
  ignore?: readonly (string | RegExp)[];
};

let pictures = 0;
let launched: Promise<Browser> | undefined;
after(async () => (await launched)?.close());

/** One Chromium for all tests of a file, closed when the file is through. */
export function openBrowser(): Promise<Browser> {
  launched ??= launch();
  return launched;
}

type Own = {
  flags?: string[];
  env?: Record<string, string>;
  /** With its windows: permissions, and names of devices that stay, are the browser's around the engine. */
  isWhole?: boolean;
};

/** One of its own, which the test closes. */
export function launch({ flags = [], env = {}, isWhole = false }: Own = {}): Promise<Browser> {
  const environment = { ...process.env, ...env } as Record<string, string>;
  return chromium.launch({ executablePath: chromiumPath(isWhole), args: [...FLAGS, ...flags], env: environment });
}

/**
 * A page at `url` in a profile of its own; more tabs of the same person come from `page.context().newPage()`. The test
 * fails if any of them throws, logs an error or violates its content security policy, and a test that fails leaves a
 * picture of each in dist/test-artifacts/.
 */
export async function newPage(t: TestContext, url: string, options: PageOptions = {}): Promise<Page> {
  const {
    language = "en",
    viewport = { width: 1280, height: 800 },
    colorScheme = "light",
    ignore = [],
    trust = false,
    touch = false,
    browser = await openBrowser(),
  } = options;
  const context = await browser.newContext({
    locale: language,
    viewport,
    colorScheme,
    ignoreHTTPSErrors: trust,
    hasTouch: touch,
  });
  const errors = await collectErrors(context);
  // Before the nodes that it talks to, which were there earlier.
  cleanUp(t, async () => {
    const unexpected = errors.filter(error => !ignore.some(known => says(error, known)));
    // Node has had it since 21.7; its types lack it.
    const { passed } = t as TestContext & { passed: boolean };
    if (!passed || unexpected.length > 0) await takePictures(t, context);
    await context.close();
    assert.deepEqual(unexpected, [], "errors in the page");
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

async function collectErrors(context: BrowserContext): Promise<string[]> {
  const errors: string[] = [];
  context.on("weberror", thrown => errors.push(`uncaught: ${thrown.error().stack ?? thrown.error()}`));
  context.on("console", message => {
    if (message.type() === "error") errors.push(`console: ${message.text()} (${message.location().url})`);
  });
  // The console has violations too, but not those of a policy that only reports.
  await context.exposeFunction("reportViolation", (violation: string) => errors.push(violation));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      (window as unknown as { reportViolation(violation: string): void }).reportViolation(
        `content security policy: ${effectiveDirective} refused ${blockedURI}`,
      );
    });
  });
  return errors;
}

function says(error: string, known: string | RegExp): boolean {
  return typeof known === "string" ? error.includes(known) : known.test(error);
}

async function takePictures(t: TestContext, context: BrowserContext): Promise<void> {
  mkdirSync(artifacts, { recursive: true });
  const name = `${basename(t.filePath ?? "", ".test.ts")} ${t.fullName}`.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 120);
  for (const page of context.pages()) {
    const path = join(artifacts, `${name}-${++pictures}.png`);
    // What the test failed of is worth more than why there is no picture.
    await page.screenshot({ path, timeout: 5_000 }).catch(() => {});
  }
}

/** $CHROMIUM, or the one that the set-up of `npm test` found or installed. */
function chromiumPath(isWhole: boolean): string {
  const [whole, shell] = ["chromium", "chromium-shell"].map(name => {
    const file = join(root, "node_modules/.cache/web-chat", name);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  });
  const path = process.env.CHROMIUM ?? ((!isWhole && shell) || whole);
  assert.ok(path, "no Chromium is known: run `npm test`, which finds or installs one, or name one in CHROMIUM");
  return path;
}
