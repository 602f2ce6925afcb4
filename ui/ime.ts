/** An input method at work: its Enter takes a word over, and does nothing else. */

/** Safari says it by key code only. */
const COMPOSING_KEY = 229;

export function isComposing({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === COMPOSING_KEY;
}
