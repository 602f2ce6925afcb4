/** The timeline of a room, as people scroll through it. */
import { computed, effect, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { anchor } from "./anchor.ts";
import { ChunkView } from "./chunk.tsx";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { useLong } from "./long.ts";
import { items } from "./outbox.ts";
import { Reach } from "./reach.ts";
import { roleOf } from "./registry.ts";
import { loadNewer, loadNewest, loadOlder } from "./resume.ts";
import type { Room } from "./room.ts";
import { see } from "./rooms.ts";
import type { Chunk } from "./timeline.ts";
import { refocus } from "./view.ts";

/** History is asked for where less than this is left, in CSS pixels. */
const FETCH_PX = 2_500;

/** In place of the first chunk, whose id it has, as long as there is nothing but what waits. */
const EMPTY: Chunk = { id: 0, entries: signal([]) };

export function Scroller({ room }: { room: Room }) {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState(false);
  const waiting = useMemo(
    () => computed(() => items.value.filter(item => item.room === room.id && roleOf(item.type) === "row")),
    [room],
  );
  const reach = useMemo(() => new Reach(room.timeline, room.line.peek()), [room]);
  const toEnd = () => {
    reach.toEnd();
    if (room.newer.peek()) loadNewest(room);
    if (box.current) box.current.scrollTop = 0;
  };
  const { chunks, above, isTop, isEnd, restPx } = reach.drawn;

  useKeptFocus(box.current);
  useEffect(() => watchScrolling(room, reach, box.current, content.current, setFailed), [room]);
  useShowUnread(room, box);
  useShowGoal(room, box);
  const written = waiting.value.length;
  const before = useRef(written);
  useLayoutEffect(() => {
    // Who writes wants to see it.
    if (written > before.current) toEnd();
    before.current = written;
  }, [written]);

  const isEmpty = chunks.length === 0;
  return (
    <div class="scroller-frame">
      <div
        ref={box}
        class="scroller"
        role="log"
        aria-label={t("messages", { room: `#${room.name.value}` })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable without a mouse
        tabIndex={0}
        onKeyDown={event => walk(event, toEnd)}
      >
        <div ref={content} class="scroller-content">
          {isTop && <Top room={room} empty={isEmpty && written === 0} failed={failed} />}
          {(isEmpty && written > 0 ? [EMPTY] : chunks).map((chunk, at, { length }) => (
            <ChunkView
              key={chunk.id}
              chunk={chunk}
              above={at > 0 ? chunks[at - 1] : above}
              room={room}
              waiting={isEnd && at === length - 1 ? waiting.value : undefined}
            />
          ))}
          <Rest heightPx={restPx} />
        </div>
      </div>
      <Pill
        room={room}
        onClick={() => {
          toEnd();
          refocus();
        }}
      />
    </div>
  );
}

/** Stands for the rows below those that are drawn. */
function Rest({ heightPx }: { heightPx: number }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.style.setProperty("height", `${heightPx}px`), [heightPx]);
  return <div ref={box} />;
}

/** The reading has the focus where a row had it that is no longer drawn. */
function useKeptFocus(box: HTMLElement | null): void {
  const had = box?.contains(document.activeElement);
  useLayoutEffect(() => {
    if (had && document.activeElement === document.body) box?.focus({ preventScroll: true });
  });
}

function watchScrolling(
  room: Room,
  reach: Reach,
  box: HTMLElement | null,
  content: HTMLElement | null,
  failed: (f: boolean) => void,
) {
  if (!box || !content) return;
  let loading = false;
  const load = async (page: (room: Room) => Promise<boolean>) => {
    if (loading || !room.joined.peek()) return;
    loading = true;
    const { era } = room;
    failed(!(await page(room)));
    loading = false;
    // The reader may stand at an end that had to wait for a page of what is no longer here.
    if (room.era !== era) settle();
  };
  const heightOf = ({ id }: Chunk) => content.querySelector<HTMLElement>(`[data-chunk="${id}"]`)?.offsetHeight;
  const { settle, stop } = anchor(box, content, {
    isWhole: () => reach.drawn.isEnd && !room.newer.peek(),
    atEnd(atEnd) {
      room.atEnd.value = atEnd;
    },
    moved(abovePx, belowPx) {
      reach.moved({ abovePx, belowPx, boxPx: box.clientHeight, atEnd: room.atEnd.peek() }, heightOf);
      const { isTop, isEnd } = reach.drawn;
      if (isTop && abovePx < FETCH_PX && room.older.peek()) load(loadOlder);
      else if (isEnd && belowPx < FETCH_PX && room.newer.peek()) load(loadNewer);
    },
  });
  // Or at one that was reached while there was no connection.
  const stopJoined = effect(() => {
    if (room.joined.value) queueMicrotask(settle);
  });
  return () => {
    stopJoined();
    stop();
    room.atEnd.value = true;
    if (room.newer.peek()) loadNewest(room);
  };
}

/** A room with something unread opens where that begins. */
function useShowUnread(room: Room, box: { current: HTMLElement | null }): void {
  const ready = room.state.value === "ready";
  useLayoutEffect(() => {
    if (!ready || !box.current) return;
    const line = box.current.querySelector(".unread-line");
    const { top, height } = box.current.getBoundingClientRect();
    const abovePx = line ? top + height / 4 - line.getBoundingClientRect().top : 0;
    if (abovePx > height / 4) box.current.scrollTop -= abovePx;
    else see(room);
  }, [ready]);
}

/** What somebody came for stands in the middle, and has the focus. */
function useShowGoal(room: Room, box: { current: HTMLElement | null }): void {
  const goal = room.goal.value;
  useLayoutEffect(() => {
    const row = goal !== "" && box.current?.querySelector<HTMLElement>(`[data-key="${goal}"]`);
    if (!row) return;
    room.goal.value = "";
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  });
}

/** Arrow keys go from message to message, so that what can be done to one is in reach of Tab. */
function walk(event: KeyboardEvent & { currentTarget: HTMLElement }, toEnd: () => void): void {
  const { key, currentTarget: box, ctrlKey, altKey, metaKey } = event;
  if (ctrlKey || altKey || metaKey) return;
  if (key === "End") return toEnd();
  if (key !== "ArrowUp" && key !== "ArrowDown") return;
  const rows = [...box.querySelectorAll<HTMLElement>("article")];
  const at = rows.findIndex(row => row.contains(document.activeElement));
  const row = at < 0 ? rows.at(-1) : rows[at + (key === "ArrowUp" ? -1 : 1)];
  if (!row) return;
  event.preventDefault();
  row.focus();
}

/** What stands above the oldest row. */
function Top({ room, empty, failed }: { room: Room; empty: boolean; failed: boolean }) {
  const loading = useLong(room.state.value === "loading");
  const name = `#${room.name.value}`;
  if (loading && empty) return <Skeleton />;
  if (room.state.value !== "ready") return null;
  if (room.older.value) return <p class="top-note">{t(failed ? "olderFailed" : "loadingOlder")}</p>;
  if (!empty) return <p class="top-note">{t("start", { room: name })}</p>;
  return (
    <div class="blank">
      <strong>{t("emptyRoom")}</strong>
      <p>{t("emptyRoomHint", { room: name })}</p>
    </div>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" role="status" aria-label={t("loadingRoom")}>
      {[1, 2, 3, 4, 5].map(n => (
        <div key={n}>
          <i />
          <b />
          <s />
        </div>
      ))}
    </div>
  );
}

function Pill({ room, onClick }: { room: Room; onClick(): void }) {
  if (room.atEnd.value) return null;
  const n = room.unread.value;
  return (
    <button
      type="button"
      class={n > 0 ? "pill new" : "pill"}
      aria-label={n > 0 ? undefined : t("toNewest")}
      onClick={onClick}
    >
      {n > 0 && t("newPill", { n })}
      <Icon name="down" />
    </button>
  );
}
