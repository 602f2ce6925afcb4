/** A file that is played while it is loaded, and goes on where its node dies meanwhile. */
import { signal } from "@preact/signals";
import { begin } from "./solo.ts";

/** How long nothing may come before it is asked for again; twice as long each time. */
const PATIENCE_MS = 3_000;
/** Time for the page to notice that its node is gone. */
const RETRY_MS = 1_000;

type Listener = { started(): void; paused(): void; ended(): void; failed(): void };

export class Sound {
  /** It sounds, or will as soon as enough is there. */
  readonly playing = signal(false);
  /** Not enough is there. */
  readonly loading = signal(false);
  /** In seconds. */
  readonly position = signal(0);
  readonly #audio = new Audio();
  readonly #connected: () => boolean;
  #address = () => "";
  /** What it is loaded from may be gone. */
  #stale = false;
  #retried = false;
  #patienceMs = PATIENCE_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `connected` says whether it makes sense to ask a node now. */
  constructor(listener: Listener, connected: () => boolean) {
    this.#connected = connected;
    this.#audio.preload = "none";
    this.#audio.preservesPitch = true;
    this.#follow(listener);
  }

  set rate(rate: number) {
    this.#audio.defaultPlaybackRate = this.#audio.playbackRate = rate;
  }

  /** Plays what is at `address`, which is asked anew each time that it is loaded. */
  open(address: () => string, seconds: number): void {
    this.#address = address;
    this.#retried = false;
    this.#patienceMs = PATIENCE_MS;
    this.#load(seconds);
  }

  play(): void {
    const audio = this.#audio;
    if (audio.error || (this.#stale && !this.#hasEnough)) return this.#load(this.position.peek());
    audio.play().catch(() => {
      // Why it does not play is told by the element's events, unless the browser forbids it.
      if (audio.paused) this.#rest();
    });
  }

  get #hasEnough(): boolean {
    return this.#audio.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
  }

  pause(): void {
    this.#audio.pause();
    // Without it where there is nothing to pause yet.
    this.#rest();
  }

  seek(seconds: number): void {
    this.#audio.currentTime = seconds;
    this.position.value = seconds;
  }

  close(): void {
    this.#rest();
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  /** The page has a node again, be it another one. */
  reconnected(): void {
    this.#stale = true;
    this.#retried = false;
    if (this.loading.peek()) this.#again();
  }

  #load(seconds: number): void {
    this.#stale = false;
    this.#audio.src = this.#address();
    this.seek(seconds);
    this.play();
  }

  #again(): void {
    // A connection to come calls this once more.
    if (this.#connected()) this.#load(this.position.peek());
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.playing.value = this.loading.value = false;
  }

  #wait(): void {
    this.loading.value = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#patienceMs *= 2;
      this.#again();
    }, this.#patienceMs);
  }

  #follow({ started, paused, ended, failed }: Listener): void {
    const audio = this.#audio;
    const on = (event: string, handle: () => void) => audio.addEventListener(event, handle);
    let frame = 0;
    const step = () => {
      if (audio.paused || this.loading.peek()) return;
      this.position.value = audio.currentTime;
      frame = requestAnimationFrame(step);
    };
    on("play", () => {
      begin(this);
      this.playing.value = true;
      if (!this.#hasEnough) this.#wait();
    });
    on("waiting", () => (this.#stale ? this.#again() : this.#wait()));
    on("progress", () => this.loading.peek() && this.#wait());
    on("playing", () => {
      clearTimeout(this.#timer);
      this.#patienceMs = PATIENCE_MS;
      this.loading.value = false;
      started();
      cancelAnimationFrame(frame);
      step();
    });
    on("timeupdate", () => {
      if (!audio.seeking && audio.readyState > 0) this.position.value = audio.currentTime;
    });
    on("pause", () => {
      this.#rest();
      paused();
    });
    on("ended", ended);
    on("error", () => {
      // Paused, it is loaded anew when it goes on.
      if (!audio.hasAttribute("src") || !this.playing.peek()) return;
      clearTimeout(this.#timer);
      this.loading.value = true;
      if (!this.#connected()) return;
      if (this.#retried) return failed();
      this.#retried = true;
      this.#timer = setTimeout(() => this.#again(), RETRY_MS);
    });
  }
}
