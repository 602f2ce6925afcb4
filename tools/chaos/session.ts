/** A client's connection to one node. */
import { io, type Socket } from "socket.io-client";
import type { Message } from "../../core/plugin.ts";

export type Answer = { ok: boolean; code?: string; message?: string; retryAfterMs?: number } & Record<string, unknown>;
export type Cursor = Record<string, number>;
export type Joined = { messages: Message[]; cursor: Cursor; more: boolean; older: boolean };
/** How a client says who it is: see core/PROTOCOL.md. */
export type Auth = { token: string; name?: string; after?: string; batch?: boolean };

export const ROOM = "lobby";
const CONNECT_WITHIN_MS = 2_000;
const ANSWER_WITHIN_MS = 3_000;

/** A node said no. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class Session {
  readonly socket: Socket;
  readonly person: string;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;

  private constructor(socket: Socket, person: string) {
    this.socket = socket;
    this.person = person;
    this.ended = new Promise(resolve => socket.once("disconnect", () => resolve()));
  }

  /** Rejects with `Refused` where the node refuses, and with another error where it does not answer in time. */
  static async open(url: string, auth: Auth): Promise<Session> {
    const options = { forceNew: true, reconnection: false, transports: ["websocket"], timeout: CONNECT_WITHIN_MS };
    const socket = io(url, { ...options, auth: { types: ["text"], ...auth } });
    try {
      const welcome = await new Promise<{ you: { id: string } }>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error("no welcome came")), CONNECT_WITHIN_MS);
        socket.once("welcome", resolve);
        socket.once("connect_error", (error: Error & { data?: { code: string } }) =>
          reject(error.data ? new Refused(error.data.code, error.message) : error),
        );
        for (const event of ["welcome", "connect_error"]) socket.once(event, () => clearTimeout(late));
      });
      return new Session(socket, welcome.you.id);
    } catch (error) {
      socket.disconnect();
      throw error;
    }
  }

  /** Rejects where no answer comes. */
  async ask(event: string, payload: object): Promise<Answer> {
    return (await this.socket.timeout(ANSWER_WITHIN_MS).emitWithAck(event, payload)) as Answer;
  }

  /** Rejects with `Refused` where the node refuses. */
  async grant<Granted>(event: string, payload: object): Promise<Granted> {
    const answer = await this.ask(event, payload);
    if (!answer.ok) throw new Refused(answer.code ?? "", answer.message ?? "");
    return answer as unknown as Granted;
  }

  join(cursor?: Cursor): Promise<Joined> {
    return this.grant<Joined>("join", { room: ROOM, ...(cursor && { cursor }) });
  }

  close(): void {
    this.socket.disconnect();
  }
}
