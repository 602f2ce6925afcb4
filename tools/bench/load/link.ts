/** A WebSocket to a node that is no more than its frames, since what measures has to be cheaper than what is measured. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Frame, pongFrame, readFrame, textFrame } from "./frames.ts";

/** Of a server's frame, in bytes. */
const LONGEST_HEADER = 10;
const HANDSHAKE_END = "\r\n\r\n";
/** First bytes of frames: of a text, of what it goes on with, of its end, and of others. */
const [TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING] = [0x81, 0x01, 0x00, 0x80, 0x89];

export type Listening = {
  /** Called with each text; the buffer is good until it returns. */
  heard(text: Buffer, link: Link): void;
  /** Called once, when the connection is over. */
  ended(): void;
};

export class Link {
  readonly #socket: Socket;
  /** What came of a frame whose end has not, in pieces. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes that have to be there before there is anything to see in them. */
  #needed = 0;
  #fragments: Buffer[] = [];
  readonly #frame: Frame = { opcode: 0, begin: 0, end: 0 };
  readonly #heard: Listening["heard"];

  private constructor(socket: Socket, { heard, ended }: Listening) {
    this.#socket = socket;
    this.#heard = heard;
    socket.on("data", chunk => this.#read(chunk));
    socket.on("close", ended);
  }

  /** Opens `path` on this machine; rejects where that is refused. */
  static async open(port: number, path: string, listening: Listening): Promise<Link> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let answer = Buffer.alloc(0);
    while (!answer.includes(HANDSHAKE_END)) {
      const [chunk] = (await Promise.race([
        once(socket, "data"),
        once(socket, "close").then(() => {
          throw new Error("the node closed the connection");
        }),
      ])) as [Buffer];
      answer = Buffer.concat([answer, chunk]);
    }
    const head = answer.indexOf(HANDSHAKE_END) + HANDSHAKE_END.length;
    if (!answer.subarray(0, head).includes(" 101 ")) {
      socket.destroy();
      throw new Error(`no WebSocket: ${answer.toString("latin1", 0, answer.indexOf("\r\n"))}`);
    }
    const link = new Link(socket, listening);
    if (answer.length > head) link.#read(answer.subarray(head));
    return link;
  }

  send(text: string): void {
    this.#socket.write(textFrame(text));
  }

  /** Ends it as a cable that is pulled out does: without a word. */
  cut(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#needed) return;
    const bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    let at = 0;
    while (readFrame(bytes, at, bytes.length, this.#frame)) {
      at = this.#frame.end;
      this.#take(bytes.subarray(this.#frame.begin, at));
    }
    // A welcome comes in many pieces: they are put together once.
    this.#needed = bytes.length - at >= LONGEST_HEADER ? this.#frame.end - at : 0;
    this.#pending = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#pendingBytes = bytes.length - at;
  }

  #take(payload: Buffer): void {
    const { opcode } = this.#frame;
    if (opcode === TEXT) this.#heard(payload, this);
    else if (opcode === PING) this.#socket.write(pongFrame(payload));
    else if (opcode === TEXT_BEGINS || opcode === TEXT_GOES_ON) this.#fragments.push(Buffer.from(payload));
    else if (opcode === TEXT_ENDS) {
      const whole = Buffer.concat([...this.#fragments, payload]);
      this.#fragments = [];
      this.#heard(whole, this);
    }
  }
}
