/** The session from joining to logging out: what comes in over the connection, and where it goes. */
import { computed, signal } from "@preact/signals";
import type { Message } from "../core/plugin.ts";
import { admit } from "./blobs.ts";
import {
  askHome,
  connect,
  connected,
  type Handlers,
  hangUp,
  type Named,
  type Refusal,
  request,
  type StateValue,
  type Welcome,
} from "./connection.ts";
import { gather } from "./frames.ts";
import { type Key, t } from "./i18n.ts";
import { keep, kept } from "./keep.ts";
import { clearOutbox, loadOutbox } from "./outbox.ts";
import { pluginOf, types } from "./registry.ts";
import { receive, reset } from "./resume.ts";
import { forgetRooms, heldRoom, joinVisited, learn, open, unjoinAll } from "./rooms.ts";
import { arrived, startSending, stopWaiting, stored } from "./sender.ts";
import {
  credentials,
  followTabs,
  forgetPerson,
  hasToken,
  link,
  me,
  problem,
  rename,
  signIn,
  signOut,
  suggestion,
  wrote,
} from "./session.ts";
import { hear, startPlugins, stopPlugins } from "./shell.ts";
import { toast } from "./toasts.tsx";
import { hold } from "./values.ts";

/** Somebody is signed in, connected or not. */
export const present = signal(hasToken());
/** The join screen waits for an answer. */
export const joining = signal(false);
/** A link was opened where somebody is signed in already: which of the two it shall be. */
export const undecided = computed(() => present.value && link.value !== "");

const handlers: Handlers = {
  auth: () => ({ ...credentials(kept("name")), batch: true, types }),
  welcome,
  lost() {
    incoming.flush();
    stopPlugins();
    unjoinAll();
    stopWaiting();
  },
  refused,
  batch: deliver,
  signal: hear,
  events: {
    state: (changes: StateValue[]) => hold(changes),
    stored(known: { id: string; copies: number }[]) {
      for (const { id, copies } of known) stored(id, copies);
    },
    renamed: tellRenamed,
    reset({ room: id }: { room: string }) {
      // What came before it is of the history that it ends.
      incoming.flush();
      const room = heldRoom(id);
      if (room) reset(room);
    },
    "chat:rooms": (named: Named[]) => learn(named),
  },
};

function tellRenamed({ name }: { name: string }): void {
  rename({ ...me.peek(), name });
  toast(t("renamed", { name }));
}

export function start(): void {
  loadOutbox();
  startSending();
  followTabs(() => {
    if (hasToken() === present.peek()) return;
    if (hasToken()) enter();
    else leave("");
  });
  if (undecided.peek()) return;
  if (hasToken() || link.peek() !== "") enter();
}

function enter(): void {
  present.value = hasToken();
  joining.value = !present.peek();
  problem.value = "";
  connect(handlers);
}

export function joinAs(name: string): void {
  keep("name", name);
  suggestion.value = "";
  enter();
}

/** Takes the link's person in place of the one who is signed in, or does not. */
export function decide(useLink: boolean): void {
  if (useLink) {
    const code = link.peek();
    forgetAll("");
    link.value = code;
  } else link.value = "";
  enter();
}

function welcome({ you, token, ticket, rooms, state }: Welcome): void {
  // It may have happened while we were away.
  if (you.id === me.peek().id && you.name !== me.peek().name) tellRenamed(you);
  signIn(you, token);
  admit(ticket);
  present.value = true;
  joining.value = false;
  learn(rooms);
  hold(state, true);
  startPlugins();
  joinVisited();
}

/** The person has to do something about these; with a token, only about the first. */
const IDENTITY: readonly string[] = [
  "session-unknown",
  "name-required",
  "name-taken",
  "link-unknown",
  "invalid",
  "too-large",
];

function refused({ code, suggestion: free = "" }: Refusal): boolean {
  if (!IDENTITY.slice(0, present.peek() ? 1 : undefined).includes(code)) return true;
  present.value = false;
  joining.value = false;
  link.value = "";
  signOut(code as Key);
  suggestion.value = free;
  return false;
}

/** Types that the page does not know, and asked for. */
const unknown = new Set<string>();
const incoming = gather<Message>(take);

function deliver(messages: readonly Message[]): void {
  for (const { type } of messages)
    if (!pluginOf(type) && !unknown.has(type)) {
      unknown.add(type);
      askHome();
    }
  incoming.add(messages);
  // What leaves the outbox has to be in the timeline by then, or it would be nowhere for a frame.
  if (messages.some(isOwn)) incoming.flush();
}

const isOwn = ({ author }: Message) => author.id === me.peek().id;

function take(messages: readonly Message[]): void {
  for (const id of new Set(messages.map(message => message.room))) {
    const room = heldRoom(id);
    if (room)
      receive(
        room,
        messages.filter(message => message.room === id),
      );
  }
  for (const { id, key } of messages.filter(isOwn)) {
    wrote(key);
    arrived(id);
  }
}

/** Makes a public room, or finds the one of that name, and opens it. */
export async function createRoom(name: string): Promise<Refusal | undefined> {
  const answer = await request<{ room: Named }>("chat:room", { name });
  if (!answer.ok) return answer;
  learn([answer.room]);
  open(answer.room.id);
  return undefined;
}

/** The token is void from now on, here and on every node. */
export async function logOut(): Promise<void> {
  if (connected.peek()) await request("chat:logout", {});
  await forgetAll("loggedOut");
}

async function forgetAll(why: Key | ""): Promise<void> {
  leave(why);
  forgetPerson();
  await clearOutbox();
}

function leave(why: Key | ""): void {
  stopPlugins();
  hangUp();
  forgetRooms();
  hold([], true);
  signOut(why);
  present.value = false;
  joining.value = false;
}
