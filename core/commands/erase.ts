/** `web-chat erase`: empties a message on every node, whoever wrote it. */
import { printable } from "../names.ts";
import { administer, type Place } from "./administer.ts";

/** Resolves with what to say of it: which messages they were, and never what they said. Throws `Reject`. */
export async function erase(id: string, place: Place): Promise<string> {
  const { messages, scrubbed } = await administer(place, administration => administration.erase(id));
  const lines = messages.map(
    ({ room, author, at }) => `emptied: ${room}, ${author.name} (${author.id}), ${new Date(at).toISOString()}`,
  );
  if (!scrubbed)
    lines.push("its text leaves the files of this node when the backup that reads them is done, or the disk takes it");
  return lines.map(printable).join("\n");
}
