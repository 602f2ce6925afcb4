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
  } as unknown as typeof rooms;
  const hall: Hall = {
    ...emitter("all"),
    to: to => emitter(String(to)),
    of: () => ({ adapter: { rooms: looked } }),
  };
  const audience = new Audience(hall);
  /** Somebody who has joined the lobby. */
  const listener = (id: string, batch: boolean, types: string[]): Listener => {
    const socket = {
      id,
      connected: true,
      emit: (event: string, payload: unknown) => told.push([id, event, payload]),
      join: (room: string) => rooms.set(room, new Set([...(rooms.get(room) ?? []), id])),
      leave: (room: string) => rooms.get(room)?.delete(id),
    };
    const listener = { socket, dialect: audience.enter(batch, types) };
    audience.hold(listener, "lobby");
    audience.admit(listener, "lobby");
    return listener;
  };
  return { audience, listener, told, asked };
}

test("clients that know the same types share a dialect, however often and in whatever order they name them", () => {
  const { audience, listener, told } = newAudience();
  const dialects = [
    ["text", "redact"],
    ["redact", "text"],
    ["text", "redact", "text", "text"],
  ].map((types, index) => listener(`client ${index}`, true, types).dialect);
  assert.equal(new Set(dialects).size, 1);
  assert.equal(audience.messages("lobby", [message]), 3);
  assert.equal(told.length, 1, "encoded once for all");
  assert.notEqual(listener("plain", false, ["text", "redact"]).dialect, dialects[0]);
});

test("a dialect that nobody speaks any more costs nothing", () => {
  const { audience, listener, asked } = newAudience();
  const clients = Array.from({ length: 100 }, (_, index) => listener(`client ${index}`, true, [`type-${index}`]));
  const last = listener("last", true, ["text"]);
  const same = listener("same", true, ["text"]);
  for (const client of [...clients, same]) audience.leave(client);
  audience.messages("lobby", [message]);
  assert.equal(asked.length, 1);
  audience.leave(last);
  assert.equal(audience.messages("lobby", [message]), 0);
  assert.equal(asked.length, 1);
});

test("who leaves while a join is under way is sent nothing any more", () => {
  const { audience, listener, told } = newAudience();
  const client = listener("client", true, ["text"]);
  audience.hold(client, "lobby");
  audience.messages("lobby", [message]);
  audience.leave(client);
  audience.admit(client, "lobby");
  assert.deepEqual(told, []);
});

test("a room that is dismissed while its join is under way is held no more", () => {
  const { audience, listener, told } = newAudience();
  const client = listener("client", true, ["text"]);
  audience.hold(client, "lobby");
  assert.equal(audience.isHeld(client, "lobby"), true);
  assert.equal(audience.isHeld(client, "hall"), false);
  audience.dismiss(client, "lobby");
  assert.equal(audience.isHeld(client, "lobby"), false);
  audience.messages("lobby", [message]);
  assert.deepEqual(told, []);
});
