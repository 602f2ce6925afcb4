/** From the first click to the message that is sent. There is one for the page: a recording goes on in other rooms. */
import { type Signal, signal } from "@preact/signals";
import type { Finished } from "./finish.ts";
import { MIN_MS } from "./measures.ts";
import { type Fault, isAllowed, letGo, openMicrophone } from "./microphone.ts";
import { hush } from "./player.ts";
import { Recorder } from "./recorder.ts";
import { begin } from "./solo.ts";
import { type Place, Tape } from "./tape.ts";

/** Where it is recorded, and others are told of it. */
export type Booth = Place & { typed(unsent: boolean): void };
/** Each is a key of the plugin's texts. */
type Why = "unplugged" | "limit" | "unkept" | "restored" | "";
export type Done = { tape: Tape; finished: Finished };
export type Stage =
  | { name: "idle" }
  /** As idle; it is said for a moment how long a recording has to be. */
  | { name: "short" }
  /** `allowed` is true where nobody is asked, and the microphone only takes its time. */
  | { name: "asking"; allowed: Signal<boolean> }
  | { name: "recording"; place: Booth; tape: Tape; recorder: Recorder }
  | { name: "finishing"; tape: Tape }
  /** `why` is said where it did not end by a click. */
  | { name: "review"; tape: Tape; finished: Finished; url: string; why: Why }
  | { name: "fault"; fault: Fault | "broken" };

const IDLE: Stage = { name: "idle" };
const TELL_MS = 1_000;
/** Long enough to read it. */
const HINT_MS = 4_000;

export const stage = signal<Stage>(IDLE);
addEventListener("beforeunload", event => {
  const at = stage.peek();
  // What was said until then is kept, but it would end.
  if (at.name === "recording" || ("tape" in at && !at.tape.kept)) event.preventDefault();
});

let telling: ReturnType<typeof setInterval> | undefined;

/** Begins to record, with the microphone that was chosen last. */
export async function record(place: Booth): Promise<void> {
  const asking: Stage = { name: "asking", allowed: signal(false) };
  move(asking);
  hush();
  void isAllowed().then(allowed => {
    asking.allowed.value = allowed;
  });
  let stream: MediaStream | undefined;
  let tape: Tape | undefined;
  let recorder: Recorder;
  try {
    stream = await openMicrophone(place.shell.recall("microphone"));
    recorder = await Recorder.begin(stream, {
      piece: piece => tape?.add(piece),
      ended: why => isRecording(recorder) && void review(why),
    });
  } catch (error) {
    letGo(stream);
    // What is no fault of the microphone's is the browser's.
    const fault = typeof error === "string" ? (error as Fault) : "unsupported";
    return isAt(asking) ? move({ name: "fault", fault }) : undefined;
  }
  if (!isAt(asking)) return recorder.stop();
  tape = Tape.begin(place);
  begin(recorder);
  move({ name: "recording", place, tape, recorder });
  place.typed(true);
  telling = setInterval(() => recorder.paused.peek() || place.typed(true), TELL_MS);
}

function isRecording(recorder: Recorder): boolean {
  const at = stage.peek();
  return at.name === "recording" && at.recorder === recorder;
}

/** What held the button let go of it: sends what was said. Somebody who was asked meanwhile lets go to answer, and goes on. */
export function release(): void {
  const at = stage.peek();
  if (at.name === "recording") void send();
  else if (at.name === "asking" && at.allowed.peek()) hint();
}

/** Says for a moment how long a recording has to be. */
function hint(): void {
  const short: Stage = { name: "short" };
  move(short);
  setTimeout(() => isAt(short) && move(IDLE), HINT_MS);
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

/** Goes on with another microphone, which is remembered if it can be opened. */
export async function change(microphone: string): Promise<void> {
  const at = stage.peek();
  if (at.name !== "recording") return;
  if (await at.recorder.change(microphone)) at.place.shell.remember("microphone", microphone);
}

async function end(): Promise<Done | undefined> {
  const at = stage.peek();
  if (at.name !== "recording") return undefined;
  const { tape, recorder } = at;
  const finishing: Stage = { name: "finishing", tape };
  move(finishing);
  let isBroken = false;
  try {
    await recorder.stop();
    const finished = recorder.ms.peek() < MIN_MS ? undefined : await tape.finish();
    if (!isAt(finishing)) return undefined;
    if (finished && finished.durationMs >= MIN_MS) return { tape, finished };
  } catch {
    isBroken = true;
  }
  if (!isAt(finishing)) return undefined;
  tape.drop();
  if (isBroken) move({ name: "fault", fault: "broken" });
  else hint();
  return undefined;
}

const isAt = (then: Stage) => stage.peek() === then;

function move(to: Stage): void {
  const from = stage.peek();
  if (from.name === "recording") {
    clearInterval(telling);
    from.place.typed(false);
  }
  if (from.name === "review") URL.revokeObjectURL(from.url);
  stage.value = to;
}
