/** Good messages of each type: `web-chat check` sends them, and what it makes of them by spoiling them. */
const line = {
  began: 1_800_000_000_000,
  colour: "blue",
  width: 8,
  points: [
    [0, 0],
    [800, 500],
    [1_600, 1_000],
  ],
};

export default {
  whiteboard: [{ title: "Floor plan" }, { title: "" }, { title: "平面图" }],
  "whiteboard.stroke": [line, { ...line, colour: "grey", width: 40, points: [[1_600, 0]] }],
  "whiteboard.live": [{ ...line, board: "0190a1b2-0000-7000-8000-000000000000" }],
  "whiteboard.undo": [{}],
};
