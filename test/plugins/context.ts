/** What the core hands to a plugin's hooks, for tests without a node. */
import type { Message, NodeFigures, Receiving, ServerContext, Session, StoredBlob } from "../../core/plugin.ts";

export function session(person: string, id = `${person}'s session`, name = person): Session {
  return { id, person: { id: person, name } };
}

export const figures: NodeFigures = {
  id: "node-1",
  name: "kitchen",
  version: "1.0.0",
  startedAt: 1_800_000_000_000,
  clients: 1,
  messagesPerSecond: 0,
  rssBytes: 1,
  lagMs: 0,
  busOpen: true,
  types: {},
  faults: [],
  peers: [],
};

/** A node that knows these messages and files, at a time that the test sets. */
export function serverContext(
  given: Partial<ServerContext> & { messages?: Message[]; blobs?: StoredBlob[] } = {},
): ServerContext {
  const { messages = [], blobs = [], ...context } = given;
  return {
    now: () => 0,
    node: () => figures,
    async find(id, author) {
      const known = messages.filter(message => message.id === id);
      return known.find(message => message.author.id === author) ?? known[0];
    },
    idFor: seed => `id of ${seed}`,
    blob: async hash => blobs.find(blob => blob.hash === hash),
    ...context,
  };
}

export function receiving(from: Session, changes: Partial<Receiving> = {}): Receiving {
  return { ...serverContext(), from, room: "lobby", ...changes };
}
