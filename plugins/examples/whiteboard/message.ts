/** A board that people draw on together: the board, the strokes on it, a stroke while it is drawn, and taking one back. */
import { defineMessage, Reject } from "web-chat/plugin";

export type Board = { title: string };
export type Point = [x: number, y: number];
export type Stroke = {
  /** Milliseconds since 1970, by the clock of whoever draws: an author's strokes are told apart by it. */
  began: number;
  colour: keyof typeof COLOURS;
  /** Widths and points are whole numbers, on a board of `WIDTH` by `HEIGHT`. */
  width: number;
  points: Point[];
};
/** A stroke's newest points. */
export type Live = Stroke & { board: string };

export const WIDTH = 1_600;
export const HEIGHT = 1_000;
export const MAX_WIDTH = 40;
export const MAX_POINTS = 1_000;
export const MAX_CHARACTERS = 100;
/** Seen on light and on dark ground alike. More are added at the end: a stroke is packed with the place of its colour. */
export const COLOURS = { blue: "#3b82f6", red: "#e5484d", green: "#2f9e44", orange: "#d9730d", grey: "#808a8c" };

export const board = defineMessage<Board>({
  type: "whiteboard",
  version: 1,
  kind: "log",
  parse(input) {
    const { title } = Object(input);
    if (typeof title !== "string" || !title.isWellFormed()) throw new Reject("invalid", "the title is no text");
    const line = title.replace(/[\s\p{Cc}]+/gu, " ").trim();
    if (line.length > MAX_CHARACTERS) throw new Reject("too-large", `a title has at most ${MAX_CHARACTERS} characters`);
    return { title: line };
  },
  summary: ({ title }) => (title ? `Whiteboard: ${title}` : "Whiteboard"),
});

/** Kept, and drawn on the board that its `ref` names. */
export const stroke = defineMessage<Stroke>({
  type: "whiteboard.stroke",
  version: 1,
  kind: "log",
  role: "mark",
  parse(input) {
    const { began, colour, width, points } = Object(input);
    if (!isWithin(began, Number.MAX_SAFE_INTEGER)) throw new Reject("invalid", "a stroke says when it began");
    if (!isColour(colour)) throw new Reject("invalid", "there is no such colour");
    if (!isWithin(width, MAX_WIDTH) || width === 0) throw new Reject("invalid", `a width is 1 to ${MAX_WIDTH}`);
    if (!Array.isArray(points) || points.length < 1 || points.length > MAX_POINTS)
      throw new Reject("invalid", `a stroke has 1 to ${MAX_POINTS} points`);
    return { began, colour, width, points: Array.from(points, pointOf) };
  },
  pack,
  unpack,
  summary: ({ colour }) => `drew a ${colour} line`,
});

/** Not kept: whoever misses it sees the whole stroke when that is done. */
export const live = defineMessage<Live>({
  type: "whiteboard.live",
  version: 1,
  kind: "signal",
  parse(input) {
    const { board } = Object(input);
    if (typeof board !== "string" || board.length > MAX_CHARACTERS)
      throw new Reject("invalid", "there is no such board");
    return { ...stroke.parse(input), board: board.toWellFormed() };
  },
  summary: ({ colour }) => `is drawing a ${colour} line`,
});

/** Takes back the stroke that its `ref` names: the role has every node empty it. */
export const undo = defineMessage<Record<string, never>>({
  type: "whiteboard.undo",
  version: 1,
  kind: "log",
  role: "erase",
  parse: () => ({}),
  summary: () => "took a line back",
});

const HEAD_BYTES = 10;
const POINT_BYTES = 4;

/** What crosses the cluster and lies on disk: half of what MessagePack makes of a stroke. */
function pack({ began, colour, width, points }: Stroke): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEAD_BYTES + POINT_BYTES * points.length));
  view.setFloat64(0, began);
  view.setUint8(8, Object.keys(COLOURS).indexOf(colour));
  view.setUint8(9, width);
  for (const [at, part] of points.flat().entries()) view.setUint16(HEAD_BYTES + 2 * at, part);
  return new Uint8Array(view.buffer);
}

/** `parse` looks at what comes of it. Throws `Reject` where there is no stroke in these bytes. */
function unpack({ buffer, byteOffset, byteLength }: Uint8Array): unknown {
  const count = (byteLength - HEAD_BYTES) / POINT_BYTES;
  if (!isWithin(count, MAX_POINTS)) throw new Reject("invalid", "those bytes are no stroke");
  const view = new DataView(buffer, byteOffset, byteLength);
  const part = (at: number) => view.getUint16(HEAD_BYTES + 2 * at);
  return {
    began: view.getFloat64(0),
    colour: Object.keys(COLOURS)[view.getUint8(8)],
    width: view.getUint8(9),
    points: Array.from({ length: count }, (_, at) => [part(2 * at), part(2 * at + 1)]),
  };
}

function pointOf(point: unknown): Point {
  const [x, y, ...more] = Array.isArray(point) ? point : [];
  if (!isWithin(x, WIDTH) || !isWithin(y, HEIGHT) || more.length > 0)
    throw new Reject("invalid", `a point is two whole numbers, at most ${WIDTH} and ${HEIGHT}`);
  return [x, y];
}

function isWithin(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}

function isColour(name: unknown): name is Stroke["colour"] {
  return typeof name === "string" && Object.hasOwn(COLOURS, name);
}
