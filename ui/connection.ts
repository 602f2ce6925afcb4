/** The Socket.IO connection to one node: kept up, asked and listened to. The only file that imports socket.io-client. */
import { signal } from "@preact/signals";
import { io, type Socket } from "socket.io-client";
import type { Message, Person } from "../core/plugin.ts";

const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_MS = 2_000;
/** A break shorter than this is nobody's business. */
const PATIENCE_MS = 300;

export type Named = { id: string; name: string };
export type Limits = { messagesPerSecond: number; burst: number; frameBytes: number };
export type StateValue = { type: string; key: string; body: unknown; nodes: string[] };
export type Welcome = {
  you: Person;
  token: string;
  node: Named & { version: string };
  rooms: Named[];
  state: StateValue[];
  limits: Limits;
  ack: "local" | "peer";
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

let socket: Socket | undefined;
let worry: ReturnType<typeof setTimeout> | undefined;

export function connect(handlers: Handlers): void {
  hangUp();
  worryLater();
  const base = new URL(".", document.baseURI);
  socket = io(base.origin, {
    path: `${base.pathname}socket.io/`,
    // Away from localhost a proxy may break WebSocket; then polling is tried.
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    forceNew: true,
    reconnectionDelay: 300,
    reconnectionDelayMax: 5_000,
    auth: give => give(handlers.auth()),
  });
  followConnection(socket, handlers);
  socket.on("batch", handlers.batch);
  for (const [event, handle] of Object.entries(handlers.events)) socket.on(event, handle as (payload: unknown) => void);
  socket.onAny((event: string, payload: unknown) => {
    if (event !== "welcome" && event !== "batch" && !Object.hasOwn(handlers.events, event))
      handlers.signal(event, payload);
  });
}

function followConnection(made: Socket, handlers: Handlers): void {
  made.on("welcome", (welcome: Welcome) => {
    node.value = welcome.node;
    limits.value = welcome.limits;
    acksLate.value = welcome.ack === "peer";
    clearTimeout(worry);
    troubled.value = false;
    connected.value = true;
    handlers.welcome(welcome);
  });
  made.on("disconnect", reason => {
    lose(handlers);
    // Socket.IO leaves it to us to come back from a disconnect that the server asked for.
    if (reason === "io server disconnect") reconnect(made, RETRY_MS / 4);
  });
  made.on("connect_error", error => {
    const refusal = (error as { data?: Refusal }).data;
    if (made.active || !refusal?.code) return;
    if (handlers.refused(refusal)) reconnect(made, refusal.retryAfterMs ?? RETRY_MS);
    else hangUp();
  });
}

function reconnect(made: Socket, afterMs: number): void {
  setTimeout(() => {
    if (made === socket) made.connect();
  }, afterMs);
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
