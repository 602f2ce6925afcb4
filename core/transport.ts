/** Engine.IO's WebSocket, and how what is told leaves by it: once a turn of the event loop. */
import type { Socket as NetSocket } from "node:net";
import { transports } from "engine.io";
import { frameOf, inPieces } from "./packets.ts";

export type EngineRequest = ConstructorParameters<typeof transports.websocket>[0];
type Packet = Parameters<InstanceType<typeof transports.websocket>["send"]>[0][number];
/** Of ws. */
export type WebSocket = { _socket: NetSocket; readyState: number; pause(): void; resume(): void; terminate(): void };
const OPEN = 1;

/** What was told in this turn of the loop, and leaves at its end. */
export class Turn {
  #told: Gathering[] = [];

  told(to: Gathering): void {
    if (this.#told.push(to) === 1) setImmediate(() => this.#end());
  }

  #end(): void {
    const told = this.#told;
    this.#told = [];
    for (const transport of told) transport.flush();
  }
}

/** Engine.IO's WebSocket, with writing put off to the end of the turn. */
export class Gathering extends transports.websocket {
  readonly #turn: Turn;
  /** Texts of packets, and frames. */
  #told: (string | Buffer)[] = [];
  #units = 0;
  /** Whom it belongs to, as soon as Socket.IO has admitted it. */
  wire: { weigh(bytes: number): void } | undefined;

  constructor(request: EngineRequest, turn: Turn) {
    super(request);
    this.#turn = turn;
  }

  get below(): WebSocket {
    return (this as unknown as { socket: WebSocket }).socket;
  }

  /** About as many bytes wait to be written, or to be taken by the system. */
  get waiting(): number {
    return this.below._socket.writableLength + this.#units;
  }

  /** A text is that of one message of Engine.IO. */
  tell(told: string | Buffer): void {
    this.#units += told.length;
    if (this.#told.push(told) === 1) this.#turn.told(this);
  }

  override send(packets: Packet[]): void {
    for (const packet of packets)
      this.parser.encodePacket(packet, this.supportsBinary, data => void this.tell(frameOf(data as string | Buffer)));
    // Nothing here waits for the end of a write: Engine.IO may go on.
    this.emit("drain");
  }

  flush(): void {
    if (this.#told.length === 0) return;
    const told = this.#told;
    this.#told = [];
    this.#units = 0;
    const { _socket: socket, readyState } = this.below;
    if (readyState !== OPEN) return;
    const pieces = inPieces(told);
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    this.wire?.weigh(socket.writableLength);
  }

  override doClose(done?: () => void): void {
    this.flush();
    super.doClose(done);
  }
}
