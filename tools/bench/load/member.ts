/** A person in one room, who has to hear each message of it once and in the order of its stream, however often it is cut off. */
import type { Message } from "../../../core/plugin.ts";
import { type Answer, type Auth, Person } from "./person.ts";

type Joined = Answer & {
  messages: Message[];
  cursor: Record<string, number>;
  last: Record<string, string>;
  more: boolean;
};

export type Faults = { lost: number; doubled: number };

export class Member {
  readonly #auth: Auth;
  readonly #room: string;
  #person: Person | undefined;
  #cursor: Record<string, number> | undefined;
  #last: Record<string, string> = {};
  readonly faults: Faults = { lost: 0, doubled: 0 };

  /** Somebody who wants what comes, or `all` that the room ever had. */
  constructor(auth: Auth, room: string, wants: "all" | "new" = "new") {
    this.#auth = auth;
    this.#room = room;
    if (wants === "all") this.#cursor = {};
  }

  /** How many of the room's messages are at or before its cursor. */
  get count(): number {
    return Object.values(this.#cursor ?? {}).reduce((sum, n) => sum + n, 0);
  }

  /** Comes, or comes back, with its cursor; resolves when it has all that was there. Rejects where it is refused. */
  async come(port: number): Promise<void> {
    const person = await Person.enter(port, this.#auth);
    this.#person = person;
    person.heard = messages => this.#take(messages);
    while (await this.#join(person));
  }

  /** Resolves with whether there is more to ask for. What comes live may follow in the very packet of the answer. */
  #join(person: Person): Promise<boolean> {
    const request = { room: this.#room, ...(this.#cursor && { cursor: this.#cursor, last: this.#last }) };
    return new Promise((resolve, reject) => {
      person.send("join", request, answer => {
        const { ok, code, message, messages, cursor, last, more } = answer as Joined;
        if (!ok) return reject(new Error(`join: ${code} ${message}`));
        if (this.#cursor) this.#take(messages);
        else [this.#cursor, this.#last] = [cursor, last];
        for (const [origin, n] of Object.entries(cursor)) this.faults.lost += n - (this.#cursor[origin] ?? 0);
        resolve(more);
      });
    });
  }

  cut(): void {
    this.#person?.cut();
  }

  #take(messages: readonly Message[]): void {
    const cursor = this.#cursor ?? {};
    this.#cursor = cursor;
    for (const { origin, n, id } of messages) {
      const had = cursor[origin] ?? 0;
      if (n <= had) this.faults.doubled++;
      else {
        this.faults.lost += n - had - 1;
        cursor[origin] = n;
        this.#last[origin] = id;
      }
    }
  }
}
