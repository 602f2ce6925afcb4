/** Between the microphone and what records it: another one can take over meanwhile, and one sees how loud it is. */
import { letGo } from "./microphone.ts";

/** A browser that lets no sound through by then has its microphone recorded directly. */
const PATIENCE_MS = 500;

export class Mixer {
  readonly #context = new AudioContext();
  readonly #analyser = this.#context.createAnalyser();
  readonly #samples = new Float32Array(this.#analyser.fftSize);
  readonly #mixed = new MediaStreamAudioDestinationNode(this.#context, { channelCount: 1 });
  readonly #unplugged: () => void;
  #source: MediaStreamAudioSourceNode | undefined;

  /** `unplugged` is called where the microphone is gone. */
  constructor(unplugged: () => void) {
    this.#unplugged = unplugged;
    this.#analyser.connect(this.#mixed);
    // A call that comes in meanwhile holds it up.
    this.#context.addEventListener("statechange", () => void this.#context.resume().catch(() => {}));
  }

  /** Lets go of the microphone that it had. */
  take(stream: MediaStream): void {
    this.#source?.disconnect();
    letGo(this.#source?.mediaStream);
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
    stream.getAudioTracks()[0]?.addEventListener("ended", () => {
      if (this.#source?.mediaStream === stream) this.#unplugged();
    });
  }

  /** The sound of whichever microphone it has; undefined where the browser lets none through. */
  async output(): Promise<MediaStream | undefined> {
    const patience = new Promise(done => setTimeout(done, PATIENCE_MS));
    await Promise.race([this.#context.resume().catch(() => {}), patience]);
    return this.#context.state === "running" ? this.#mixed.stream : undefined;
  }

  /** The id of the microphone that it has. */
  get microphone(): string {
    return this.#source?.mediaStream.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** How loud it is, 0–1. */
  level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return this.#samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  }

  close(): void {
    letGo(this.#source?.mediaStream);
    if (this.#context.state !== "closed") void this.#context.close();
  }
}
