/** What strokes are drawn on, and with. */
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { COLOURS, HEIGHT, MAX_POINTS, type Point, type Stroke, WIDTH } from "./message.ts";

export type Pen = Pick<Stroke, "colour" | "width">;
type Props = {
  label: string;
  strokes: readonly Stroke[];
  pen: Pen;
  /** The stroke has more points than before. */
  grown(stroke: Stroke): void;
  done(stroke: Stroke): void;
};

export function Canvas({ label, strokes, pen, grown, done }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const own = useRef<Stroke | undefined>(undefined);
  const [, redraw] = useReducer((times: number, _: unknown) => times + 1, 0);

  const begin = (point: Point) => {
    own.current = { began: Date.now(), ...pen, points: [point] };
  };
  const end = () => {
    if (own.current) done(own.current);
    own.current = undefined;
  };
  const up = ({ isPrimary }: PointerEvent) => {
    if (isPrimary) end();
  };

  useEffect(() => {
    const observer = new ResizeObserver(redraw);
    observer.observe(canvas.current as Element);
    return () => {
      observer.disconnect();
      // The row is put elsewhere, or the reader goes to another room, in the middle of a stroke.
      end();
    };
  }, []);
  useLayoutEffect(() => paint(canvas.current as HTMLCanvasElement, own.current ? [...strokes, own.current] : strokes));

  const down = (event: PointerEvent) => {
    if (!event.isPrimary || event.button !== 0) return;
    canvas.current?.setPointerCapture(event.pointerId);
    begin(pointAt(event));
    redraw(event);
  };
  const move = (event: PointerEvent) => {
    if (!own.current || !event.isPrimary) return;
    const point = pointAt(event);
    own.current.points.push(point);
    grown(own.current);
    if (own.current.points.length === MAX_POINTS) {
      end();
      begin(point);
    }
    redraw(event);
  };
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
    />
  );
}

/** Where a pointer is on the board, however large that is shown. */
function pointAt({ currentTarget, offsetX, offsetY }: PointerEvent): Point {
  const { clientWidth, clientHeight } = currentTarget as HTMLCanvasElement;
  const on = (part: number, most: number) => Math.round(Math.min(Math.max(part, 0), 1) * most);
  return [on(offsetX / clientWidth, WIDTH), on(offsetY / clientHeight, HEIGHT)];
}

function paint(canvas: HTMLCanvasElement, strokes: readonly Stroke[]): void {
  // As many dots as the screen has. Setting it wipes the canvas, too.
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(canvas.width / WIDTH, canvas.height / HEIGHT);
  context.lineCap = context.lineJoin = "round";
  for (const { colour, width, points } of strokes) {
    context.strokeStyle = COLOURS[colour];
    context.lineWidth = width;
    context.stroke(pathOf(points));
  }
}

/** Through the middles between the points, which makes a curve of them. */
function pathOf(points: readonly Point[]): Path2D {
  const path = new Path2D();
  let before: Point | undefined;
  for (const [x, y] of points) {
    if (before) path.quadraticCurveTo(...before, (before[0] + x) / 2, (before[1] + y) / 2);
    else path.moveTo(x, y);
    before = [x, y];
  }
  // A line without any length is not drawn.
  if (before) path.lineTo(before[0] + 0.01, before[1]);
  return path;
}
