/** Somebody who writes at an even pace into some rooms, and keeps the order in each of them whatever is refused. */
import { setTimeout as sleep } from "node:timers/promises";
import { v7 as uuid } from "uuid";
import { type Auth, Person } from "./person.ts";

const RETRY_MS = 1_000;

export class Writer {
  readonly #port: number;
  readonly #auth: Auth;
  #person: Person;
  #coming: Promise<void> | undefined;
  readonly #rooms: readonly string[];
  readonly #written = new Map<string, number>();
  readonly #chains: Promise<void>[];
  /** How often a message was refused by a code, or its connection `cut`, and went again. */
  readonly refused = new Map<string, number>();
  /** How long each ack took, in milliseconds. */
  readonly acks: number[] = [];
  #writing = true;

  private constructor(port: number, auth: Auth, person: Person, rooms: readonly string[], perSecond: number) {
    this.#port = port;
    this.#auth = auth;
    this.#person = person;
    this.#rooms = rooms;
    this.#chains = rooms.map(room => this.#write(room, (rooms.length / perSecond) * 1_000));
  }

  /** Joins the rooms and begins to write, `perSecond` messages in all of them together, or as many as are taken. */
  static async start(port: number, auth: Auth, rooms: readonly string[], perSecond: number): Promise<Writer> {
    return new Writer(port, auth, await enter(port, auth, rooms), rooms, perSecond);
  }

  /** How many messages of a room were acked. */
  written(room: string): number {
    return this.#written.get(room) ?? 0;
  }

  /** Resolves when all that was begun is acked. */
  async stop(): Promise<void> {
    this.#writing = false;
    await Promise.all(this.#chains);
    this.#person.cut();
  }

  /** One at a time: what is refused goes again before what follows it. */
  async #write(room: string, everyMs: number): Promise<void> {
    // Not all rooms in the same moment.
    let due = performance.now() + everyMs * (this.#rooms.indexOf(room) / this.#rooms.length);
    while (this.#writing) {
      const pause = due - performance.now();
      if (pause > 0) await sleep(pause);
      due = Math.max(due + everyMs, performance.now() - everyMs);
      await this.#deliver(room, { id: uuid(), room, body: { text: `${this.written(room)}: shall we ship it?` } });
    }
  }

  async #deliver(room: string, message: object): Promise<void> {
    const from = performance.now();
    for (;;) {
      const { ok, code = "", retryAfterMs = RETRY_MS } = await this.#person.ask("text", message);
      if (ok) {
        this.acks.push(performance.now() - from);
        this.#written.set(room, this.written(room) + 1);
        return;
      }
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      if (code === "cut") await this.#comeBack();
      else if (code === "overloaded" || code === "rate-limited") await sleep(retryAfterMs);
      else throw new Error(`refused: ${code}`);
    }
  }

  /** Once for all rooms whose message was under way. */
  #comeBack(): Promise<void> {
    this.#coming ??= enter(this.#port, this.#auth, this.#rooms).then(person => {
      this.#person = person;
      this.#coming = undefined;
    });
    return this.#coming;
  }
}

async function enter(port: number, auth: Auth, rooms: readonly string[]): Promise<Person> {
  const person = await Person.enter(port, auth);
  for (const room of rooms) {
    const { ok, code } = await person.ask("join", { room });
    if (!ok) throw new Error(`join: ${code}`);
  }
  return person;
}
