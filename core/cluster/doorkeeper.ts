/** Says for each connection to the bus whether it may enter (ZAP, rfc.zeromq.org/spec/27). */
import * as zmq from "zeromq";

const AGAIN_MS = 500;

/** Who asks to enter: where from, and with which key. */
export type Caller = { address: string; mechanism: string; key: Uint8Array | undefined };

export type DoorkeeperPorts = {
  /** The socket at which ZeroMQ asks. */
  open(): Promise<zmq.Router>;
  /** Whether somebody may enter. Who makes it throw may not. */
  admits(caller: Caller): boolean;
  /** Nobody answers ZeroMQ's question, and why: it refuses everybody. Undefined once somebody does again. */
  shut(why: string | undefined): void;
};

/** Opens the socket at which ZeroMQ asks, once a context; throws what ZeroMQ threw. */
export async function openDoor(context: zmq.Context): Promise<zmq.Router> {
  const socket = new zmq.Router({ linger: 0, context });
  try {
    await socket.bind("inproc://zeromq.zap.01");
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

export class Doorkeeper {
  readonly #ports: DoorkeeperPorts;
  #socket: zmq.Router | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(ports: DoorkeeperPorts) {
    this.#ports = ports;
  }

  /** Resolves when ZeroMQ's questions are answered; throws what ZeroMQ threw. */
  static async open(ports: DoorkeeperPorts): Promise<Doorkeeper> {
    const doorkeeper = new Doorkeeper(ports);
    await doorkeeper.#open();
    return doorkeeper;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#socket?.close();
  }

  async #open(): Promise<void> {
    const socket = await this.#ports.open();
    this.#socket = socket;
    if (this.#closed) socket.close();
    else void this.#answer(socket);
  }

  async #answer(socket: zmq.Router): Promise<void> {
    let why = "its socket was closed";
    try {
      for await (const request of socket) await this.#decide(socket, request as Buffer[]);
    } catch (error) {
      why = (error as Error).message;
    }
    if (this.#closed) return;
    socket.close();
    this.#ports.shut(why);
    this.#openAgain();
  }

  #openAgain(): void {
    this.#again = setTimeout(async () => {
      try {
        await this.#open();
        if (!this.#closed) this.#ports.shut(undefined);
      } catch {
        // The address is free a moment after its last socket was closed.
        if (!this.#closed) this.#openAgain();
      }
    }, AGAIN_MS);
  }

  async #decide(socket: zmq.Router, request: Buffer[]): Promise<void> {
    const [from, empty, version, id, , address, , mechanism, key] = request;
    if (!from || !empty || !version || !id) return;
    const status = this.#admits({ address: String(address ?? ""), mechanism: String(mechanism ?? ""), key })
      ? ["200", "OK"]
      : ["400", "not admitted"];
    await socket.send([from, empty, version, id, ...status, "", ""]);
  }

  #admits(caller: Caller): boolean {
    try {
      return this.#ports.admits(caller);
    } catch {
      return false;
    }
  }
}
