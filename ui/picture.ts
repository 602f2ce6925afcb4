/** What was written, as the message that it will be. */
import type { Message } from "../core/plugin.ts";
import { t } from "./i18n.ts";
import type { Item } from "./outbox.ts";
import { pluginOf, roleOf } from "./registry.ts";
import { me } from "./session.ts";

/** It has no body where the server completes what was sent: nobody knows yet what comes of it. */
export function pictureOf(item: Item, { at, key }: { at: number; key: string } = { at: item.at, key: "" }): Message {
  const { type, id, room, ref } = item;
  const role = roleOf(type);
  const author = me.value;
  return {
    ...{ type, id, room, author, at, key, origin: "", n: 0 },
    ...(role !== "row" && { role }),
    ...(ref && { ref }),
    ...kept(item),
  };
}

function kept({ type, body }: Item): Pick<Message, "body" | "alt"> {
  const message = pluginOf(type)?.message;
  try {
    return { body: message?.check ? message.check(body) : body };
  } catch {
    return { alt: t("waiting") };
  }
}
