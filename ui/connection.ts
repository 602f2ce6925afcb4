/** The Socket.IO connection to a node: kept up, asked and listened to. With polling.ts, the only file that imports socket.io-client. */
import { signal } from "@preact/signals";
import { io, type Socket, WebSocket } from "socket.io-client";
import type { Message, Person } from "../core/plugin.ts";
import { arrive, home, lastPlace, learnPlaces, nameAt, type Reachable, round } from "./places.ts";

const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_MS = 2_000;
/** Between two rounds through all places: the shortest, and the longest. */
const PAUSE_MS = 300;
const MAX_PAUSE_MS = 5_000;
/** What a place has to let us in where there are others; more in each round, should it be the way that is slow. */
const TRY_MS = 2_500;
const MAX_TRY_MS = 20_000;
/** A break shorter than this is nobody's business. */
const PATIENCE_MS = 300;

export type Named = { id: string; name: string };
export type Limits = { messagesPerSecond: number; burst: number; frameBytes: number };
export type StateValue = { type: string; key: string; body: unknown; nodes: string[] };
export type Welcome = {
  you: Person;
  token: string;
  /** Opens files, for what can send no headers. */
  ticket: string;
  node: Named & { version: string };
  nodes: Reachable[];
  rooms: Named[];
  state: StateValue[];
  limits: Limits;
  ack: "local" | "peer";
  /** Message types with their versions. */
  types: Record<string, number>;
  /** A fingerprint of the page that the node serves; missing where it serves none, or is older. */
  page?: string;
};
export type Refusal = { ok: false; code: string; message: string; retryAfterMs?: number; suggestion?: string };
export type Answer<Result> = ({ ok: true } & Result) | Refusal;

export type Handlers = {
  auth(): Record<string, unknown>;
  welcome(welcome: Welcome): void;
  lost(): void;
  /** The node did not let us in; returns whether to try again. */
  refused(refusal: Refusal): boolean;
  batch(messages: Message[]): void;
  /** Every event that this file does not know is a signal, if anything. */
  signal(type: string, payload: unknown): void;
  events: Record<string, (payload: never) => void>;
};

/** From the welcome on, until the connection breaks. */
export const connected = signal(false);
/** The connection is broken for long enough to say so. */
export const troubled = signal(false);
export const node = signal<Welcome["node"]>({ id: "", name: "", version: "" });
export const limits = signal<Limits>({ messagesPerSecond: 0, burst: 0, frameBytes: 0 });
/** The node acks what another one has committed, too. */
export const acksLate = signal(false);

/** The message types that the node knows. */
export const served = signal<readonly string[]>([]);
/** The node that this page came from has another one by now. */
export const outdated = signal(false);

/** The name of the node that is tried, or is connected. */
export const nodeName = signal("");
/** Connected to another node than the one that this page came from. */
export const elsewhere = signal(false);

let socket: Socket | undefined;
/** Few need it: it is loaded where WebSocket does not come through. */
let polling: typeof import("./polling.ts").polling | undefined;
let worry: ReturnType<typeof setTimeout> | undefined;
/** Calls the next try: after its time, or when this one takes too long. */
let timer: ReturnType<typeof setTimeout> | undefined;
/** What is still to be tried in this round. */
let ahead: string[] = [];
/** Since the last welcome, this one included. */
let rounds = 0;
/** A node asked not to be tried again sooner, in milliseconds. */
let askedPauseMs = 0;

export function connect(handlers: Handlers): void {
  hangUp();
  worryLater();
  ahead = round(home);
  rounds = 1;
  tryNext(handlers);
}

/** Every place once before any of them twice. */
function tryNext(handlers: Handlers): void {
  drop();
  const pause = ahead.length > 0 ? 0 : Math.max(askedPauseMs, Math.min(PAUSE_MS * 2 ** rounds++, MAX_PAUSE_MS));
  if (pause > 0) {
    ahead = round(lastPlace());
    askedPauseMs = 0;
  }
  // Those whom one node lost do not all come to the next in the same moment.
  timer = setTimeout(() => dial(ahead.shift() ?? home, handlers), pause * (0.75 + Math.random() / 2));
}

