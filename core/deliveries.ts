/** What plugins send of their own accord: when somebody comes or goes, from time to time, and for what comes over HTTP. */
import type { Drafts } from "./drafts.ts";
import type { Draft } from "./envelope.ts";
import type { Person, ServerContext, Session } from "./plugin.ts";
import type { Hook } from "./plugins/calls/calls.ts";
import { readDelivery } from "./plugins/calls/delivery.ts";
import type { Answer } from "./plugins/calls/hooks.ts";
import type { Registry, Type } from "./registry.ts";
import type { Rooms } from "./rooms.ts";
import type { Signals } from "./signals.ts";
import type { Values } from "./values.ts";
import type { Route } from "./webhooks.ts";

export type DeliveriesParts = {
  registry: Registry;
  rooms: Pick<Rooms, "get">;
  context: ServerContext;
  drafts: Drafts;
  signals: Signals;
  /** Undefined while there is no cluster whose state they could be in. */
  values: () => Values | undefined;
  /** All in one commit; rejects where one of them is not stored. */
  append(drafts: readonly Draft[]): Promise<unknown>;
  failed(type: string, error: unknown): void;
};

export class Deliveries {
  readonly #parts: DeliveriesParts;

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
  }

  /** A session connected to this node. */
  joined(session: Session): void {
    for (const type of this.#parts.registry.all())
      this.#deliver(type, "joined", () => type.hooks.joined?.(session, this.#parts.context));
  }

  left(session: Session): void {
    for (const type of this.#parts.registry.all())
      this.#deliver(type, "left", () => type.hooks.left?.(session, this.#parts.context));
  }

  tick(): void {
    for (const type of this.#parts.registry.all())
      this.#deliver(type, "tick", () => type.hooks.tick?.(this.#parts.context));
  }

  /** Other types took the place of these: for the old ones this node stops, and for the new ones it starts. */
  replaced({ before, after }: ReturnType<Registry["replace"]>, sessions: readonly Session[]): void {
    const { context, values } = this.#parts;
    for (const type of before)
      for (const session of sessions) this.#deliver(type, "left", () => type.hooks.left?.(session, context));
    values()?.endAll(before);
    for (const type of after) {
      this.#deliver(type, "tick", () => type.hooks.tick?.(context));
      for (const session of sessions) this.#deliver(type, "joined", () => type.hooks.joined?.(session, context));
    }
  }

  /**
   * What answers for a type over HTTP, when all that the plugin sends is committed: nothing of that is sent, or all. It
   * rejects with `Reject`. Undefined where the type has no such hook.
   */
  route(name: string): Route | undefined {
    const type = this.#parts.registry.get(name);
    const request = type?.hooks.request;
    if (!type || !request) return undefined;
    return async (asked, withinMs) => this.#sendBefore(type, await request(asked, this.#parts.context, withinMs));
  }

  async #sendBefore(type: Type, answer: Answer): Promise<Answer> {
    const prepared = answer.send.map(delivery => {
      try {
        return this.#prepare(type, delivery);
      } catch (error) {
        throw type.fault("request", error);
      }
    });
    const drafts = prepared.flatMap(({ draft }) => draft ?? []);
    if (drafts.length > 0) await this.#parts.append(drafts);
    for (const { send } of prepared) send?.();
    return answer;
  }

  /** Each for itself: what is wrong with one delivery costs no other. */
  #deliver(type: Type, hook: Hook, call: () => readonly unknown[] | undefined): void {
    try {
      for (const delivery of call() ?? []) this.#deliverOne(type, hook, delivery);
    } catch (error) {
      // A refusal as well: nobody asked for anything that could be refused.
      type.fault(hook, error);
    }
  }

  #deliverOne(type: Type, hook: Hook, delivery: unknown): void {
    const { append, failed } = this.#parts;
    try {
      const { draft, send } = this.#prepare(type, delivery);
      send?.();
      if (draft) append([draft]).catch(error => failed(type.name, error));
    } catch (error) {
      type.fault(hook, error);
    }
  }

  /** What a delivery comes to: an envelope to be kept, or something that is sent. Throws where it comes to nothing. */
  #prepare(type: Type, delivery: unknown): { draft?: Draft; send?: () => void } {
    const { rooms, drafts, signals, values } = this.#parts;
    const { body, to, key, id, ref } = readDelivery(delivery);
    if (key !== undefined) {
      if (type.kind !== "state") throw new Error("it ends a value, and is no state");
      return { send: () => values()?.end(type, key) };
    }
    if (type.kind === "state") {
      const set = values()?.prepare(type, body);
      return set ? { send: set } : {};
    }
    if (to === undefined) throw new Error("it does not say to whom it goes");
    if (typeof to === "object" && "room" in to && !rooms.get(to.room))
      throw new Error(`there is no room ${JSON.stringify(to.room)}`);
    if (type.kind === "signal") return { send: signals.prepare(type, itself(type), body, to) };
    if (typeof to !== "object" || !("room" in to))
      throw new Error("a log message is delivered to a room, and to nothing else");
    if (ref === undefined && type.role !== "row")
      throw new Error("it has no ref, and its type refers to another message");
    return { draft: drafts.make(type, itself(type), body, { id, room: to.room, ref }) };
  }
}

/** The author of what a plugin sends of its own accord. */
function itself(type: Type): Person {
  return { id: `plugin:${type.name}`, name: type.name };
}
