import { useEffect, useRef, useState } from "preact/hooks";
import { defineClient, type Message, type Person, type Shell } from "web-chat/plugin";
import { Canvas, type Pen } from "./canvas.tsx";
import {
  type Board,
  board,
  COLOURS,
  type Live,
  live,
  MAX_CHARACTERS,
  MAX_POINTS,
  MAX_WIDTH,
  type Stroke,
  stroke,
  undo,
} from "./message.ts";
import "./client.css";

/** A connection may send 10 signals a second, and other types send some, too. */
const TELL_EVERY_MS = 125;
/** Of somebody who leaves in the middle of a stroke no end will come. */
const EXPIRY_MS = 10_000;
const MAX_LIVE = 50;

type BoardShell = Shell<Board>;
type Line = { author: Person; body: Stroke };
type View = readonly (Message<Stroke> & Line)[];
type RowProps = { shell: BoardShell; message: Message<Board> & { body: Board }; view: View };

function Row({ shell, message: { id, room, body }, view }: RowProps) {
  const [pen, setPen] = useState<Pen>({ colour: "blue", width: 10 });
  const [undone, setUndone] = useState<readonly string[]>([]);
  const strokes = view.filter(({ id }) => !undone.includes(id));
  const last = strokes.findLast(({ author }) => author.id === shell.me.id);
  const takeBack = (id: string) => {
    shell.of(undo).send({}, { room, ref: id });
    setUndone([...undone, id]);
  };
  const said = caption(shell, strokes);
  return (
    <section class="board">
      <h3 dir="auto">{body.title || shell.t("board")}</h3>
      <Canvas
        label={said}
        strokes={[...strokes, ...useLive(shell, id, view)].map(({ body }) => body)}
        pen={pen}
        grown={useTell(shell, id, room)}
        done={done => shell.of(stroke).send(done, { room, ref: id })}
      />
      <div class="pens">
        <Pens shell={shell} name={id} pen={pen} choose={setPen} />
        <button type="button" class="small-button" disabled={!last} onClick={() => last && takeBack(last.id)}>
          {shell.t("undo")}
        </button>
      </div>
      <p class="quiet">{said}</p>
    </section>
  );
}

function caption({ t, language }: BoardShell, strokes: View): string {
  const names = new Map(strokes.map(({ author }) => [author.id, author.name])).values();
  const list = new Intl.ListFormat(language, { type: "conjunction" }).format(names);
  return strokes.length > 0 ? t("drawn", { n: strokes.length, names: list }) : t("empty");
}

/** What others are drawing at this moment. */
function useLive(shell: BoardShell, id: string, strokes: View): readonly Line[] {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const hear = ({ author, body: { board, ...body } }: { author: Person; body: Live }) => {
    if (board === id) setLines(lines => longer(lines, { author, body }));
  };
  useEffect(() => shell.of(live).listen(hear), [id]);
  useEffect(() => {
    const expiry = lines.length > 0 ? setTimeout(() => setLines([]), EXPIRY_MS) : undefined;
    return () => clearTimeout(expiry);
  }, [lines]);
  const unfinished = (lines: readonly Line[]) => lines.filter(line => !strokes.some(stroke => isSame(stroke, line)));
  useEffect(() => setLines(unfinished), [strokes]);
  return unfinished(lines);
}

/** Lines of which one has more points now. */
function longer(lines: readonly Line[], { author, body }: Line): readonly Line[] {
  const line = lines.find(line => isSame(line, { author, body }));
  const points = [...(line?.body.points ?? []), ...body.points].slice(0, MAX_POINTS);
  return [...lines.filter(other => other !== line), { author, body: { ...body, points } }].slice(-MAX_LIVE);
}

function isSame(one: Line, other: Line): boolean {
  return one.author.id === other.author.id && one.body.began === other.body.began;
}

/** What tells the others of a stroke that grows. */
function useTell(shell: BoardShell, board: string, room: string): (stroke: Stroke) => void {
  const next = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const told = useRef({ began: 0, points: 0 });
  const tell = (stroke: Stroke) => {
    const from = told.current.began === stroke.began ? told.current.points : 0;
    const points = stroke.points.slice(from);
    if (points.length > 0) shell.of(live).send({ ...stroke, board, points }, { room });
    told.current = { began: stroke.began, points: stroke.points.length };
    next.current = undefined;
  };
  return stroke => {
    next.current ??= setTimeout(tell, TELL_EVERY_MS, stroke);
  };
}

type PensProps = { shell: BoardShell; name: string; pen: Pen; choose(pen: Pen): void };

function Pens({ shell: { t }, name, pen, choose }: PensProps) {
  return (
    <>
      {(Object.keys(COLOURS) as Stroke["colour"][]).map(colour => (
        <label key={colour} title={t(colour)}>
          <input
            type="radio"
            name={name}
            aria-label={t(colour)}
            checked={colour === pen.colour}
            onChange={() => choose({ ...pen, colour })}
          />
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <circle cx="8" cy="8" r="6" fill={COLOURS[colour]} />
          </svg>
        </label>
      ))}
      <input
        type="range"
        min="4"
        max={MAX_WIDTH}
        aria-label={t("width")}
        value={pen.width}
        onInput={({ currentTarget }) => choose({ ...pen, width: Number(currentTarget.value) })}
      />
    </>
  );
}

function Form({ shell, room, close }: { shell: BoardShell; room: string; close(): void }) {
  const [title, setTitle] = useState("");
  const start = (event: Event) => {
    event.preventDefault();
    shell.send({ title }, { room });
    close();
  };
  return (
    <form class="start" onSubmit={start}>
      <input
        class="field"
        autofocus
        maxLength={MAX_CHARACTERS}
        placeholder={shell.t("title")}
        aria-label={shell.t("title")}
        value={title}
        onInput={({ currentTarget }) => setTitle(currentTarget.value)}
      />
      <button type="submit" class="button primary">
        {shell.t("start")}
      </button>
    </form>
  );
}

export default [
  defineClient<Board, Board, View>(board, {
    Row,
    fold: (_, marks) => marks.filter(({ type }) => type === stroke.type) as View[number][],
    command: { takes: "title", label: "start", run: (title, room, shell) => shell.send({ title }, { room }) },
    tool: { label: "start", icon: "M2.5 13.5h11M4 10.5l.5-2.5 6-6 2 2-6 6z", shortcut: "Alt+W", Form },
    strings: {
      en: {
        start: "Start a whiteboard",
        title: "title",
        board: "Whiteboard",
        drawn: "Lines: {n}, drawn by {names}",
        empty: "Draw with a mouse, a finger or a pen.",
        undo: "Undo",
        width: "Width of the pen",
        blue: "Blue",
        red: "Red",
        green: "Green",
        orange: "Orange",
        grey: "Grey",
      },
      zh: {
        start: "新建白板",
        title: "标题",
        board: "白板",
        drawn: "{names} 画了 {n} 笔",
        empty: "用鼠标、手指或触控笔作画。",
        undo: "撤销",
        width: "笔的粗细",
        blue: "蓝色",
        red: "红色",
        green: "绿色",
        orange: "橙色",
        grey: "灰色",
      },
    },
  }),
  defineClient(stroke, {}),
  defineClient(live, {}),
  defineClient(undo, {}),
];
