/** A recording under way. */
import { signal } from "@preact/signals";
import { MAX_MS } from "./measures.ts";
import { recordable } from "./microphone.ts";
import { begin } from "./solo.ts";

const BITS_PER_SECOND = 28_000;
/** How often it is looked how loud it is. */
const LOOK_MS = 60;
const SHOWN_LEVELS = 60;
/** The file ends a little later than it is told to. */
const MARGIN_MS = 300;

export class Recorder {
  /** How loud it was lately, 0–255. */
  readonly levels = signal<readonly number[]>(Array(SHOWN_LEVELS).fill(0));
  /** How long it is by now, in milliseconds, without pauses. */
  readonly ms = signal(0);
  readonly paused = signal(false);
  readonly microphone: string;
  readonly #stream: MediaStream;
  readonly #recorder: MediaRecorder;
  readonly #context = new AudioContext();
  readonly #timer: ReturnType<typeof setInterval>;
  #lookedAt = performance.now();

  /**
   * `piece` gets what is recorded, each second. `ended` is called once where it has to end by itself: the microphone is
   * gone, or the longest recording is reached.
   */
  constructor(stream: MediaStream, piece: (data: Blob) => void, ended: (why: "unplugged" | "limit") => void) {
    this.#stream = stream;
    this.microphone = stream.getAudioTracks()[0]?.getSettings().deviceId ?? "";
    this.#recorder = new MediaRecorder(stream, { mimeType: recordable(), audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener("dataavailable", ({ data }) => piece(data));
    stream.getAudioTracks()[0]?.addEventListener("ended", () => ended("unplugged"));
    const look = this.#meter(stream);
    this.#timer = setInterval(() => {
      look();
      if (this.ms.peek() >= MAX_MS - MARGIN_MS) ended("limit");
    }, LOOK_MS);
    this.#recorder.start(1_000);
  }

  #meter(stream: MediaStream): () => void {
    const analyser = this.#context.createAnalyser();
    this.#context.createMediaStreamSource(stream).connect(analyser);
    void this.#context.resume();
    const samples = new Float32Array(analyser.fftSize);
    return () => {
      const now = performance.now();
      const passedMs = now - this.#lookedAt;
      this.#lookedAt = now;
      if (this.paused.peek()) return;
      this.ms.value += passedMs;
      analyser.getFloatTimeDomainData(samples);
      const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      this.levels.value = [...this.levels.peek().slice(1), Math.min(255, Math.sqrt(loudest) * 255)];
    };
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

  /** Ends it, and lets go of the microphone. Resolves after the last piece. */
  async stop(): Promise<void> {
    if (this.#recorder.state !== "inactive") {
      const stopped = new Promise(done => this.#recorder.addEventListener("stop", done, { once: true }));
      this.#recorder.stop();
      await stopped;
    }
    clearInterval(this.#timer);
    for (const track of this.#stream.getTracks()) track.stop();
    void this.#context.close();
  }
}
