/** Reading a room from one end to the other. */
import type { Page } from "playwright-core";

/** As many rows as are in reach of a reader in a window of 800 CSS pixels. */
export const MOST_DRAWN = 320;

/** Goes through the timeline; returns all that came by, oldest first, and the most rows that were drawn at once. */
export function read(page: Page, direction: "up" | "down"): Promise<{ texts: string[]; drawn: number }> {
  return page.getByRole("log").evaluate(async (box, direction) => {
    const pages: string[][] = [];
    let drawn = 0;
    const isThere = () =>
      direction === "up"
        ? box.textContent?.includes(" begins.") && box.scrollTop - box.clientHeight < 2 - box.scrollHeight
        : box.scrollTop > -2 && !document.querySelector(".pill");
    for (let there = 0; there < 3; there = isThere() ? there + 1 : 0) {
      const rows = [...box.querySelectorAll("article")];
      drawn = Math.max(drawn, rows.length);
      pages.push(rows.map(row => row.querySelector("p")?.textContent ?? ""));
      box.scrollTop = Math.min(0, box.scrollTop + (direction === "up" ? -600 : 600));
      await new Promise(requestAnimationFrame);
    }
    if (direction === "up") pages.reverse();
    return { texts: [...new Set(pages.flat())], drawn };
  }, direction);
}
