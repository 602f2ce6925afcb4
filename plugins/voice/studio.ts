/** From the first click to the message that is sent. There is one for the page: a recording goes on in other rooms. */
import { signal } from "@preact/signals";
import type { Medium } from "../../core/plugin.ts";
import type { Finished } from "./finish.ts";
import { MIN_MS } from "./measures.ts";
import { type Fault, openMicrophone } from "./microphone.ts";
import { hush, type VoiceShell } from "./player.ts";
import { Recorder } from "./recorder.ts";

export type Place = {
  shell: VoiceShell;
  room: string;
  roomName: string;
  typed(unsent: boolean, medium?: Medium): void;
};
/** Each is a key of the plugin's texts. */
type Why = "unplugged" | "limit" | "unkept" | "";
type Done = { place: Place; finished: Finished };
export type Stage =
  | { name: "idle" }
  | { name: "asking"; place: Place }
  | { name: "recording"; place: Place; recorder: Recorder }
  | { name: "finishing"; place: Place }
  /** `why` is said where it did not end by a click. */
  | { name: "review"; place: Place; finished: Finished; url: string; why: Why }
  | { name: "fault"; fault: Fault | "short" | "broken" };

const RETRY_MS = 1_000;
const IDLE: Stage = { name: "idle" };
const TELL_MS = 1_000;

export const stage = signal<Stage>(IDLE);
addEventListener("beforeunload", event => {
  if (["recording", "finishing", "review"].includes(stage.peek().name)) event.preventDefault();
});

let telling: ReturnType<typeof setInterval> | undefined;

/** Begins to record, with the microphone that was chosen last. */
export async function record(place: Place): Promise<void> {
  const asking: Stage = { name: "asking", place };
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
  const recorder = new Recorder(stream, why => {
    const at = stage.peek();
    if (at.name === "recording" && at.recorder === recorder) void review(why);
  });
  move({ name: "recording", place, recorder });
  void finisher();
  place.typed(true, "voice");
  telling = setInterval(() => recorder.paused.peek() || place.typed(true, "voice"), TELL_MS);
}

/** Ends the recording, to be heard before it is sent. */
export async function review(why: Why = ""): Promise<void> {
  const done = await end();
  if (done) present(done, why);
}

function present({ place, finished }: Done, why: Why): void {
  move({ name: "review", place, finished, url: URL.createObjectURL(finished.file), why });
}

/** Ends the recording and sends it, or sends the one that was ended. */
export async function send(): Promise<void> {
  const at = stage.peek();
  const done = at.name === "review" ? at : await end();
  if (!done) return;
  // A second click finds nothing that it could send again.
  move({ name: "finishing", place: done.place });
  const { file, mime, durationMs, peaks } = done.finished;
  const { shell, room } = done.place;
  try {
    const blob = await shell.keep(file);
    shell.send({ blob, mime, durationMs, peaks }, { room });
    move(IDLE);
  } catch {
    present(done, "unkept");
  }
}

export function discard(): void {
  const at = stage.peek();
  if (at.name === "recording") void at.recorder.stop();
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
  const { place, recorder } = at;
  const finishing: Stage = { name: "finishing", place };
  move(finishing);
  try {
    const [{ finish }, recorded] = await Promise.all([finisher(), recorder.stop()]);
    const finished = recorder.ms.peek() < MIN_MS ? undefined : await finish(recorded);
    if (!isAt(finishing)) return undefined;
    if (finished && finished.durationMs >= MIN_MS) return { place, finished };
    move({ name: "fault", fault: "short" });
  } catch {
    if (isAt(finishing)) move({ name: "fault", fault: "broken" });
  }
  return undefined;
}

/** What was recorded waits until this could be loaded. */
async function finisher(): Promise<typeof import("./finish.ts")> {
  for (;;) {
    try {
      return await import("./finish.ts");
    } catch {
      await new Promise(done => setTimeout(done, RETRY_MS));
    }
  }
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
