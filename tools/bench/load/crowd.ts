/** Many clients in rooms, and those of them who write. */
import { randomUUID } from "node:crypto";
import type { Server } from "../servers/server.ts";
import type { Contender, Run } from "../workload.ts";
import { Client } from "./client.ts";
import { type Author, type Hearing, Tally } from "./tally.ts";

export type Writer = {
  client: Client;
  author: Author;
  room: string;
  /** What its messages say behind their number. */
  filler?: string;
};
export type Crowd = { tally: Tally; clients: Client[]; writers: Writer[]; rooms: string[] };
type CrowdOptions = {
  rooms: number;
  /** Clients of each room. */
  each: number;
  /** Of them, those who write. */
  writers: number;
  tally?: Tally;
  /** People that the clients are; one a client unless given. */
  people?: number;
};

const CONNECTING = 50;

/** Connects them all, each in its room; resolves when each has joined. */
export async function gather(server: Server, contender: Contender, run: Run, options: CrowdOptions): Promise<Crowd> {
  const { rooms: count, each, writers: writing, tally = new Tally() } = options;
  const rooms = await makeRooms(server, contender, count);
  const hearings = rooms.map(() => tally.room());
  const clients = await connectAll(server, contender, run, { clients: count * each, people: options.people });
  const writers: Writer[] = [];
  await Promise.all(
    clients.map(async (client, index) => {
      const place = index % count;
      const room = rooms[place] as string;
      await join(client, room, hearings[place] as Hearing);
    }),
  );
  for (let index = 0; index < count * writing; index++) {
    const place = index % count;
    const author = (hearings[place] as Hearing).author();
    writers.push({ client: clients[index] as Client, author, room: rooms[place] as string });
  }
  return { tally, clients, writers, rooms };
}

/** From now on the client's deliveries count as that room's; it may join others that are the same to the tally. */
export async function join(client: Client, room: string, hearing: Hearing): Promise<void> {
  // Before it is answered: live messages may come in one read with the answer.
  client.hearing = hearing;
  client.receiver ??= hearing.receiver();
  const answer = await client.ask("join", client.speech === "ws" ? { join: room } : { room });
  if (!answer.ok) throw new Error(`join: ${JSON.stringify(answer)}`);
}

type ConnectAllOptions = {
  clients: number;
  /** People whom they are, in turns; one each unless given. */
  people?: number | undefined;
  /** Who comes first. */
  firstPerson?: number;
};

/** Connects clients, some at a time. */
export async function connectAll(
  { port, name }: Server,
  { speech }: Contender,
  run: Run,
  { clients: count, people = count, firstPerson = 0 }: ConnectAllOptions,
): Promise<Client[]> {
  const clients: Client[] = [];
  run.defer(() => {
    for (const client of clients) client.cut();
  });
  let next = 0;
  const connectUpTo = async (end: number) => {
    while (next < end) {
      const index = next++;
      const auth = authOf((firstPerson + index) % people, speech);
      clients[index] = await Client.open({ port, speech, ...(name === "web-chat" && { auth }) });
    }
  };
  const connectSome = (end: number) => Promise.all(Array.from({ length: CONNECTING }, () => connectUpTo(end)));
  // Each person once before anybody comes again: a name that is being claimed is taken.
  await connectSome(Math.min(people, count));
  await connectSome(count);
  return clients;
}

/** A person of the load, the same each time. The type `text` is known, as to web-chat's own page. */
function authOf(person: number, speech: string): Record<string, unknown> {
  const token = `bench-person-${String(person).padStart(12, "0")}`;
  return { name: `Person ${person}`, token, batch: speech === "batch", types: ["text"] };
}

/** Rooms of that many; the lobby where one will do. */
export async function makeRooms(server: Server, { speech }: Contender, count: number): Promise<string[]> {
  if (count === 1) return ["lobby"];
  // As long as web-chat's own.
  if (server.name !== "web-chat") return Array.from({ length: count }, () => randomUUID());
  const client = await Client.open({ port: server.port, speech, auth: authOf(0, speech) });
  const rooms: string[] = [];
  for (let index = 0; index < count; index++) {
    const answer = await client.ask("chat:room", { name: `Room ${index}` });
    if (!answer.ok) throw new Error(`chat:room: ${JSON.stringify(answer)}`);
    rooms.push((answer.room as { id: string }).id);
  }
  client.close();
  return rooms;
}
