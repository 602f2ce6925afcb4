/**
 * A node that delivers otherwise than it should, once: `node --import <this file's URL>?lose core/main.ts` leaves a text out,
 * `?double` tells one twice, `?swap` tells one behind its author's next.
 */
import { Gateway } from "../../core/gateway.ts";
import type { Message } from "../../core/plugin.ts";

/** The load's first texts are over by then. */
const SPARED = 30;
const [, fault = ""] = import.meta.url.split("?");
const { messages: tell } = Gateway.prototype;
let texts = 0;
let held: Message | undefined;
let isDone = false;

Gateway.prototype.messages = function (room, messages) {
  if (isDone) return tell.call(this, room, messages);
  for (const message of messages) {
    if (held) {
      tell.call(this, room, message.author.id === held.author.id ? [message, held] : [message]);
      if (message.author.id !== held.author.id) continue;
      held = undefined;
      isDone = true;
    } else if (isDone || ++texts < SPARED) tell.call(this, room, [message]);
    else if (fault === "swap") held = message;
    else {
      isDone = true;
      if (fault === "double") tell.call(this, room, [message, message]);
    }
  }
};
