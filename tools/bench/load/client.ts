/** One client of the load: a socket of its own, frames by hand, and no more parsing than counting needs. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Speech } from "../workload.ts";
import { closeFrame, type Frame, pongFrame, readFrame, textFrame } from "./frames.ts";
import { type Hearing, type Numbers, type Receiver, scan } from "./tally.ts";

/** Shared by all sockets, as each read is dealt with at once. */
const READ_BYTES = 1024 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

export type Answer = { ok: boolean; code?: string; retryAfterMs?: number } & Record<string, unknown>;
export type ConnectOptions = {
  port: number;
  speech: Speech;
  /** What a Socket.IO client says of itself; nothing for peers. */
  auth?: Record<string, unknown>;
};

/** As a browser sends them. */
const HEADERS = [
  "Connection: Upgrade",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,zh-CN;q=0.8,zh;q=0.7",
  "Cookie: theme=dark; consent=granted; session_hint=7c9e6679-7425-40de-944b-e07fc1f90ae7",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
];
const OK = Buffer.from('{"ok":true');
const WS_OK = Buffer.from('"ok":true');
const COLON = 0x3a;

export class Client {
  readonly speech: Speech;
  /** Where its deliveries are counted. */
  hearing: Hearing | undefined;
  receiver: Receiver | undefined;
  isOpen = false;
  readonly #socket: Socket;
  readonly #acks = new Map<number, (answer: Answer | undefined) => void>();
  readonly #frame: Frame = { opcode: 0, begin: 0, end: 0 };
  readonly #out: Buffer[] = [];
  #ack = 0;
  /** What came of a frame whose end has not. */
  #rest: Buffer = Buffer.alloc(0);
  #restBytes = 0;
  #isUpgraded = false;
  #opened: () => void = () => {};
  #failed: (error: Error) => void = () => {};
  readonly #auth: Record<string, unknown> | undefined;

  /** Resolves when messages can be sent; rejects where the server refuses, with its reason. */
  static async open(options: ConnectOptions): Promise<Client> {
    const client = new Client(options);
    await new Promise<void>((resolve, reject) => {
      client.#opened = resolve;
      client.#failed = reject;
    });
    client.isOpen = true;
    return client;
  }

