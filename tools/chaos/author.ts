/** Somebody who writes, on whichever node, one message at a time. */
import { randomBytes } from "node:crypto";
import type { Ledger, Write } from "./ledger.ts";
import type { ChaosNode } from "./node.ts";
import { Refused, ROOM, Session } from "./session.ts";

/** Refusals that a fault may bring about; the same id may be sent again. */
const EXPECTED = new Set(["no-space", "storage-failed", "overloaded", "stopping", "unconfirmed"]);

export type Outcome = { kind: "acked" } | { kind: "refused"; retryAfterMs: number | undefined } | { kind: "silent" };

export class Author {
  readonly name: string;
  readonly token = randomBytes(24).toString("base64url");
  readonly #ledger: Ledger;
  #id = "";
  /** Key of the last message that was acked. */
  #after: string | undefined;
  /** Answers that no fault explains. */
  readonly oddities: string[] = [];

  constructor(name: string, ledger: Ledger) {
    this.name = name;
    this.#ledger = ledger;
  }

  /** Claims the name on one node. */
  async claim(node: ChaosNode): Promise<void> {
    const session = await Session.open(node.url, { token: this.token, name: this.name });
    this.#id = session.person;
    session.close();
  }

  async isKnownAt(node: ChaosNode): Promise<boolean> {
    try {
      (await Session.open(node.url, { token: this.token })).close();
      return true;
    } catch {
      return false;
    }
  }

  /** Signs in, and joins the room; rejects where the node refuses or does not answer. */
  async enter(node: ChaosNode): Promise<Session> {
    const after = this.#after;
    let session: Session | undefined;
    try {
      session = await Session.open(node.url, { token: this.token, batch: true, ...(after && { after }) });
      await session.join();
      return session;
    } catch (error) {
      session?.close();
      if (error instanceof Refused && !EXPECTED.has(error.code))
        this.oddities.push(`${node.name} kept ${this.name} out: ${error.message} [${error.code}]`);
      throw error;
    }
  }

  begin(text?: string): Write {
    return this.#ledger.begin(this.#id, text);
  }

  /** Sends a message, for the first time or again. */
  async send(write: Write, session: Session, node: ChaosNode): Promise<Outcome> {
    const { id, text } = write;
    this.#ledger.sent(write, node.name);
    const answer = await session.ask("text", { id, room: ROOM, body: { text } }).catch(() => undefined);
    if (!answer) {
      this.#ledger.silence(write, node.name);
      return { kind: "silent" };
    }
    if (!answer.ok) {
      const { code = "", message, retryAfterMs } = answer;
      this.#ledger.refusal(write, node.name, code);
      if (!EXPECTED.has(code)) this.oddities.push(`${node.name} refused ${id}: ${message} [${code}]`);
      return { kind: "refused", retryAfterMs };
    }
    this.#after = String(answer.key);
    this.#ledger.acked(write, node.name, this.#after);
    return { kind: "acked" };
  }

  giveUp(write: Write): void {
    this.#ledger.giveUp(write);
  }
}
