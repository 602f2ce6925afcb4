/** A recording under way. */
import { signal } from "@preact/signals";
import { MAX_MS } from "./measures.ts";
import { letGo, openExactly, recordable } from "./microphone.ts";
import { Mixer } from "./mixer.ts";
import { begin } from "./solo.ts";

const BITS_PER_SECOND = 28_000;
/** How often it is looked how loud it is. */
const LOOK_MS = 60;
const SHOWN_LEVELS = 60;
/** The file ends a little later than it is told to. */
const MARGIN_MS = 300;

type Handlers = {
  /** Gets what is recorded, each second. */
  piece(data: Blob): void;
  /** Called once where it has to end by itself: the microphone is gone, or the longest recording is reached. */
  ended(why: "unplugged" | "limit"): void;
};

export class Recorder {
  /** How loud it was lately, 0–255. */
  readonly levels = signal<readonly number[]>(Array(SHOWN_LEVELS).fill(0));
  /** How long it is by now, in milliseconds, without pauses. */
  readonly ms = signal(0);
  readonly paused = signal(false);
  /** The id of the microphone, or of the one that is about to take over. */
  readonly microphone = signal("");
  /** Another microphone was wanted, and could not be opened. */
  readonly refused = signal(false);
  /** Another microphone can take over. */
  readonly canChange: boolean;
  readonly #mixer: Mixer;
  readonly #recorder: MediaRecorder;
  readonly #timer: ReturnType<typeof setInterval>;
  #lookedAt = performance.now();

  /** Takes the microphone over, and lets go of it in the end. */
  static async begin(stream: MediaStream, handlers: Handlers): Promise<Recorder> {
    const mixer = new Mixer(() => handlers.ended("unplugged"));
    mixer.take(stream);
    const mixed = await mixer.output();
    return new Recorder(mixer, mixed ?? stream, mixed !== undefined, handlers);
  }

  constructor(mixer: Mixer, output: MediaStream, canChange: boolean, { piece, ended }: Handlers) {
    this.#mixer = mixer;
    this.canChange = canChange;
    this.microphone.value = mixer.microphone;
    this.#recorder = new MediaRecorder(output, { mimeType: recordable(), audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener("dataavailable", ({ data }) => piece(data));
    this.#timer = setInterval(() => {
      this.#look();
      if (this.ms.peek() >= MAX_MS - MARGIN_MS) ended("limit");
    }, LOOK_MS);
    this.#recorder.start(1_000);
  }

  #look(): void {
    const now = performance.now();
    const passedMs = now - this.#lookedAt;
    this.#lookedAt = now;
    if (this.paused.peek()) return;
    this.ms.value += passedMs;
    this.levels.value = [...this.levels.peek().slice(1), Math.min(255, Math.sqrt(this.#mixer.level()) * 255)];
  }

  pause(): void {
    if (this.#recorder.state !== "recording") return;
    this.paused.value = true;
    this.#recorder.pause();
    // The page may be gone before it goes on.
    this.#recorder.requestData();
  }

  resume(): void {
    begin(this);
    this.#recorder.resume();
    this.paused.value = false;
  }

  /** Goes on with another microphone, or as before where that one cannot be opened; returns whether it could. */
  async change(microphone: string): Promise<boolean> {
    this.microphone.value = microphone;
    this.refused.value = false;
    const stream = await openExactly(microphone).catch(() => undefined);
    // Yet another one may have been chosen meanwhile.
    const isWanted = this.microphone.peek() === microphone && this.#recorder.state !== "inactive";
    if (stream && isWanted) this.#mixer.take(stream);
    else letGo(stream);
    if (isWanted) {
      this.refused.value = !stream;
      this.microphone.value = this.#mixer.microphone;
    }
    return stream !== undefined && isWanted;
  }

  /** Ends it, and lets go of the microphone. Resolves after the last piece. */
  async stop(): Promise<void> {
    if (this.#recorder.state !== "inactive") {
      const stopped = new Promise(done => this.#recorder.addEventListener("stop", done, { once: true }));
      this.#recorder.stop();
      await stopped;
    }
    clearInterval(this.#timer);
    this.#mixer.close();
  }
}
