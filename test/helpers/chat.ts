/** What a person does in the page, in one word each. */
import type { TestContext } from "node:test";
import type { Page } from "playwright-core";
import { newPage, type PageOptions } from "./browser.ts";

/** Opens the page and joins under a name. */
export async function join(t: TestContext, url: string, name: string, options: PageOptions = {}): Promise<Page> {
  const page = await newPage(t, url, options);
  await enter(page, name);
  return page;
}

/** Joins under a name, on the first screen. */
export async function enter(page: Page, name: string): Promise<void> {
  await page.getByRole("textbox").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
}

/** Logs out; after that the first screen is there. */
export async function logOut(page: Page): Promise<void> {
  // What is behind another tab is drawn once a second, and so clicked as slowly.
  await page.bringToFront();
  await page.getByRole("button", { name: /Account and settings/ }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("dialog", { name: "Log out" }).getByRole("button", { name: "Log out" }).click();
  await page.getByText("You have logged out.").waitFor();
}

/** Writes into the composer and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press("Enter");
}

export const composer = (page: Page) => page.getByRole("textbox", { name: /^(Message|发消息|在)/ });

/** The row of the timeline that has this text. */
export const row = (page: Page, text: string) => page.getByRole("log").getByRole("article").filter({ hasText: text });

/** Texts of the timeline's rows, top to bottom. */
export const rows = (page: Page) => page.getByRole("log").getByRole("article").locator("p").allInnerTexts();
