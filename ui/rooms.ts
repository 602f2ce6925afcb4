/** The rooms that exist, those that the person visits, and the one on the screen. */
import { computed, effect, signal } from "@preact/signals";
import { connected, type Named, request } from "./connection.ts";
import { keep, keptList } from "./keep.ts";
import { join } from "./resume.ts";
import { Room } from "./room.ts";

export const LOBBY = "lobby";
const ROUTE = /^#\/room\/(.+)$/;
const LIST = "#/";

const byId = new Map<string, Room>();
/** The ids of those that are joined on each connection, so that they can be counted. */
export const visited = signal<readonly string[]>([...new Set([LOBBY, ...keptList("rooms")])]);
/** Every room that is known, the lobby first; until the node has told, those of the last visit. */
export const rooms = signal<readonly Room[]>(visited.peek().map(id => roomOf(id)));

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});
const visible = signal(!document.hidden);
document.addEventListener("visibilitychange", () => {
  visible.value = !document.hidden;
});

export const currentId = computed(() => {
  try {
    return decodeURIComponent(ROUTE.exec(hash.value)?.[1] ?? LOBBY);
  } catch {
    return LOBBY;
  }
});
/** On a phone, the list of rooms is a page of its own. */
export const listing = computed(() => hash.value === LIST);
export const current = computed(() => {
  rooms.value;
  return roomOf(currentId.value);
});

/** The room of that id, made where the page does not hold it yet. */
export function roomOf(id: string, name = id): Room {
  let room = byId.get(id);
  if (!room) {
    room = new Room(id, name, isViewed);
    byId.set(id, room);
  }
  return room;
}

export function heldRoom(id: string): Room | undefined {
  return byId.get(id);
}

function isViewed(room: Room): boolean {
  return visible.peek() && room.id === currentId.peek() && room.atEnd.peek() && room.goal.peek() === "";
}

/** The end of it is on the screen, so what is there was read. */
export function see(room: Room): void {
  if (isViewed(room)) room.markRead();
}

/** Rooms exist that were not known, or not by that name. */
export function learn(named: readonly Named[]): void {
  const known = new Set(rooms.peek());
  for (const { id, name } of named) {
    const room = roomOf(id, name);
    room.name.value = name;
    if (room.state.peek() === "missing") room.state.value = "loading";
    known.add(room);
  }
  rooms.value = [...known].sort(
    (a, b) => Number(b.id === LOBBY) - Number(a.id === LOBBY) || a.name.peek().localeCompare(b.name.peek()),
  );
  visit(currentId.peek());
}

/** Joins the room, now and on each connection to come. */
export function visit(id: string): void {
  const room = roomOf(id);
  if (room.state.peek() === "missing") return;
  if (!visited.peek().includes(id)) visited.value = [...visited.peek(), id];
  if (connected.peek() && !room.joined.peek()) join(room);
}

/** The connection broke. */
export function unjoinAll(): void {
  for (const room of byId.values()) room.joined.value = false;
}

/** The room on the screen first: that one is waited for. */
export function joinVisited(): void {
  for (const id of new Set([currentId.peek(), ...visited.peek()])) visit(id);
}

export async function leave(id: string): Promise<void> {
  open(LOBBY);
  visited.value = visited.peek().filter(other => other !== id);
  byId.delete(id);
  rooms.value = rooms.peek().map(room => (room.id === id ? roomOf(id, room.name.peek()) : room));
  await request("leave", { room: id });
}

export function open(id: string): void {
  go(`#/room/${encodeURIComponent(id)}`);
}

export function openList(): void {
  go(LIST);
}

function go(to: string): void {
  location.hash = to;
  // The event comes later, and until then the page would show a room that was left.
  hash.value = to;
}

/** Opens the visited room `by` places further down the list. */
export function step(by: number): void {
  const list = rooms.peek().filter(room => visited.peek().includes(room.id));
  const at = list.findIndex(room => room.id === currentId.peek());
  const room = list[(at + by + list.length) % list.length];
  if (room) open(room.id);
}

/** Forgets everything: another person may come. */
export function forgetRooms(): void {
  byId.clear();
  rooms.value = [];
  visited.value = [LOBBY];
  open(LOBBY);
}

effect(() => {
  const there = visited.value.filter(id => byId.get(id)?.state.value !== "missing");
  keep("rooms", JSON.stringify(there));
});

let before: Room | undefined;
effect(() => {
  const room = current.value;
  if (room !== before) before?.turnedAway();
  before = room;
  visit(room.id);
});

effect(() => {
  const room = current.value;
  if (visible.value && room.atEnd.value && room.goal.value === "") room.markRead();
});
