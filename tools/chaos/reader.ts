/**
 * Somebody who reads, and keeps one cursor over faults and on whichever node: takes what continues it, joins again where
 * something is missing, and remembers whatever a node did that the cursor rules out.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "../../core/plugin.ts";
import type { Chance } from "../chance.ts";
import type { ChaosNode } from "./node.ts";
import { type Cursor, type Joined, Refused, ROOM, Session } from "./session.ts";
import { type Copy, placeIn } from "./shown.ts";

const STAYS_MS = { least: 5_000, most: 12_000 };
const AGAIN_MS = 200;
const PAGE = 200;

export class Reader {
  readonly name: string;
  readonly #home: ChaosNode;
  readonly #nodes: readonly ChaosNode[];
  readonly #chance: Chance;
  readonly #token: string;
  /** None after a reset, until it has joined anew. */
  #cursor: Cursor | undefined = {};
  /** By place in the log. */
  readonly #taken = new Map<string, Copy>();
  /** What no cursor allows. */
  readonly oddities: string[] = [];
  readonly counts = { joins: 0, holes: 0, resets: 0, lags: 0 };
  #session: Session | undefined;
  #where = "";
  /** The join that is under way, and what came live meanwhile. */
  #joining: { session: Session; held: Message[] } | undefined;
  #stopping = false;
  #done: Promise<void> | undefined;

  /** `token` is that of somebody whom every node knows. */
  constructor(
    home: ChaosNode,
    { nodes, chance, token }: { nodes: readonly ChaosNode[]; chance: Chance; token: string },
  ) {
    this.name = `reader of ${home.name}`;
    this.#home = home;
    this.#nodes = nodes;
    this.#chance = chance;
    this.#token = token;
  }

  get copies(): Copy[] {
    return [...this.#taken.values()];
  }

  start(): void {
    this.#done = this.#roam();
  }

  /** Reads on its own node what it lacks, and ends; rejects where that node does not serve it. */
  async finish(): Promise<void> {
    this.#stopping = true;
    this.#session?.close();
    await this.#done;
    const session = await this.#enter(this.#home);
    const isServed = await this.#follow(session);
    session.close();
    if (!isServed) throw new Error(`${this.name} cannot read ${this.#home.name}`);
  }

  /** Its own node first, another one where that does not serve, and now and then another one for no reason. */
  async #roam(): Promise<void> {
    for (let node = this.#home; !this.#stopping; node = this.#chance.one(this.#nodes)) {
      try {
        const session = await this.#enter(node);
        const stay = sleep(this.#chance.between(STAYS_MS.least, STAYS_MS.most), undefined, { ref: false });
        if (await this.#follow(session)) await Promise.race([session.ended, stay]);
        session.close();
      } catch {
        await sleep(AGAIN_MS);
      }
    }
  }

  async #enter(node: ChaosNode): Promise<Session> {
    // One reader takes messages one by one, the others in batches: both ways are the protocol's.
    const session = await Session.open(node.url, { token: this.#token, batch: this.#home !== this.#nodes[0] });
    this.#session = session;
    this.#where = node.name;
    session.socket.on("batch", (messages: Message[]) => this.#heard(session, messages));
    session.socket.on("text", (message: Message) => this.#heard(session, [message]));
    session.socket.on("lagging", () => this.counts.lags++);
    session.socket.on("reset", () => {
      if (session !== this.#session) return;
      this.#forget();
      void this.#follow(session);
    });
    return session;
  }

  #heard(session: Session, messages: readonly Message[]): void {
    if (session !== this.#session) return;
    if (this.#joining) {
      this.#joining.held.push(...messages);
      return;
    }
    const cursor = this.#cursor;
    if (!cursor) return;
    let hole = false;
    for (const message of messages) {
      const last = cursor[message.origin] ?? 0;
      if (message.n === last + 1) {
        cursor[message.origin] = message.n;
        this.#take(message);
      } else if (message.n > last) hole = true;
    }
    if (!hole) return;
    this.counts.holes++;
    void this.#follow(session);
  }

  /** Joins until nothing is left to page; false, and the connection closed, where that fails. */
  async #follow(session: Session): Promise<boolean> {
    if (this.#joining?.session === session) return true;
    const joining = { session, held: [] };
    this.#joining = joining;
    try {
      await this.#page(session);
    } catch (error) {
      if (error instanceof Refused && error.code !== "stopping")
        this.oddities.push(`${this.#where} refused a join: ${error.message} [${error.code}]`);
      session.close();
      return false;
    } finally {
      if (this.#joining === joining) this.#joining = undefined;
    }
    this.#heard(session, joining.held);
    return true;
  }

  async #page(session: Session): Promise<void> {
    for (let more = true; more; this.counts.joins++) {
      const before = this.#cursor;
      const joined = before ? await this.#resume(session, before) : await this.#anew(session);
      if (session !== this.#session) throw new Error("it reads elsewhere by now");
      // A reset came meanwhile: what was asked by the old cursor is of no use.
      if (!joined || before !== this.#cursor) continue;
      if (before) this.#resumed(joined.messages, before, joined.cursor);
      this.#cursor = { ...joined.cursor };
      more = joined.more;
    }
  }

  /** Undefined where the node says that the cursor is of no use. */
  async #resume(session: Session, cursor: Cursor): Promise<Joined | undefined> {
    try {
      return await session.join(cursor);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "reset") throw error;
      this.#forget();
      return undefined;
    }
  }

  #forget(): void {
    this.counts.resets++;
    this.#cursor = undefined;
  }

  /** Joins without a cursor, and reads back through the history. */
  async #anew(session: Session): Promise<Joined> {
    const joined = await session.join();
    let page: Pick<Joined, "messages" | "older"> = joined;
    for (;;) {
      for (const message of page.messages) this.#take(message);
      const [oldest] = page.messages;
      if (!page.older || !oldest) return joined;
      page = await session.grant("history", { room: ROOM, before: oldest.key, limit: PAGE });
    }
  }

  /** An answer to a cursor continues it stream by stream, up to the cursor that it gives. */
  #resumed(messages: readonly Message[], from: Cursor, to: Cursor): void {
    const reached = { ...from };
    // They come by their keys, which are in another order than a stream where its node was behind an author's clock.
    for (const message of messages.toSorted((a, b) => a.n - b.n)) {
      const last = reached[message.origin] ?? 0;
      if (message.n !== last + 1)
        this.oddities.push(`${this.#where} answered a cursor at ${last} of ${message.origin} with ${message.n}`);
      reached[message.origin] = Math.max(last, message.n);
      this.#take(message);
    }
    for (const [origin, n] of Object.entries(to))
      if (n !== reached[origin])
        this.oddities.push(`${this.#where} says ${n} of ${origin}, and gave what comes up to ${reached[origin] ?? 0}`);
  }

  #take(message: Message): void {
    const { id, author, origin, n, key } = message;
    const place = placeIn(origin, n);
    const known = this.#taken.get(place);
    if (known && known.id !== id) this.oddities.push(`${this.#where} has ${id} at ${place}, where ${known.id} was`);
    this.#taken.set(place, { id, author: author.id, origin, n, key });
  }
}