function dial(url: string, handlers: Handlers): void {
  const { origin, pathname } = new URL(`${url}/socket.io/`);
  nodeName.value = nameAt(url);
  const made = io(origin, {
    path: pathname,
    // Another node answers no page but by WebSocket.
    transports: url === home && polling ? [WebSocket, polling] : [WebSocket],
    tryAllTransports: true,
    // It polls only where WebSocket does not come through.
    upgrade: false,
    forceNew: true,
    reconnection: false,
    auth: give => give(handlers.auth()),
  });
  socket = made;
  const isOnly = round(home).length === 1;
  timer = setTimeout(tryNext, isOnly ? MAX_TRY_MS : Math.min(TRY_MS * 2 ** (rounds - 1), MAX_TRY_MS), handlers);
  followConnection(made, url, handlers);
  made.on("batch", handlers.batch);
  for (const [event, handle] of Object.entries(handlers.events)) made.on(event, handle as (payload: unknown) => void);
  made.onAny((event: string, payload: unknown) => {
    if (!OWN.includes(event) && !Object.hasOwn(handlers.events, event)) handlers.signal(event, payload);
  });
}

const OWN = ["welcome", "batch", "chat:nodes"];

function followConnection(made: Socket, url: string, handlers: Handlers): void {
  made.on("welcome", (welcome: Welcome) => {
    clearTimeout(timer);
    clearTimeout(worry);
    ahead = [];
    rounds = 0;
    node.value = welcome.node;
    limits.value = welcome.limits;
    acksLate.value = welcome.ack === "peer";
    learnPlaces(welcome.nodes);
    arrive(url, welcome.node.name);
    nodeName.value = welcome.node.name;
    elsewhere.value = url !== home;
    served.value = Object.keys(welcome.types);
    outdated.value = url === home && isOther(welcome.page);
    troubled.value = false;
    connected.value = true;
    handlers.welcome(welcome);
  });
  made.on("chat:nodes", (nodes: Reachable[]) => {
    learnPlaces(nodes);
    askHome();
  });
  made.on("disconnect", () => {
    lose(handlers);
    tryNext(handlers);
  });
  made.on("connect_error", error => {
    const refusal = (error as { data?: Refusal }).data;
    if (!refusal && url === home && !polling) return pollToo(made, handlers);
    if (refusal?.code) {
      // Only where the person was let in before does an unknown session say that it has ended: others may not know it yet.
      const isStranger = refusal.code === "session-unknown" && url !== lastPlace();
      if (!isStranger && !handlers.refused(refusal)) return hangUp();
      askedPauseMs = Math.max(askedPauseMs, refusal.retryAfterMs ?? RETRY_MS);
    }
    tryNext(handlers);
  });
}

/** While the page is at another node its own may come back as another version, and nobody tells the page. */
export async function askHome(): Promise<void> {
  if (!elsewhere.peek()) return;
  const html = await fetch(`${home}/`).then(
    answer => answer.text(),
    () => "",
  );
  // Without home, what a reload brought would be no page.
  if (elsewhere.peek()) outdated.value = isOther(/<meta name="page" content="(\w+)"/.exec(html)?.[1]);
}

function isOther(page = ""): boolean {
  const own = document.querySelector<HTMLMetaElement>("meta[name=page]")?.content;
  return own !== undefined && page !== "" && page !== own;
}

/** Between here and home a proxy may break WebSocket: then home is asked once more. */
function pollToo(made: Socket, handlers: Handlers): void {
  import("./polling.ts").then(
    loaded => {
      ({ polling } = loaded);
      if (socket !== made) return;
      drop();
      dial(home, handlers);
    },
    () => socket === made && tryNext(handlers),
  );
}

function lose(handlers: Handlers): void {
  if (!connected.peek()) return;
  connected.value = false;
  worryLater();
  handlers.lost();
}

function worryLater(): void {
  clearTimeout(worry);
  worry = setTimeout(() => {
    troubled.value = true;
  }, PATIENCE_MS);
}

export function hangUp(): void {
  clearTimeout(worry);
  troubled.value = false;
  connected.value = false;
  drop();
}

function drop(): void {
  clearTimeout(timer);
  const old = socket;
  socket = undefined;
  old?.removeAllListeners();
  old?.disconnect();
}

/** The node's answer; a refusal with the code `offline` where none came in time. Never throws. */
export async function request<Result>(event: string, payload: unknown): Promise<Answer<Result>> {
  if (socket && connected.peek()) {
    try {
      return await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, payload);
    } catch {}
  }
  return { ok: false, code: "offline", message: "no answer" };
}
