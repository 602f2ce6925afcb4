/** What is measured, and of whom: a workload is one file of `workloads/`, which exports it as `workload`. */
import type { ServerName } from "./servers/server.ts";

/** What a client speaks: log messages as `batch`, one event each as any Socket.IO client, or bare WebSocket text. */
export type Speech = "batch" | "plain" | "ws";

export type Contender = {
  /** As `--only` and the tables call it. */
  readonly name: string;
  readonly server: ServerName;
  readonly speech: Speech;
  /** Whether what it acks is on disk. */
  readonly durable: boolean;
};

/** Figures of one run by the key of each. */
export type Figures = Record<string, number>;

/** A column of the table. */
export type Figure = {
  readonly key: string;
  readonly title: string;
  /** Decimals shown. */
  readonly digits?: number;
  /** Set beside socket.io's, round by round. */
  readonly ratio?: true;
};

/** One run: a contender in a fresh server process, under a load in a process of its own. */
export type Run = {
  /** Only the counts matter, and it has to be over soon. */
  readonly short: boolean;
  /** Takes away what was started, last first, when the run has ended, however it ended. */
  defer(close: () => unknown): void;
  /** A count that is wrong: the run fails. Times are no faults. */
  fault(what: string): void;
};

export type Workload = {
  /** How the command line calls it. */
  readonly letter: string;
  readonly title: string;
  readonly contenders: readonly Contender[];
  readonly figures: readonly Figure[];
  /** Unless the command line says; 3 where neither does. */
  readonly rounds?: number;
  /** Throws `Skipped` where the contender cannot run here. */
  measure(contender: Contender, run: Run): Promise<Figures>;
};

/** Why a contender was left out on this machine. */
export class Skipped extends Error {}

export const WEB_CHAT: Contender = { name: "web-chat", server: "web-chat", speech: "batch", durable: true };
export const WEB_CHAT_PLAIN: Contender = { name: "web-chat-plain", server: "web-chat", speech: "plain", durable: true };
export const WS: Contender = { name: "ws", server: "ws", speech: "ws", durable: false };
export const WS_COALESCING: Contender = {
  name: "ws-coalescing",
  server: "ws-coalescing",
  speech: "ws",
  durable: false,
};
export const SOCKET_IO: Contender = { name: "socket.io", server: "socketio", speech: "plain", durable: false };
export const REDIS: Contender = { name: "socket.io+redis", server: "redis-adapter", speech: "plain", durable: false };
export const REDIS_STREAMS: Contender = {
  name: "socket.io+redis-streams",
  server: "redis-streams-adapter",
  speech: "plain",
  durable: false,
};
/** All that serve a room on one machine. */
export const ALL: readonly Contender[] = [WEB_CHAT, WEB_CHAT_PLAIN, SOCKET_IO, REDIS, REDIS_STREAMS, WS, WS_COALESCING];