  private constructor({ port, speech, auth }: ConnectOptions) {
    this.speech = speech;
    this.#auth = auth;
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length: number) => {
          this.#read(length);
          return true;
        },
      },
    });
    const path = speech === "ws" ? "/" : "/socket.io/?EIO=4&transport=websocket";
    const key = randomBytes(16).toString("base64");
    const origin = `http://127.0.0.1:${port}`;
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: ${origin}\r\n${HEADERS.join("\r\n")}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    this.#socket.on("error", error => this.#failed(error));
    this.#socket.on("close", () => {
      this.#failed(new Error("the server closed the connection"));
      this.isOpen = false;
    });
  }

  /** Calls what answers; the answer is undefined where it is an `ok` that nobody has to look into. */
  send(event: string, payload: object, answered: (answer: Answer | undefined) => void): void {
    const ack = ++this.#ack;
    this.#acks.set(ack, answered);
    const text =
      this.speech === "ws"
        ? `{"ack":${ack},${JSON.stringify(payload).slice(1)}`
        : `42${ack}["${event}",${JSON.stringify(payload)}]`;
    if (this.#out.length === 0) queueMicrotask(() => this.#flush());
    this.#out.push(textFrame(text));
  }

  /** Asks for what has to be read, such as a page. */
  ask(event: string, payload: object): Promise<Answer> {
    return new Promise(resolve => {
      this.send(event, payload, answer => resolve(answer ?? { ok: true }));
      this.#isAsking.add(this.#ack);
    });
  }
  readonly #isAsking = new Set<number>();

  /** What one read leads to is one write. */
  #flush(): void {
    this.#socket.write(this.#out.length === 1 ? (this.#out[0] as Buffer) : Buffer.concat(this.#out));
    this.#out.length = 0;
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.isOpen = false;
    this.#socket.end(closeFrame());
  }

  /** Without a goodbye. */
  cut(): void {
    this.isOpen = false;
    this.#socket.destroy();
  }

  #read(length: number): void {
    let bytes: Buffer = readBuffer;
    let end = length;
    if (this.#restBytes > 0) {
      bytes = this.#withRest(length);
      end = this.#restBytes;
    }
    let at = 0;
    if (!this.#isUpgraded) {
      const headers = bytes.indexOf("\r\n\r\n");
      if (headers !== -1 && headers < end) {
        at = headers + 4;
        this.#isUpgraded = true;
        if (!bytes.toString("latin1", 0, headers).startsWith("HTTP/1.1 101"))
          this.#failed(new Error("no WebSocket here"));
        if (this.speech === "ws") this.#opened();
      }
    }
    if (this.#isUpgraded) at = this.#take(bytes, at, end);
    this.#keepRest(bytes, at, end);
    this.hearing?.tally.noticed();
  }

  /** Puts what was read behind what waits for it; makes room where there is none. */
  #withRest(length: number): Buffer {
    const wanted = this.#restBytes + length;
    if (this.#rest.length < wanted) {
      const larger = Buffer.allocUnsafeSlow(wanted * 2);
      this.#rest.copy(larger, 0, 0, this.#restBytes);
      this.#rest = larger;
    }
    readBuffer.copy(this.#rest, this.#restBytes, 0, length);
    this.#restBytes = wanted;
    return this.#rest;
  }

  #keepRest(bytes: Buffer, at: number, end: number): void {
    if (bytes === this.#rest) this.#rest.copyWithin(0, at, end);
    else if (end > at) {
      if (this.#rest.length < end - at) this.#rest = Buffer.allocUnsafeSlow((end - at) * 2);
      bytes.copy(this.#rest, 0, at, end);
    }
    this.#restBytes = end - at;
  }

  /** Deals with the whole frames in there; returns where they end. */
  #take(bytes: Buffer, begin: number, end: number): number {
    const { hearing, receiver } = this;
    const frame = this.#frame;
    let at = begin;
    let runAt = at;
    let run: Numbers | undefined;
    const close = () => {
      if (!run || !hearing || !receiver) return;
      hearing.heard(receiver, run);
      hearing.keep(bytes.subarray(runAt, at), run);
      run = undefined;
    };
    while (at < end) {
      if (hearing && receiver) {
        if (run && run.numbers.length >= 512) close();
        const repeated = run ? 0 : hearing.repeat(receiver, bytes, at, end);
        if (repeated > 0) {
          at += repeated;
          continue;
        }
      }
      if (!readFrame(bytes, at, end, frame)) break;
      if (this.#isDelivery(bytes, frame)) {
        if (!run) {
          run = { authors: [], numbers: [] };
          runAt = at;
        }
        scan(bytes, frame.begin, frame.end, run);
      } else {
        close();
        this.#other(bytes, frame);
      }
      at = frame.end;
    }
    close();
    return at;
  }

  #isDelivery(bytes: Buffer, { opcode, begin, end }: Frame): boolean {
    if (opcode !== 0x81 || !this.hearing) return false;
    const first = bytes[begin];
    // {"type":… or [{"type":…
    if (this.speech === "ws") return first === 0x5b || bytes[begin + 2] === 0x74;
    if (first !== 0x34 || bytes[begin + 1] !== 0x32 || end - begin < 10) return false;
    // 42["batch",… or 42["text",…
    const name = bytes[begin + 4];
    return this.speech === "batch"
      ? name === 0x62 && bytes[begin + 5] === 0x61
      : name === 0x74 && bytes[begin + 5] === 0x65;
  }

  #other(bytes: Buffer, { opcode, begin, end }: Frame): void {
    if (opcode === 0x89) this.#socket.write(pongFrame(bytes.subarray(begin, end)));
    if (opcode !== 0x81) return;
    if (this.speech === "ws") return this.#answeredBare(bytes, begin, end);
    const kind = String.fromCharCode(bytes[begin] as number, bytes[begin + 1] as number);
    if (kind === "43") return this.#answered(bytes, begin + 2, end);
    const text = bytes.toString("utf8", begin, end);
    if (text === "2") this.#socket.write(textFrame("3"));
    else if (text.startsWith("0{")) this.#socket.write(textFrame(`40${JSON.stringify(this.#auth ?? {})}`));
    else if (kind === "40") this.#opened();
    else if (kind === "44") this.#failed(new Error(text.slice(2)));
  }

  /** `43<ack>[<answer>]` */
  #answered(bytes: Buffer, begin: number, end: number): void {
    let ack = 0;
    let at = begin;
    for (; (bytes[at] as number) !== 0x5b; at++) ack = ack * 10 + (bytes[at] as number) - 0x30;
    const isOk = bytes.compare(OK, 0, OK.length, at + 1, at + 1 + OK.length) === 0;
    if (isOk && !this.#isAsking.has(ack)) this.#answer(ack, undefined);
    else this.#answer(ack, (JSON.parse(bytes.toString("utf8", at, end)) as [Answer])[0]);
  }

  /** `{"ack":<ack>,"ok":true}` */
  #answeredBare(bytes: Buffer, begin: number, end: number): void {
    let ack = 0;
    let at = bytes.indexOf(COLON, begin) + 1;
    for (; (bytes[at] as number) !== 0x2c; at++) ack = ack * 10 + (bytes[at] as number) - 0x30;
    if (bytes.compare(WS_OK, 0, WS_OK.length, at + 1, at + 1 + WS_OK.length) === 0) this.#answer(ack, undefined);
    else this.#answer(ack, JSON.parse(bytes.toString("utf8", begin, end)) as Answer);
  }

  #answer(ack: number, answer: Answer | undefined): void {
    const answered = this.#acks.get(ack);
    this.#acks.delete(ack);
    this.#isAsking.delete(ack);
    answered?.(answer);
  }
}
