/** From what a browser says of itself to a person with a session. */

import { v7 as uuid } from "uuid";
import * as v from "valibot";
import type { Clock } from "./clock.ts";
import { Door } from "./door.ts";
import { Reject } from "./errors.ts";
import { writeFact } from "./facts.ts";
import { AddressLimit, type Rate } from "./limits.ts";
import type { Log } from "./log/log.ts";
import { foldName, numbered, parseName } from "./names.ts";
import { hashToken, LINK_LIFETIME_MS, newToken, type People } from "./people.ts";
import type { Person } from "./plugin.ts";
import { parseRoomName, type Room, type Rooms } from "./rooms.ts";

export const Auth = v.object({
  name: v.optional(v.string()),
  token: v.optional(v.pipe(v.string(), v.maxLength(128))),
  link: v.optional(v.pipe(v.string(), v.maxLength(128))),
  after: v.optional(v.pipe(v.string(), v.maxLength(64))),
  batch: v.optional(v.boolean(), false),
  types: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(256)), []),
});
export type Auth = v.InferOutput<typeof Auth>;

/** A token that a client brings has to be as hard to guess as one that a node makes. */
const MIN_TOKEN_CHARACTERS = 22;

export type SignedIn = { person: Person; token: string };
type Parts = {
  people: People;
  rooms: Rooms;
  log: Log;
  clock: Clock;
  claims: Rate;
  /** Whether this node has what the others know. */
  isReady: () => boolean;
};

const READY_SOON_MS = 500;
/** Of those who come, so many are let in in one turn of the loop: those who are in are not to wait for all of them. */
const ENTER_PER_TURN = 16;
/** Who waits to be let in; some seconds' work, and what each of them brought is kept meanwhile. */
const MAX_WAITING = 4_000;
const LESS_CROWDED_MS = 2_000;

export class SignIn {
  readonly #parts: Parts;
  /** Claims of names, and new rooms, from one address. */
  readonly #limit: AddressLimit;
  readonly #door = new Door({ perTurn: ENTER_PER_TURN, maxWaiting: MAX_WAITING, retryAfterMs: LESS_CROWDED_MS });
  /** Names that are being claimed on this node right now. */
  readonly #pending = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limit = new AddressLimit(parts.claims);
  }

  /** How many wait to be let in. */
  get waiting(): number {
    return this.#door.waiting;
  }

  /**
   * In the order in which they come, a few a turn of the loop. A token that is known is its person. One that is not, beside
   * a name, is the token to claim the name with: whoever loses the connection before the answer claims again, and is the
   * same person. Throws `Reject` where the token is void, the link spent, the name taken, or too many wait already.
   */
  async enter(auth: Auth, address: string): Promise<SignedIn> {
    await this.#door.pass();
    return this.#identify(auth, address);
  }

  async #identify({ token, link, name }: Auth, address: string): Promise<SignedIn> {
    if (token !== undefined) {
      const person = this.#parts.people.ofToken(token);
      if (person) return { person, token };
      // Who signed in on another node while this one was away must not be taken for a stranger.
      if (name === undefined && !this.#parts.isReady())
        throw new Reject("not-ready", undefined, { retryAfterMs: READY_SOON_MS });
      if (name === undefined || token.length < MIN_TOKEN_CHARACTERS) throw new Reject("session-unknown");
    }
    if (link !== undefined) return this.#enterByLink(link, address);
    if (name === undefined) throw new Reject("name-required");
    return this.#claim(parseName(name), token ?? newToken(), address);
  }

  async #claim(name: string, token: string, address: string): Promise<SignedIn> {
    const { people } = this.#parts;
    people.assertFree(name);
    const folded = foldName(name);
    if (this.#pending.has(folded))
      throw new Reject("name-taken", `somebody is called ${name} already`, { suggestion: numbered(name, 2) });
    this.#limit.take(address);
    this.#pending.add(folded);
    try {
      const author = { id: uuid(), name };
      await writeFact("chat:name", author, { name, token: hashToken(token) }, this.#parts);
      return { person: people.ofToken(token) ?? author, token };
    } finally {
      this.#pending.delete(folded);
    }
  }

  async #enterByLink(code: string, address: string): Promise<SignedIn> {
    const { people, clock } = this.#parts;
    this.#limit.take(address);
    const person = people.ofLink(code, clock.now());
    const token = newToken();
    await writeFact("chat:device", person, { code: hashToken(code), token: hashToken(token) }, this.#parts);
    if (people.ofToken(token)?.id !== person.id) throw new Reject("link-unknown");
    return { person, token };
  }

  /** A code for a second device of that person. */
  async link(person: Person): Promise<{ code: string; expiresAt: number }> {
    const code = newToken();
    const expiresAt = this.#parts.clock.now() + LINK_LIFETIME_MS;
    await writeFact("chat:link", person, { code: hashToken(code), until: expiresAt }, this.#parts);
    return { code, expiresAt };
  }

  async logOut({ person, token }: SignedIn): Promise<void> {
    await writeFact("chat:logout", person, { token: hashToken(token) }, this.#parts);
  }

  /** Makes a public room, or finds the one of that name. */
  async makeRoom(person: Person, name: unknown, address: string): Promise<Room> {
    const { rooms } = this.#parts;
    const wanted = parseRoomName(name);
    const known = rooms.get(foldName(wanted));
    if (known) return known;
    this.#limit.take(address);
    await writeFact("chat:room", person, { name: wanted }, this.#parts);
    return rooms.assertReadable(person, foldName(wanted));
  }
}
