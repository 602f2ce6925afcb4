/** Which messages were heard in this browser, and how far. */
import { signal } from "@preact/signals";
import type { Recording } from "./message.ts";
import type { Voice, VoiceShell } from "./player.ts";

const MAX_HEARD = 2_000;
const MAX_POSITIONS = 50;
/** Nearer to either end, it begins anew. */
export const EDGE_S = 1;

type Memory = Pick<VoiceShell, "remember" | "recall">;

/** Each change is made to what the browser keeps by then: other tabs change it, too. */
export class Listened {
  /** Ids, oldest first. */
  readonly #heard = signal<ReadonlySet<string>>(new Set());
  /** Seconds by id. */
  readonly #positions = signal<ReadonlyMap<string, number>>(new Map());
  readonly #memory: Memory;
  /** What was read last. */
  #read = "";

  constructor(memory: Memory) {
    this.#memory = memory;
    this.refresh();
  }

  /** Another tab may have changed it. */
  refresh(): void {
    const [heard, positions] = ["heard", "positions"].map(key => this.#memory.recall(key, true)) as [string, string];
    if (this.#read === heard + positions) return;
    this.#read = heard + positions;
    this.#heard.value = new Set(heard.split(" ").filter(Boolean));
    this.#positions.value = new Map(
      positions
        .split(" ")
        .map(pair => pair.split("=") as [string, string])
        .filter(([id, seconds]) => id && Number(seconds) > 0)
        .map(([id, seconds]) => [id, Number(seconds)]),
    );
  }

  hasHeard(id: string): boolean {
    return this.#heard.value.has(short(id));
  }

  hear(id: string): void {
    this.refresh();
    if (this.#heard.peek().has(short(id))) return;
    const heard = [...this.#heard.peek(), short(id)].slice(-MAX_HEARD);
    this.#memory.remember("heard", heard.join(" "));
    this.refresh();
  }

  /** Seconds; 0 where it begins at its beginning. */
  positionOf(id: string): number {
    return this.#positions.value.get(short(id)) ?? 0;
  }

  keepPosition({ id, body }: Pick<Voice, "id"> & { body: Recording }, seconds: number): void {
    this.refresh();
    const positions = new Map(this.#positions.peek());
    positions.delete(short(id));
    if (seconds >= EDGE_S && seconds <= body.durationMs / 1_000 - EDGE_S) positions.set(short(id), seconds);
    const kept = [...positions].slice(-MAX_POSITIONS);
    this.#memory.remember("positions", kept.map(([id, at]) => `${id}=${at.toFixed(1)}`).join(" "));
    this.refresh();
  }
}

/** The random end of an id tells messages apart well enough. */
const short = (id: string) => id.slice(-12);
