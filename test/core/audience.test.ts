import assert from "node:assert/strict";
import test from "node:test";
import { Audience, type Hall, type Listener } from "../../core/audience.ts";
import type { Message } from "../../core/plugin.ts";

const message = { type: "text", id: "one", room: "lobby", alt: "Hello", body: { text: "Hello" } } as unknown as Message;

/** An audience whose rooms are a map, and what each of them was told. */
function newAudience() {
  const rooms = new Map<string, Set<string>>();
  const told: [room: string, event: string, payload: unknown][] = [];
  const asked: string[] = [];
  const emitter = (room: string) => ({
    emit: (event: string, payload: unknown) => told.push([room, event, payload]),
    except: () => emitter(room),
  });
  const looked = {
    get(room: string) {
      asked.push(room);
      return rooms.get(room);
    },
    has: (room: string) => (rooms.get(room)?.size ?? 0) > 0,
  } as unknown as typeof rooms;
  const hall: Hall = {
    ...emitter("all"),
    to: to => emitter(String(to)),
    of: () => ({ adapter: { rooms: looked } }),
  };
  const audience = new Audience(hall);
  /** Somebody who has joined the lobby. */
  const listener = async (id: string, batch: boolean, types: string[]): Promise<Listener> => {
    const socket = {
      id,
      connected: true,
      emit: (event: string, payload: unknown) => told.push([id, event, payload]),
      join: (room: string) => rooms.set(room, new Set([...(rooms.get(room) ?? []), id])),
      leave: (room: string) => rooms.get(room)?.delete(id),
    };
    const listener = { socket, dialect: audience.enter(batch, types) };
    await audience.join(
      listener,
      "lobby",
      async () => ({ more: false }),
      () => {},
    );
    return listener;
  };
  return { audience, listener, told, asked };
}

test("clients that know the same types share a dialect, however often and in whatever order they name them", async () => {
  const { audience, listener, told } = newAudience();
  const named = [
    ["text", "redact"],
    ["redact", "text"],
    ["text", "redact", "text", "text"],
  ];
  const clients = await Promise.all(named.map((types, index) => listener(`client ${index}`, true, types)));
  const dialects = clients.map(({ dialect }) => dialect);
  assert.equal(new Set(dialects).size, 1);
  assert.equal(audience.messages("lobby", [message]), 3);
  assert.equal(told.length, 1, "encoded once for all");
  assert.notEqual((await listener("plain", false, ["text", "redact"])).dialect, dialects[0]);
});

test("a dialect that nobody speaks any more costs nothing", async () => {
  const { audience, listener, asked } = newAudience();
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, index) => listener(`client ${index}`, true, [`type-${index}`])),
  );
  const last = await listener("last", true, ["text"]);
  const same = await listener("same", true, ["text"]);
  for (const client of [...clients, same]) audience.leave(client);
  audience.messages("lobby", [message]);
  assert.equal(asked.length, 1);
  audience.leave(last);
  assert.equal(audience.messages("lobby", [message]), 0);
  assert.equal(asked.length, 1);
});

test("what comes live while a join reads follows its answer", async () => {
  const { audience, listener, told } = newAudience();
  const client = await listener("client", true, ["text"]);
  const read = async () => {
    audience.messages("lobby", [message]);
    return { more: false };
  };
  await audience.join(client, "lobby", read, () => told.push(["client", "answer", undefined]));
  assert.deepEqual(
    told.map(([, event]) => event),
    ["answer", "batch"],
  );
});

test("who has to page on is not subscribed yet", async () => {
  const { audience, listener, told } = newAudience();
  const client = await listener("client", true, ["text"]);
  await audience.join(
    client,
    "lobby",
    async () => ({ more: true }),
    () => {},
  );
  assert.equal(audience.hears("lobby"), false);
  assert.equal(audience.messages("lobby", [message]), 0);
  assert.deepEqual(told, []);
});

for (const [what, end] of [
  ["leaves", (audience: Audience, client: Listener) => audience.leave(client)],
  ["is dismissed", (audience: Audience, client: Listener) => audience.dismiss(client, "lobby")],
] as const)
  test(`who ${what} while a join reads gets no answer, and is sent nothing any more`, async () => {
    const { audience, listener, told } = newAudience();
    const client = await listener("client", true, ["text"]);
    const read = async () => {
      audience.messages("lobby", [message]);
      end(audience, client);
      return { more: false };
    };
    const joined = audience.join(client, "lobby", read, () => told.push(["client", "answer", undefined]));
    await assert.rejects(joined, { code: "reset" });
    assert.equal(audience.hears("lobby"), false);
    audience.messages("lobby", [message]);
    assert.deepEqual(told, []);
  });
