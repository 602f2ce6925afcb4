import assert from "node:assert/strict";
import test from "node:test";
import type { Message, Receiving, ServerPlugin } from "web-chat/plugin";
import { board, COLOURS, live, type Stroke, stroke, undo } from "./message.ts";
import server from "./server.ts";

const line: Stroke = {
  began: 1,
  colour: "red",
  width: 8,
  points: [
    [0, 0],
    [1_600, 1_000],
  ],
};
const invalid = { name: "Reject", code: "invalid" };

test("a board has a title of one line, or none", () => {
  assert.deepEqual(board.parse({ title: " Floor\nplan " }), { title: "Floor plan" });
  assert.equal(board.summary({ title: "" }), "Whiteboard");
  for (const title of [undefined, 7, "\ud800"]) assert.throws(() => board.parse({ title }), invalid, String(title));
  assert.throws(() => board.parse({ title: "x".repeat(101) }), { code: "too-large" });
});

// biome-ignore format: a table
const HOSTILE: [what: string, changes: object][] = [
  ["no points", { points: [] }],
  ["too many points", { points: Array(1_001).fill([0, 0]) }],
  ["points that are no list", { points: "00" }],
  ["a list with holes", { points: Array(3) }],
  ["a point beside the board", { points: [[1_601, 0]] }],
  ["a point above the board", { points: [[0, -1]] }],
  ["a point between two dots", { points: [[0.5, 0]] }],
  ["a point that is no number", { points: [["0", 0]] }],
  ["a point that is nowhere", { points: [[Number.NaN, Infinity]] }],
  ["a point of three numbers", { points: [[0, 0, 0]] }],
  ["a colour of its own", { colour: "url(//elsewhere)" }],
  ["a colour that every object has", { colour: "constructor" }],
  ["no width", { width: 0 }],
  ["a width that hides the board", { width: 41 }],
  ["a beginning that is no time", { began: "now" }],
];
for (const [what, changes] of HOSTILE)
  test(`a stroke with ${what} is refused, done or live`, () => {
    assert.throws(() => stroke.parse({ ...line, ...changes }), invalid);
    assert.throws(() => live.parse({ ...line, board: "one", ...changes }), invalid);
  });

test("what a stroke has beyond that is left out", () => {
  assert.deepEqual(stroke.parse({ ...line, onload: "alert(1)" }), line);
  assert.deepEqual(live.parse({ ...line, board: "one", more: 1 }), { ...line, board: "one" });
  assert.throws(() => live.parse(line), invalid);
});

test("a stroke is packed into four bytes a point, and bytes that are none are refused", () => {
  const bytes = stroke.pack?.(line) as Uint8Array;
  assert.equal(bytes.length, 10 + 4 * line.points.length);
  assert.deepEqual(stroke.unpack?.(bytes, 1), line);
  for (const length of [0, 9, 11, 13, 10 + 4 * 1_001])
    assert.throws(() => stroke.unpack?.(new Uint8Array(length), 1), invalid, `${length} bytes`);
  // What has the right length and wrong contents is for parse to refuse.
  assert.throws(() => stroke.parse(stroke.unpack?.(new Uint8Array(14).fill(255), 1)), invalid);
});

test("one draws on a board of the same room, also on one that has not reached this node yet", async () => {
  assert.deepEqual(await draw({ find: async () => drawn("whiteboard", "ana") }), line);
  assert.deepEqual(await draw({ find: async () => undefined }), line);
  for (const changes of [{ type: "text" }, { room: "hall" }, { erased: true } as const])
    await assert.rejects(draw({ find: async () => ({ ...drawn("whiteboard", "ana"), ...changes }) }), {
      code: "not-found",
    });
});

test("one takes back one's own strokes, and nothing else", async () => {
  assert.deepEqual(await takeBack("ana", drawn("whiteboard.stroke", "ana")), {});
  assert.deepEqual(await takeBack("ana", undefined), {});
  await assert.rejects(takeBack("bo", drawn("whiteboard.stroke", "ana")), { code: "not-allowed" });
  await assert.rejects(takeBack("ana", drawn("text", "ana")), { code: "not-found" });
});

test("every colour stands out from light and from dark ground", () => {
  for (const [name, colour] of Object.entries(COLOURS))
    for (const ground of ["#ffffff", "#1f2526"]) {
      const [light = 0, dark = 0] = [luminance(colour), luminance(ground)].sort((one, other) => other - one);
      // WCAG 2.2, 1.4.11: graphics need 3 to 1.
      assert.ok((light + 0.05) / (dark + 0.05) >= 3, `${name} on ${ground}`);
    }
});

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function drawn(type: string, person: string): Message {
  const author = { id: person, name: person };
  return { type, id: "one", room: "lobby", author, at: 0, key: "", origin: "", n: 1, body: line };
}

/** What the server makes of a stroke. */
async function draw(changes: Partial<Receiving>): Promise<unknown> {
  const { hooks } = server[1] as ServerPlugin<Stroke>;
  return hooks().receive?.(line, { room: "lobby", ref: "one", ...changes } as Receiving);
}

async function takeBack(person: string, stroke: Message | undefined): Promise<unknown> {
  const { hooks } = server[3] as ServerPlugin<object>;
  const from = { id: "session", person: { id: person, name: person } };
  return hooks().receive?.(undo.parse({}), { room: "lobby", ref: "one", from, find: async () => stroke } as never);
}
