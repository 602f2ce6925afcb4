/** From the first click to the message that is sent. There is one for the page: a recording goes on in other rooms. */
import { signal } from "@preact/signals";
import type { Medium } from "../../core/plugin.ts";
import type { Finished } from "./finish.ts";
import { MIN_MS } from "./measures.ts";
import { type Fault, openMicrophone } from "./microphone.ts";
import { hush } from "./player.ts";
import { Recorder } from "./recorder.ts";
import { begin } from "./solo.ts";
import { type Place, Tape } from "./tape.ts";

/** Where it is recorded, and others are told of it. */
export type Booth = Place & { typed(unsent: boolean, medium?: Medium): void };
/** Each is a key of the plugin's texts. */
type Why = "unplugged" | "limit" | "unkept" | "restored" | "";
export type Done = { tape: Tape; finished: Finished };
export type Stage =
  | { name: "idle" }
  | { name: "asking" }
  | { name: "recording"; place: Booth; tape: Tape; recorder: Recorder }
  | { name: "finishing"; tape: Tape }
  /** `why` is said where it did not end by a click. */
  | { name: "review"; tape: Tape; finished: Finished; url: string; why: Why }
  | { name: "fault"; fault: Fault | "short" | "broken" };

const IDLE: Stage = { name: "idle" };
const TELL_MS = 1_000;

export const stage = signal<Stage>(IDLE);
addEventListener("beforeunload", event => {
  const at = stage.peek();
  // What was said until then is kept, but it would end.
  if (at.name === "recording" || ("tape" in at && !at.tape.kept)) event.preventDefault();
});

let telling: ReturnType<typeof setInterval> | undefined;

/** Begins to record, with the microphone that was chosen last. */
export async function record(place: Booth): Promise<void> {
  const asking: Stage = { name: "asking" };
  move(asking);
  hush();
  let stream: MediaStream;
  try {
    stream = await openMicrophone(place.shell.recall("microphone"));
  } catch (fault) {
    return isAt(asking) ? move({ name: "fault", fault: fault as Fault }) : undefined;
  }
  if (!isAt(asking)) {
    for (const track of stream.getTracks()) track.stop();
    return;
  }
  const tape = Tape.begin(place);
  const recorder = new Recorder(
    stream,
    piece => tape.add(piece),
    why => {
      const at = stage.peek();
      if (at.name === "recording" && at.recorder === recorder) void review(why);
    },
  );
  begin(recorder);
  move({ name: "recording", place, tape, recorder });
  place.typed(true, "voice");
  telling = setInterval(() => recorder.paused.peek() || place.typed(true, "voice"), TELL_MS);
}

/** Ends the recording, to be heard before it is sent. */
export async function review(why: Why = ""): Promise<void> {
  const done = await end();
  if (done) present(done, why);
}

export function present({ tape, finished }: Done, why: Why): void {
  move({ name: "review", tape, finished, url: URL.createObjectURL(finished.file), why });
}

/** Ends the recording and sends it, or sends the one that was ended. */
export async function send(): Promise<void> {
  const at = stage.peek();
  const done = at.name === "review" ? at : await end();
  if (!done) return;
  const { tape, finished } = done;
  const { file, mime, durationMs, peaks } = finished;
  // A second click finds nothing that it could send again.
  const sending: Stage = { name: "finishing", tape };
  move(sending);
  try {
    const blob = await tape.place.shell.keep(file);
    if (!isAt(sending)) return;
    await tape.send({ blob, mime, durationMs, peaks });
    if (isAt(sending)) move(IDLE);
  } catch {
    if (isAt(sending)) present(done, "unkept");
  }
}

export function discard(): void {
  const at = stage.peek();
  if (at.name === "recording") void at.recorder.stop();
  if ("tape" in at) at.tape.drop();
  move(IDLE);
}

/** Begins anew with another microphone. */
export async function change(microphone: string): Promise<void> {
  const at = stage.peek();
  if (at.name !== "recording") return;
  at.place.shell.remember("microphone", microphone);
  discard();
  await record(at.place);
}

async function end(): Promise<Done | undefined> {
  const at = stage.peek();
  if (at.name !== "recording") return undefined;
  const { tape, recorder } = at;
  const finishing: Stage = { name: "finishing", tape };
  move(finishing);
  let fault: "short" | "broken" = "short";
  try {
    await recorder.stop();
    const finished = recorder.ms.peek() < MIN_MS ? undefined : await tape.finish();
    if (!isAt(finishing)) return undefined;
    if (finished && finished.durationMs >= MIN_MS) return { tape, finished };
  } catch {
    fault = "broken";
  }
  if (!isAt(finishing)) return undefined;
  tape.drop();
  move({ name: "fault", fault });
  return undefined;
}

const isAt = (then: Stage) => stage.peek() === then;

function move(to: Stage): void {
  const from = stage.peek();
  if (from.name === "recording") {
    clearInterval(telling);
    from.place.typed(false, "voice");
  }
  if (from.name === "review") URL.revokeObjectURL(from.url);
  stage.value = to;
}
