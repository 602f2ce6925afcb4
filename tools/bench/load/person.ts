/** A session at a node of ours that reads only what it is asked for of all that it is told. */
import type { Message } from "../../../core/plugin.ts";
import { Link } from "./link.ts";

export type Auth = { name?: string; token?: string };
export type Answer = { ok: boolean; code?: string; retryAfterMs?: number } & Record<string, unknown>;

const PATH = "/socket.io/?EIO=4&transport=websocket";
const OPEN = Buffer.from("0{");
const PING = Buffer.from("2");
const WELCOME = Buffer.from('42["welcome",');
const BATCH = Buffer.from('42["batch",');
const ACK = Buffer.from("43");
const REFUSED = Buffer.from("44{");

export class Person {
  readonly #link: Link;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #asked = 0;
  #isCut = false;
  /** Called with live messages, as they come. */
  heard: (messages: Message[]) => void = () => {};

  private constructor(link: Link) {
    this.#link = link;
  }

  /** Signs in at the node on that port, and resolves with its welcome; rejects with the refusal where it is refused. */
  static enter(port: number, auth: Auth): Promise<Person> {
    return new Promise((resolve, reject) => {
      let person: Person | undefined;
      const heard = (text: Buffer, link: Link) => {
        if (person) person.#told(text);
        else if (startsWith(text, OPEN)) link.send(`40${JSON.stringify({ ...auth, batch: true, types: ["text"] })}`);
        else if (startsWith(text, REFUSED)) reject(new Error(text.toString("utf8", 2)));
        else if (startsWith(text, WELCOME)) {
          person = new Person(link);
          resolve(person);
        }
      };
      const ended = () => {
        if (person) person.#ended();
        reject(new Error("the node closed the connection"));
      };
      Link.open(port, PATH, { heard, ended }).catch(reject);
    });
  }

  /** Asks, or sends a message. An answer that the connection's end kept back is one with the code `cut`. */
  ask(event: string, payload: object): Promise<Answer> {
    return new Promise(resolve => this.send(event, payload, resolve));
  }

  /** The same for those who have no time for a promise each. */
  send(event: string, payload: object, answered: (answer: Answer) => void): void {
    if (this.#isCut) return answered({ ok: false, code: "cut" });
    const id = this.#asked++;
    this.#answers.set(id, answered);
    this.#link.send(`42${id}${JSON.stringify([event, payload])}`);
  }

  /** Leaves without a word. */
  cut(): void {
    this.#link.cut();
  }

  #told(text: Buffer): void {
    if (startsWith(text, BATCH)) this.heard(JSON.parse(text.toString("utf8", 2))[1]);
    else if (startsWith(text, ACK)) this.#answered(text.toString("utf8", ACK.length));
    else if (text.equals(PING)) this.#link.send("3");
  }

  #answered(text: string): void {
    const start = text.indexOf("[");
    const id = Number(text.slice(0, start));
    const answered = this.#answers.get(id);
    this.#answers.delete(id);
    answered?.(JSON.parse(text.slice(start))[0]);
  }

  #ended(): void {
    this.#isCut = true;
    for (const answered of this.#answers.values()) answered({ ok: false, code: "cut" });
    this.#answers.clear();
  }
}

function startsWith(text: Buffer, start: Buffer): boolean {
  return text.length >= start.length && text.compare(start, 0, start.length, 0, start.length) === 0;
}
