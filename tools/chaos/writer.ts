/** An author at work: writes, hops between the nodes, and sends again what was not acked, as the page's outbox does. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "../chance.ts";
import type { Author } from "./author.ts";
import type { Write } from "./ledger.ts";
import type { ChaosNode } from "./node.ts";
import type { Session } from "./session.ts";

const PAUSE_MS = { least: 20, most: 120 };
/** Share of messages after which an author moves on, by how they went, and of silences after which one gives up. */
const HOPS = 0.02;
const HOPS_AFTER_REFUSAL = 0.7;
const GIVES_UP = 0.1;
const AGAIN_MS = 200;

export class Writer {
  readonly author: Author;
  readonly #nodes: readonly ChaosNode[];
  readonly #chance: Chance;
  #node: ChaosNode;
  #open: Write | undefined;
  #stopping = false;
  #paused: PromiseWithResolvers<void> | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #done: Promise<void> | undefined;

  constructor(author: Author, nodes: readonly ChaosNode[], home: ChaosNode, chance: Chance) {
    this.author = author;
    this.#nodes = nodes;
    this.#node = home;
    this.#chance = chance;
  }

  start(): void {
    this.#done = this.#work();
  }

  /** Sends nothing until `resume`; resolves when what is under way has been answered, or has not. */
  async pause(): Promise<void> {
    this.#paused ??= Promise.withResolvers();
    await this.#sending;
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** Begins nothing more; resolves when what is open is acked, or has been tried for that long. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    const late = sleep(withinMs, "late", { ref: false });
    if ((await Promise.race([this.#done, late])) !== "late") return;
    this.#giveUp();
    await this.#done;
  }

  get #isDone(): boolean {
    return this.#stopping && !this.#open;
  }

  async #work(): Promise<void> {
    while (!this.#isDone) {
      const session = await this.#enter();
      if (session) {
        await this.#write(session);
        session.close();
      } else await sleep(AGAIN_MS);
      this.#node = this.#chance.one(this.#nodes.filter(node => node !== this.#node));
    }
  }

  async #enter(): Promise<Session | undefined> {
    try {
      return await this.author.enter(this.#node);
    } catch {
      return undefined;
    }
  }

  /** Until it is time to go to another node. */
  async #write(session: Session): Promise<void> {
    while (!this.#isDone && session.socket.connected) {
      while (this.#paused) await this.#paused.promise;
      const write = this.#open ?? this.author.begin();
      this.#open = write;
      const sending = this.author.send(write, session, this.#node);
      this.#sending = sending;
      const outcome = await sending;
      if (outcome.kind === "acked") this.#open = undefined;
      else if (outcome.kind === "refused") await sleep(outcome.retryAfterMs ?? 0);
      else if (this.#chance.next() < GIVES_UP) this.#giveUp();
      if (this.#chance.next() < (outcome.kind === "acked" ? HOPS : HOPS_AFTER_REFUSAL)) return;
      await sleep(this.#chance.between(PAUSE_MS.least, PAUSE_MS.most));
    }
  }

  #giveUp(): void {
    if (this.#open) this.author.giveUp(this.#open);
    this.#open = undefined;
  }
}
