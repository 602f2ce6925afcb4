/** Socket.IO packets that many are told: encoded once, as text for polling clients and as frames for WebSockets. */

/** In front of Engine.IO's messages (engine.io-protocol, revision 4). */
const MESSAGE = "4";
const EVENT = "2";
const ACK = "3";

/** Opcodes of frames (RFC 6455, 5.2). */
const TEXT = 1;
const CONTINUATION = 0;
const FIN = 0x80;
const MAX_HEADER_BYTES = 10;
/** Frames up to this size are copied into one piece with what stands beside them; larger ones are written as they are. */
const COPIED_BYTES = 16 * 1024;

/** Engine.IO's packets, each without what it begins with; all of them as one piece of frames. */
export class Packets {
  readonly texts: readonly string[];
  #frames: Buffer | undefined;

  constructor(texts: readonly string[]) {
    this.texts = texts;
  }

  /** One event with one payload, which is JSON already. */
  static of(event: string, json: string): Packets {
    return new Packets([eventText(event, json)]);
  }

  get frames(): Buffer {
    this.#frames ??= framesOf(this.texts);
    return this.#frames;
  }
}

/** A part of packets that is the same for many: as JSON, and as the middle one of three fragments. */
export class Shared {
  readonly json: string;
  #fragment: Buffer | undefined;

  constructor(value: unknown) {
    this.json = JSON.stringify(value);
  }

  get fragment(): Buffer {
    this.#fragment ??= fragmentOf(this.json, CONTINUATION);
    return this.#fragment;
  }
}

/** The text of an event with one payload, which is JSON already. */
export function eventText(event: string, json: string): string {
  return `${EVENT}[${JSON.stringify(event)},${json}]`;
}

/** The text of an answer to the packet that had this id. */
export function ackText(id: number, answer: object): string {
  return `${ACK}${id}[${JSON.stringify(answer)}]`;
}

/** The fragments of a packet around one that is shared. */
export function fragmentsAround(before: string, { fragment }: Shared, after: string): [Buffer, Buffer, Buffer] {
  return [fragmentOf(MESSAGE + before, TEXT), fragment, fragmentOf(after, CONTINUATION | FIN)];
}

/** Each of the packets in a frame of its own, one behind the other. */
export function framesOf(texts: readonly string[]): Buffer {
  let bytes = 0;
  const lengths = texts.map(text => {
    const length = Buffer.byteLength(text) + MESSAGE.length;
    bytes += length + headerBytes(length);
    return length;
  });
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  texts.forEach((text, index) => {
    at = writeHeader(frames, at, TEXT | FIN, lengths[index] as number);
    at += frames.write(MESSAGE, at);
    at += frames.write(text, at);
  });
  return frames;
}

/** The frame of anything that Engine.IO sends. */
export function frameOf(data: string | Uint8Array): Buffer {
  return typeof data === "string" ? fragmentOf(data, TEXT | FIN) : framed(data, 2 | FIN);
}

/** Texts of packets and frames, in order, as pieces to write: all of it copied into one, but for frames that are large. */
export function inPieces(told: readonly (string | Buffer)[]): Buffer[] {
  const [only] = told;
  if (told.length === 1 && typeof only !== "string") return [only as Buffer];
  const pieces: Buffer[] = [];
  let texts: string[] = [];
  let small: Buffer[] = [];
  const endTexts = () => {
    if (texts.length > 0) small.push(framesOf(texts));
    texts = [];
  };
  const endSmall = () => {
    endTexts();
    if (small.length > 0) pieces.push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small));
    small = [];
  };
  for (const part of told) {
    if (typeof part === "string") texts.push(part);
    else if (part.length <= COPIED_BYTES) {
      endTexts();
      small.push(part);
    } else {
      endSmall();
      pieces.push(part);
    }
  }
  endSmall();
  return pieces;
}

function fragmentOf(text: string, first: number): Buffer {
  return framed(Buffer.from(text), first);
}

function framed(data: Uint8Array, first: number): Buffer {
  const header = Buffer.allocUnsafe(MAX_HEADER_BYTES);
  const end = writeHeader(header, 0, first, data.length);
  return Buffer.concat([header.subarray(0, end), data]);
}

const headerBytes = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : MAX_HEADER_BYTES);

/** Unmasked, as servers send them. Returns where the payload begins. */
function writeHeader(to: Buffer, at: number, first: number, length: number): number {
  to[at] = first;
  if (length < 126) to[at + 1] = length;
  else if (length < 65_536) {
    to[at + 1] = 126;
    to.writeUInt16BE(length, at + 2);
  } else {
    to[at + 1] = 127;
    to.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
    to.writeUInt32BE(length >>> 0, at + 6);
  }
  return at + headerBytes(length);
}
