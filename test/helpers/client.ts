/** A plain Socket.IO client for tests: asks, and remembers what it was told. */
import { Agent } from "node:http";
import type { TestContext } from "node:test";
import { io, type Socket } from "socket.io-client";
import type { Message } from "../../core/plugin.ts";
import { cleanUp } from "./cleanup.ts";

export type Welcome = {
  protocol: number;
  you: { id: string; name: string };
  token: string;
  node: { id: string; name: string; version: string };
  nodes: { id: string; name: string; urls: string[] }[];
  types: Record<string, number>;
  page?: string;
  rooms: { id: string; name: string }[];
  state: StateValue[];
  ack: "local" | "peer";
  limits: Record<string, number>;
};
export type StateValue = { type: string; key: string; body: Record<string, unknown> | null; nodes: string[] };
export type Answer = { ok: boolean; code?: string; message?: string; retryAfterMs?: number } & Record<string, unknown>;
export type Joined = Answer & {
  messages: Message[];
  cursor: Record<string, number>;
  last: Record<string, string>;
  more: boolean;
  older: boolean;
};

export type Client = {
  socket: Socket;
  welcome: Welcome;
  /** Everything that it was told: event and payload, in order. */
  events: [string, unknown][];
  /** The values of the cluster's state as this client knows them, by `type key`. */
  state: Map<string, StateValue>;
  ask(event: string, payload?: unknown): Promise<Answer>;
  join(room: string, cursor?: Record<string, number>, last?: Record<string, string>): Promise<Joined>;
  /** Sends a text; fails the test if it is refused. */
  say(text: string, room?: string): Promise<{ id: string; key: string; at: number; copies: number }>;
  /** Log messages that it was told, single or in batches. */
  messages(room?: string): Message[];
  /** Resolves as soon as `holds` is true; looked at after each event. */
  until<Value>(holds: () => Value | undefined | false | null, what?: string): Promise<Value>;
};

const ASK_TIMEOUT_MS = 15_000;
const UNTIL_TIMEOUT_MS = 15_000;

export type ConnectOptions = {
  transports?: string[];
  origin?: string;
  headers?: Record<string, string>;
  /** Where the node is found; at its port on this machine, unless given. */
  url?: string;
  /** Of Socket.IO's requests. */
  path?: string;
  /** PEM of the authority that is trusted. */
  ca?: string;
  /** An address of this machine to come from. */
  localAddress?: string;
};

/** Connects; rejects with the refusal's data where the node refuses. */
export async function connect(
  t: TestContext,
  node: { port: number },
  auth: Record<string, unknown>,
  options: ConnectOptions = {},
): Promise<Client> {
  const { url = `http://127.0.0.1:${node.port}`, origin, headers, localAddress, ...rest } = options;
  const socket = io(url, {
    auth,
    forceNew: true,
    reconnection: false,
    transports: ["websocket"],
    ...rest,
    // Its types have the option for browsers only.
    ...(localAddress !== undefined && { agent: new Agent({ localAddress }) as unknown as string }),
    extraHeaders: { ...headers, ...(origin !== undefined && { Origin: origin }) },
  });
  cleanUp(t, () => socket.disconnect());
  const events: [string, unknown][] = [];
  const state = new Map<string, StateValue>();
  const waiting = new Set<() => void>();
  const learn = (values: StateValue[]) => {
    for (const value of values) {
      if (value.body === null) state.delete(`${value.type} ${value.key}`);
      else state.set(`${value.type} ${value.key}`, value);
    }
  };
  socket.onAny((event: string, payload: unknown) => {
    events.push([event, payload]);
    if (event === "state") learn(payload as StateValue[]);
    for (const check of [...waiting]) check();
  });
  socket.on("disconnect", reason => {
    events.push(["disconnect", reason]);
    for (const check of [...waiting]) check();
  });
  const welcome = await new Promise<Welcome>((resolve, reject) => {
    socket.once("welcome", resolve);
    socket.once("connect_error", (error: Error & { data?: object }) => reject(error.data ?? error));
  });
  learn(welcome.state);

  const ask = (event: string, payload: unknown = {}): Promise<Answer> =>
    socket.timeout(ASK_TIMEOUT_MS).emitWithAck(event, payload);
  return {
    socket,
    welcome,
    events,
    state,
    ask,
    join: (room, cursor, last) =>
      ask("join", { room, ...(cursor && { cursor }), ...(last && { last }) }) as Promise<Joined>,
    async say(text, room = "lobby") {
      const answer = await ask("text", { room, body: { text } });
      if (!answer.ok) throw new Error(`refused: ${answer.code} ${answer.message}`);
      return answer as unknown as { id: string; key: string; at: number; copies: number };
    },
    messages: room =>
      events
        .flatMap(([event, payload]) => (event === "batch" ? (payload as Message[]) : [payload as Message]))
        .filter(
          message => message?.key !== undefined && message.origin !== undefined && (!room || message.room === room),
        ),
    until: <Value>(holds: () => Value | undefined | false | null, what = holds.toString()) =>
      new Promise<Value>((resolve, reject) => {
        const check = () => {
          const value = holds();
          if (value === undefined || value === false || value === null) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(value);
        };
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`did not come about: ${what}`));
        }, UNTIL_TIMEOUT_MS);
        waiting.add(check);
        check();
      }),
  };
}
