/** Whatever was thrown, by code that may throw anything, for people and for the core. */
import { CODES, Reject } from "../../errors.ts";
import { isObject } from "./results.ts";

const MAX_WHY_CHARACTERS = 500;

/** A refusal as it was agreed: what else rides in one made by JavaScript could keep it from being told. */
export function isRefusal(error: unknown): error is Reject {
  try {
    if (!(error instanceof Reject) || !Object.hasOwn(CODES, error.code) || typeof error.message !== "string")
      return false;
    return Object.values(error.details).every(detail => ["string", "number", "undefined"].includes(typeof detail));
  } catch {
    return false;
  }
}

/** One line for people, of whatever was thrown. */
export function whyOf(error: unknown): string {
  try {
    const text = isObject(error) && "message" in error ? error.message : error;
    return oneLine(String(text));
  } catch {
    return "something that cannot be shown was thrown";
  }
}

/** A text without what a terminal obeys, and without what turns the direction of writing, no longer than people read. */
export function oneLine(text: string): string {
  return text
    .replace(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, MAX_WHY_CHARACTERS)
    .toWellFormed();
}

export function stackOf(error: unknown): string | undefined {
  try {
    const stack = isObject(error) ? error.stack : undefined;
    return typeof stack === "string" ? stack : undefined;
  } catch {
    return undefined;
  }
}
