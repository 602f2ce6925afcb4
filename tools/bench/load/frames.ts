/** WebSocket frames (RFC 6455, 5.2) as a client needs them. */

const TEXT = 0x81;
const PONG = 0x8a;
const CLOSE = 0x88;
const MASKED = 0x80;

/** A frame is in the buffer as a whole: where its payload begins and ends. */
export type Frame = { opcode: number; begin: number; end: number };

/** Puts the frame at `at` into `frame`; false where its end is not there yet: `frame.end` says where it will be, if its head is there. */
export function readFrame(bytes: Buffer, at: number, end: number, frame: Frame): boolean {
  if (end - at < 2) return false;
  const first = bytes[at] as number;
  let length = bytes[at + 1] as number;
  let begin = at + 2;
  if (length === 126) {
    if (end - at < 4) return false;
    length = bytes.readUInt16BE(at + 2);
    begin = at + 4;
  } else if (length === 127) {
    if (end - at < 10) return false;
    length = bytes.readUIntBE(at + 4, 6);
    begin = at + 10;
  }
  frame.opcode = first;
  frame.begin = begin;
  frame.end = begin + length;
  return frame.end <= end;
}

/** Masked with zeros, which leaves the payload as it is. */
export function textFrame(text: string): Buffer {
  return clientFrame(TEXT, Buffer.from(text));
}

export function pongFrame(payload: Buffer): Buffer {
  return clientFrame(PONG, payload);
}

export function closeFrame(): Buffer {
  return clientFrame(CLOSE, Buffer.alloc(0));
}

function clientFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126
      ? Buffer.from([first, MASKED | length, 0, 0, 0, 0])
      : Buffer.from([first, MASKED | 126, length >> 8, length & 255, 0, 0, 0, 0]);
  if (length > 65_535) throw new Error("the load sends no frames of that size");
  return Buffer.concat([header, payload]);
}
