/** A person with a page: an outbox, a cursor for each room, and a connection to some node, which comes and goes. */
import type { Message } from "../../core/plugin.ts";
import { hashOf } from "./files.ts";
import type { Ledger } from "./ledger.ts";
import type { Guest, Node } from "./node.ts";
import type { Life, World } from "./world.ts";

type Link = { node: Node; guest: Guest; life: Life; upFree: number; downFree: number };
type Answer = { ok: boolean; code?: string; key?: string; copies?: number; retryAfterMs?: number };
type Joined = Answer & {
  /** Which question it answers. */
  asked: number;
  messages: Message[];
  cursor: Record<string, number>;
  last?: Record<string, string>;
  more: boolean;
};

const RETRY_MS = 500;
const SLOWEST_MS = 20;

export class Client {
  readonly person: { id: string; name: string };
  readonly room: string;
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #outbox: string[] = [];
  readonly #files = new Map<string, Uint8Array>();
  /** What the page shows, by id. */
  readonly shown = new Map<string, Message>();
  readonly copies = new Map<string, number>();
  /** Live messages that came before one that stands before them, and those that came live twice over one connection. */
  readonly untimely: string[] = [];
  #link: Link | undefined;
  #cursor: Record<string, number> = {};
  #last: Record<string, string> = {};
  #isJoining = false;
  /** Questions so far: what answers one from before a reset is of no use. */
  #asked = 0;
  #joined = false;
  /** The places of what came live since the last page. */
  #live = new Set<string>();
  #after = "";
  #underWay: string | undefined;

  constructor(world: World, ledger: Ledger, name: string, room: string) {
    this.#world = world;
    this.#ledger = ledger;
    this.person = { id: name, name };
    this.room = room;
  }

  get node(): Node | undefined {
    return this.#link?.life.alive && this.#link.node.life.alive ? this.#link.node : undefined;
  }

  /** Nothing is left to send, and nothing to ask for. */
  get isIdle(): boolean {
    return this.#outbox.length === 0 && this.#joined && !this.#isJoining;
  }

  connect(node: Node): void {
    this.disconnect();
    const link = { node, life: { alive: true }, upFree: 0, downFree: 0 } as Link;
    this.#link = link;
    link.guest = node.enter(this.person, this.#after, {
      heard: (event, payload) => this.#down(link, () => this.#heard(event, payload)),
    });
    this.#world.trace(() => `${this.person.name} connects to ${node.host}`);
    this.#join();
    this.#flush();
  }

  disconnect(): void {
    const link = this.#link;
    if (!link) return;
    this.#link = undefined;
    link.life.alive = false;
    if (link.node.life.alive) link.node.leave(link.guest);
    this.#isJoining = this.#joined = false;
    this.#underWay = undefined;
  }

  /** Sends a message, which refers to that file if there is any. */
  write(id: string, file?: Uint8Array): void {
    const sent = { id, author: this.person.id, room: this.room, acked: false };
    this.#ledger.send(file ? { ...sent, file: hashOf(file) } : sent);
    if (file) this.#files.set(id, file);
    this.#outbox.push(id);
    this.#flush();
  }

  #flush(): void {
    const [id] = this.#outbox;
    if (id === undefined || this.#underWay !== undefined || !this.node) return;
    this.#underWay = id;
    const upload = this.#files.get(id);
    const body = upload ? { hashes: [hashOf(upload)] } : { text: id };
    this.#ask(upload ? "file" : "text", { id, room: this.room, body, ...(upload && { upload }) }, answer => {
      this.#underWay = undefined;
      this.#world.trace(() => `${this.person.name}: ${id} ${answer.ok ? `acked ${answer.key}` : answer.code}`);
      if (answer.ok) {
        this.#outbox.shift();
        this.#files.delete(id);
        this.#ledger.ack(id);
        if (answer.key && answer.key > this.#after) this.#after = answer.key;
        this.#flush();
      } else this.#again(answer.retryAfterMs);
    });
  }

  #again(ms = RETRY_MS): void {
    const { life } = this.#link as Link;
    this.#world.after(ms, life, () => this.#flush());
  }

  /** Joins until nothing is left to page. */
  #join(): void {
    if (this.#isJoining) return;
    this.#isJoining = true;
    this.#askPage();
  }

  #askPage(): void {
    const asked = ++this.#asked;
    this.#ask("join", { room: this.room, cursor: { ...this.#cursor }, last: { ...this.#last }, asked }, answer => {
      if (answer.ok || asked !== this.#asked) return;
      this.#isJoining = false;
      if (answer.code === "reset") this.#reset();
      else this.#world.after(RETRY_MS, (this.#link as Link).life, () => this.#join());
    });
  }

  #heard(event: string, payload: unknown): void {
    if (event === "joined") this.#page(payload as Joined);
    else if (event === "batch") this.#receive((payload as Message[]).filter(({ room }) => room === this.room));
    else if (event === "reset") this.#reset();
    else if (event === "stored")
      for (const { id, copies } of payload as { id: string; copies: number }[])
        this.copies.set(id, Math.max(copies, this.copies.get(id) ?? 0));
  }

  #page({ asked, messages, cursor, last, more }: Joined): void {
    if (asked !== this.#asked) return;
    for (const message of messages) this.#show(message);
    // As if it had come over a wire: others may have been given the same page.
    this.#cursor = { ...cursor };
    this.#last = { ...last };
    this.#live.clear();
    if (more) return this.#askPage();
    this.#isJoining = false;
    this.#joined = true;
  }

  #receive(messages: readonly Message[]): void {
    // What comes before an answer was told before the node was asked, and is in that answer or follows it.
    if (!this.#joined || this.#isJoining) return;
    let gap = false;
    for (const message of messages) {
      const at = this.#cursor[message.origin] ?? 0;
      const place = `${message.origin} ${message.n}`;
      if (this.#live.has(place)) this.untimely.push(`${place} twice`);
      if (message.n > at + 1) this.untimely.push(`${place} before what precedes it`);
      this.#live.add(place);
      if (message.n <= at) continue;
      if (message.n > at + 1) gap = true;
      else {
        this.#cursor[message.origin] = message.n;
        this.#last[message.origin] = message.id;
        this.#show(message);
      }
    }
    if (gap) this.#join();
  }

  #show(message: Message): void {
    this.shown.set(message.id, message);
  }

  #reset(): void {
    this.#world.trace(() => `${this.person.name} begins anew`);
    this.shown.clear();
    this.#cursor = {};
    this.#last = {};
    this.#live.clear();
    this.#joined = this.#isJoining = false;
    this.#join();
  }

  /** In the order of asking, over a connection that may end on the way. */
  #ask(event: string, input: Record<string, unknown>, answered: (answer: Answer) => void): void {
    const link = this.#link as Link;
    const { random, now } = this.#world;
    link.upFree = Math.max(link.upFree, now + random.between(0.1, SLOWEST_MS));
    this.#world.after(link.upFree - now, link.life, async () => {
      if (!link.node.life.alive) return;
      const answer = (await link.node.ask(link.guest, event, input)) as Answer;
      this.#down(link, () => answered(answer));
    });
  }

  #down(link: Link, run: () => void): void {
    const { random, now } = this.#world;
    link.downFree = Math.max(link.downFree, now + random.between(0.1, SLOWEST_MS));
    this.#world.after(link.downFree - now, link.life, run);
  }
}
