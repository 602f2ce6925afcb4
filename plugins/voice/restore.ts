/** What an earlier page left of its recordings is there again, to be heard, sent or discarded: one after the other. */
import { effect } from "@preact/signals";
import { MIN_MS } from "./measures.ts";
import type { VoiceShell } from "./player.ts";
import { type Done, discard, present, stage } from "./studio.ts";
import { Tape } from "./tape.ts";

const LOOK_AGAIN_MS = 500;

let shell: VoiceShell | undefined;
/** What was found, or is looked for, until it can be shown. */
let left: Promise<Done | undefined> | undefined;
let typedInto: EventTarget | null = null;

/** Shows the next one as soon as nothing else is recorded or reviewed. */
export function restore(from: VoiceShell): void {
  shell = from;
  void showNext();
}

/** Nobody is signed in any more. */
export function forget(): void {
  void left?.then(done => done?.tape.drop());
  left = shell = undefined;
  discard();
}

async function showNext(): Promise<void> {
  if (!shell || !isIdle()) return;
  left ??= look(shell).catch(() => undefined);
  const looked = left;
  const done = await looked;
  // What somebody writes is not taken from under the hands.
  while (isWriting()) await new Promise(later => setTimeout(later, LOOK_AGAIN_MS));
  if (left !== looked || (done && !isIdle())) return;
  left = undefined;
  if (done) present(done, "restored");
}

/** Of those that cannot be read nobody could hear anything: they are dropped. */
async function look(from: VoiceShell): Promise<Done | undefined> {
  for (;;) {
    const tape = await Tape.left(from);
    const finished = await tape?.finish().catch(() => undefined);
    if (!tape) return undefined;
    if (finished && finished.durationMs >= MIN_MS) return { tape, finished };
    tape.drop();
  }
}

const isIdle = () => stage.peek().name === "idle";
const isWriting = () => typedInto instanceof HTMLTextAreaElement && typedInto.isConnected && typedInto.value !== "";

addEventListener("input", ({ target }) => {
  typedInto = target;
});
// Another tab may have been closed meanwhile.
document.addEventListener("visibilitychange", () => document.hidden || void showNext());
effect(() => {
  if (stage.value.name === "idle") void showNext();
});
