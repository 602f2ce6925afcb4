/**
 * How much memory the heap takes: little while a node idles, however many are connected, and more while there is much to
 * do. What is left behind is given back to the system, which otherwise nothing would do while a node idles.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** One who comes or goes leaves as much behind as so many messages. */
const WORK_OF_CLIENT = 5;
/** In a second: collecting a small young generation again and again would be what the time goes into. */
const MUCH_WORK = 500;
const LITTLE_WORK = 50;
/** Seconds of little work after which more of it is not expected. */
const CALM_TICKS = 3;
/** What has to be done to leave something behind that is worth the stop. */
const WORTH_A_RELEASE = 2_000;

/** What is done with the heap of this process. */
export type Heap = {
  /** Whether the young generation may grow beyond what it has. */
  letYoungGrow(may: boolean): void;
  release(): void;
};

const ownHeap: Heap = {
  letYoungGrow: may => setFlagsFromString(`--semi-space-growth-factor=${may ? 2 : 1}`),
  release: releaseMemory,
};

/**
 * The young generation would grow to three times 16 MB with the first thousand connections, all of which stay, and never
 * shrink: that is 20 KB a connection. So it stays as small as it begins, but for the time of a storm or a flood.
 */
export class Memory {
  readonly #heap: Heap;
  #work = 0;
  #clients = 0;
  #workSinceRelease = 0;
  #calmTicks = 0;

  constructor(heap = ownHeap) {
    this.#heap = heap;
    heap.letYoungGrow(false);
  }

  /** What is caught up with in segments leaves little behind here: only where somebody listens it is unpacked. */
  committed(envelopes: number): void {
    this.#work += envelopes;
  }

  /** Once a second, with how many clients there are. */
  tick(clients: number): void {
    const work = this.#work + WORK_OF_CLIENT * Math.abs(clients - this.#clients);
    this.#work = 0;
    this.#clients = clients;
    this.#workSinceRelease += work;
    this.#heap.letYoungGrow(work >= MUCH_WORK);
    this.#calmTicks = work < LITTLE_WORK ? this.#calmTicks + 1 : 0;
    if (this.#calmTicks < CALM_TICKS || this.#workSinceRelease < WORTH_A_RELEASE) return;
    this.#workSinceRelease = 0;
    this.#heap.release();
  }
}

/** Collects all garbage of the calling thread at once, some 10 ms, or 100 where there is much: call it when nobody waits. */
export function releaseMemory(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (how: object) => void;
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
