/** What a hook returned to have something sent, read as what anybody may have written. */
import { validate as isUuid } from "uuid";
import { isObject } from "./results.ts";

export type Target = "all" | { room: string } | { session: string };
/** What a plugin wants to have sent: something, or the end of the value that has `key`. */
type ReadDelivery = { body?: unknown; to?: Target; key?: string; id?: string; ref?: string };

/** A delivery of the form that the contract asks for; throws where it has another one. */
export function readDelivery(delivery: unknown): ReadDelivery {
  if (!isObject(delivery)) throw new Error("a delivery is no object");
  const { body, to, key, id, ref } = delivery;
  if (key !== undefined) {
    if (typeof key !== "string" || body !== null)
      throw new Error("a delivery with a key ends a value: its body is null");
    return { key };
  }
  for (const uuid of [id, ref])
    if (uuid !== undefined && !(typeof uuid === "string" && isUuid(uuid)))
      throw new Error("the id or the ref of a delivery is no UUID: idFor() makes one of a text");
  return { body, ...(to !== undefined && { to: readTarget(to) }), ...({ id, ref } as { id?: string; ref?: string }) };
}

function readTarget(to: unknown): Target {
  if (to === "all") return to;
  const { room, session } = isObject(to) ? to : {};
  if (typeof room === "string" && session === undefined) return { room };
  if (typeof session === "string" && room === undefined) return { session };
  throw new Error("a delivery goes to all, to a room, or to a session");
}
