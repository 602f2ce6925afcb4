/** Messages at a pace. */
import { io, type Socket } from "socket.io-client";
import { v7 as uuid } from "uuid";

const TURN_MS = 20;
const RETRY_MS = 1_000;
/** A node that does not keep up is not sent more than that. */
const MAX_UNANSWERED = 1_000;

/** A client that keeps sending at a pace. */
export class Load {
  sent = 0;
  #acked = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #most = Number.POSITIVE_INFINITY;
  #done = () => {};
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Resolves when it has joined the lobby. */
  static async connect(url: string): Promise<Load> {
    const socket = io(url, { auth: { name: "Raj" }, transports: ["websocket"], forceNew: true });
    await new Promise(resolve => socket.once("welcome", resolve));
    await socket.emitWithAck("join", { room: "lobby" });
    return new Load(socket);
  }

  disconnect(): void {
    clearInterval(this.#timer);
    this.#socket.disconnect();
  }

  start(perSecond: number): void {
    clearInterval(this.#timer);
    const startedAt = performance.now();
    const before = this.sent;
    this.#timer = setInterval(() => {
      const due = before + Math.floor(((performance.now() - startedAt) * perSecond) / 1_000);
      while (this.sent < Math.min(due, this.#most, this.#acked + MAX_UNANSWERED)) this.#send();
    }, TURN_MS);
  }

  #send(): void {
    const body = { text: `message ${this.sent++}: shall we ship *it*? 可以。` };
    this.#offer({ room: "lobby", id: uuid(), body });
  }

  #offer(message: { room: string; id: string; body: unknown }): void {
    this.#socket.emit("text", message, (answer: { ok: boolean; retryAfterMs?: number }) => {
      if (answer.ok && ++this.#acked === this.#most) this.#done();
      if (!answer.ok) setTimeout(() => this.#offer(message), answer.retryAfterMs ?? RETRY_MS);
    });
  }

  /** Resolves when so many were acked, and ends. */
  async reach(count: number): Promise<void> {
    this.#most = count;
    await new Promise<void>(done => {
      this.#done = done;
    });
    clearInterval(this.#timer);
  }
}
