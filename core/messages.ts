/** An envelope as browsers and plugins see it. */
import { millisecondsOf } from "./clock.ts";
import { type Envelope, keyOf } from "./envelope.ts";
import type { Message, Role } from "./plugin.ts";
import type { Registry } from "./registry.ts";

/** `body` is left out where it was erased, or where this node cannot read it: then `alt` stands for it. */
export function toMessage(envelope: Envelope, registry: Registry): Message {
  const { type, role, id, room, author, authorName, hlc, origin, n, ref, alt, body, version } = envelope;
  const message = {
    type,
    ...(role !== "row" && { role: role as Role }),
    id,
    room,
    author: { id: author, name: authorName },
    at: millisecondsOf(hlc),
    key: keyOf(envelope),
    origin,
    n,
    ...(ref !== null && { ref }),
  };
  if (body === null) return { ...message, erased: true };
  return { ...message, ...(alt !== null && { alt }), ...bodyOf(type, body, version, registry) };
}

function bodyOf(type: string, bytes: Uint8Array, version: number, registry: Registry): { body?: unknown } {
  try {
    const known = registry.get(type);
    return known ? { body: known.unpack(bytes, version) } : {};
  } catch {
    // Packed by a version that this node's plugin cannot read, or damaged: the alt has to do.
    return {};
  }
}
