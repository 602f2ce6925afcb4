/** `web-chat forget`: removes a node that is gone for good. */
import { printable } from "../names.ts";
import { administer, type Place } from "./administer.ts";

/** Resolves with what to say of it. `node` is a name, an id, or how an id begins. Throws `Reject`. */
export async function forget(node: string, place: Place): Promise<string> {
  const { id, name } = await administer(place, administration => administration.forget(node));
  return printable(`${name} (${id}) is removed; what was written there stays`);
}
