/** Who is who: a fold over the facts about names and sessions, the same on every node. */
import { hash, randomBytes } from "node:crypto";
import { millisecondsOf } from "./clock.ts";
import { Reject } from "./errors.ts";
import { type Fact, FactFold } from "./facts.ts";
import { foldName, numbered } from "./names.ts";
import type { Person } from "./plugin.ts";

export const LINK_LIFETIME_MS = 10 * 60_000;

export class People {
  readonly #fold = new FactFold({
    step: fact => this.#step(fact),
    commutes: fact => this.#commutes(fact),
    restart: () => this.#restart(),
  });
  readonly #people = new Map<string, Person>();
  /** Holder of each folded name. */
  readonly #holders = new Map<string, string>();
  readonly #sessions = new Map<string, string>();
  /** The hash of each session's token, by the session's ticket. */
  readonly #tickets = new Map<string, string>();
  /** Names as they were after the last facts, and the people whose claims were folded since. */
  readonly #known = new Map<string, string>();
  readonly #claimed = new Set<string>();
  readonly #links = new Map<string, { person: string; untilMs: number; key: string }>();
  /** What comes late must not have met: names that anybody held, codes that a device tried, tokens that were given up. */
  readonly #namesHeld = new Set<string>();
  readonly #codesTried = new Set<string>();
  readonly #tokensEnded = new Set<string>();

  /** Takes facts in; returns the people whose name is another one than before, and the hashes of tokens now void. */
  add(facts: readonly Fact[]): { renamed: Person[]; ended: string[] } {
    this.#claimed.clear();
    this.#fold.add(facts);
    const renamed: Person[] = [];
    for (const id of this.#claimed) {
      const person = this.#people.get(id) as Person;
      const known = this.#known.get(id);
      if (known !== undefined && known !== person.name) renamed.push(person);
      this.#known.set(id, person.name);
    }
    const ended = facts.flatMap(({ type, body }) =>
      type === "chat:logout" && !this.#sessions.has(body.token) ? [body.token] : [],
    );
    return { renamed, ended };
  }

  get(id: string): Person | undefined {
    return this.#people.get(id);
  }

  /** The person whose session that token is. */
  ofToken(token: string): Person | undefined {
    const id = this.#sessions.get(hashToken(token));
    return id === undefined ? undefined : this.#people.get(id);
  }

  /** The person whose session that ticket belongs to. */
  ofTicket(ticket: string): Person | undefined {
    const id = this.#sessions.get(this.#tickets.get(ticket) ?? "");
    return id === undefined ? undefined : this.#people.get(id);
  }

  /** The person who invited a second device with that code; throws `Reject` where the code is no longer good. */
  ofLink(code: string, nowMs: number): Person {
    const link = this.#links.get(hashToken(code));
    const person = link && link.untilMs >= nowMs ? this.#people.get(link.person) : undefined;
    if (!person) throw new Reject("link-unknown");
    return person;
  }

  /** Throws `Reject` with a free suggestion where somebody holds that name. */
  assertFree(name: string): void {
    if (this.#holders.has(foldName(name)))
      throw new Reject("name-taken", `somebody is called ${name} already`, { suggestion: this.#free(name) });
  }

  /** The name itself where it is free, else the first of “Ana 2”, “Ana 3”, … that is. */
  #free(name: string): string {
    let free = name;
    for (let count = 2; this.#holders.has(foldName(free)); count++) free = numbered(name, count);
    return free;
  }

  #restart(): void {
    this.#people.clear();
    this.#holders.clear();
    this.#sessions.clear();
    this.#tickets.clear();
    this.#links.clear();
    this.#namesHeld.clear();
    this.#codesTried.clear();
    this.#tokensEnded.clear();
  }

  /** After a partition thousands of names may slide in late: one that met nobody's path changes nothing for others. */
  #commutes(fact: Fact): boolean {
    switch (fact.type) {
      case "chat:name":
        return (
          !this.#people.has(fact.author) &&
          !this.#namesHeld.has(foldName(fact.body.name)) &&
          this.#isFresh(fact.body.token)
        );
      case "chat:link":
        return !this.#links.has(fact.body.code) && !this.#codesTried.has(fact.body.code);
      case "chat:device": {
        const link = this.#links.get(fact.body.code);
        return link !== undefined && link.key < fact.key && this.#isFresh(fact.body.token);
      }
      case "chat:logout":
        return false;
      case "chat:room":
      case "chat:fork":
      case "chat:forget":
        return true;
    }
  }

  #isFresh(token: string): boolean {
    return !this.#sessions.has(token) && !this.#tokensEnded.has(token);
  }

  #step(fact: Fact): void {
    switch (fact.type) {
      case "chat:name": {
        const before = this.#people.get(fact.author);
        if (before) this.#holders.delete(foldName(before.name));
        // Claimed in both halves of a partition, the lower key holds the name: it is folded first.
        const name = this.#free(fact.body.name);
        this.#people.set(fact.author, { id: fact.author, name });
        this.#claimed.add(fact.author);
        this.#holders.set(foldName(name), fact.author);
        this.#namesHeld.add(foldName(name));
        if (!this.#sessions.has(fact.body.token)) this.#begin(fact.body.token, fact.author);
        return;
      }
      case "chat:link":
        this.#links.set(fact.body.code, { person: fact.author, untilMs: fact.body.until, key: fact.key });
        return;
      case "chat:device": {
        const link = this.#links.get(fact.body.code);
        this.#codesTried.add(fact.body.code);
        // Good once, on whichever node: of two devices with one code the lower key has it.
        if (link?.person !== fact.author || millisecondsOf(fact.hlc) > link.untilMs) return;
        this.#links.delete(fact.body.code);
        this.#begin(fact.body.token, fact.author);
        return;
      }
      case "chat:logout":
        this.#tokensEnded.add(fact.body.token);
        if (this.#sessions.get(fact.body.token) !== fact.author) return;
        this.#sessions.delete(fact.body.token);
        this.#tickets.delete(ticketFor(fact.body.token));
        return;
    }
  }

  #begin(token: string, person: string): void {
    this.#sessions.set(token, person);
    this.#tickets.set(ticketFor(token), token);
  }
}

/** 144 random bits, as text that a URL takes as it is. */
export function newToken(): string {
  return randomBytes(18).toString("base64url");
}

/** What the log keeps of a token or code: who reads the log cannot use it. */
export function hashToken(token: string): string {
  return hash("sha256", token);
}

/** What opens blobs, and nothing else, as long as the session of that token lasts: an address may carry it. */
export function ticketOf(token: string): string {
  return ticketFor(hashToken(token));
}

function ticketFor(hashed: string): string {
  return hash("sha256", `blobs ${hashed}`);
}
