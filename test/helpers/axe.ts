/** What axe makes of a page. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

type Finding = { id: string; nodes: { html: string; failureSummary: string }[] };

/** Fails with what axe finds. */
export async function inspect(page: Page, what: string): Promise<void> {
  // Colours are judged as they are in the end.
  await page.waitForFunction(() => document.getAnimations().every(animation => animation.playState !== "running"));
  await page.evaluate(AXE);
  const findings = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Finding[] }> } };
    return (await axe.run()).violations;
  });
  const list = findings.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(list, [], what);
}
