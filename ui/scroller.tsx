/** The timeline of a room, as people scroll through it. */
import { computed, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { anchor } from "./anchor.ts";
import { ChunkView } from "./chunk.tsx";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { useLong } from "./long.ts";
import { items } from "./outbox.ts";
import { roleOf } from "./registry.ts";
import { loadOlder } from "./resume.ts";
import type { Room } from "./room.ts";
import { see } from "./rooms.ts";
import type { Chunk } from "./timeline.ts";
import { refocus } from "./view.ts";

/** Older rows are drawn, or asked for, while this much is left above the reader. */
const AHEAD_PX = 2_500;
/** Chunks that are drawn at a time: a room opens as fast with thousands of rows as with few. */
const DRAWN = 2;

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
  const toEnd = () => {
    if (box.current) box.current.scrollTop = 0;
  };

  const chunks = room.timeline.chunks.value;
  const [first, setFirst] = useState(() => firstDrawn(room));
  const hidden = Math.max(0, chunks.indexOf(first as Chunk));
  const drawMore = useRef<(() => void) | undefined>(undefined);
  drawMore.current = hidden > 0 ? () => setFirst(chunks[hidden - DRAWN]) : undefined;

  useEffect(() => watchScrolling(room, box.current, content.current, drawMore, setFailed), [room]);
  useShowUnread(room, box);
  const written = waiting.value.length;
  const before = useRef(written);
  useLayoutEffect(() => {
    // Who writes wants to see it.
    if (written > before.current) toEnd();
    before.current = written;
  }, [written]);

  const name = `#${room.name.value}`;
  return (
    <div class="scroller-frame">
      <div
        ref={box}
        class="scroller"
        role="log"
        aria-label={t("messages", { room: name })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable without a mouse
        tabIndex={0}
        onKeyDown={walk}
      >
        <div ref={content} class="scroller-content">
          {hidden === 0 && <Top room={room} empty={chunks.length === 0 && written === 0} failed={failed} />}
          {(chunks.length === 0 && written > 0 ? [EMPTY] : chunks.slice(hidden)).map((chunk, at, { length }) => (
            <ChunkView
              key={chunk.id}
              chunk={chunk}
              above={chunks[hidden + at - 1]}
              room={room}
              waiting={at === length - 1 ? waiting.value : undefined}
            />
          ))}
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

/** With what is unread; undefined where all of it is drawn. */
function firstDrawn(room: Room): Chunk | undefined {
  const chunks = room.timeline.chunks.peek();
  const line = room.line.peek();
  const unread = chunks.findIndex(({ entries }) => line !== "" && (entries.peek().at(-1)?.message.key ?? "") > line);
  return chunks[Math.min(chunks.length - DRAWN, unread < 0 ? chunks.length : unread)];
}

function watchScrolling(
  room: Room,
  box: HTMLElement | null,
  content: HTMLElement | null,
  drawMore: { current: (() => void) | undefined },
  failed: (f: boolean) => void,
) {
  if (!box || !content) return;
  let loading = false;
  const stop = anchor(box, content, {
    atEnd(atEnd) {
      room.atEnd.value = atEnd;
    },
    async moved(abovePx) {
      if (abovePx > AHEAD_PX) return;
      if (drawMore.current) return drawMore.current();
      if (loading || !room.older.peek() || !room.joined.peek()) return;
      loading = true;
      failed(!(await loadOlder(room)));
      loading = false;
    },
  });
  return () => {
    stop();
    room.atEnd.value = true;
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

/** Arrow keys go from message to message, so that what can be done to one is in reach of Tab. */
function walk(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const { key, currentTarget: box, ctrlKey, altKey, metaKey } = event;
  if (ctrlKey || altKey || metaKey) return;
  if (key === "End") {
    box.scrollTop = 0;
    return;
  }
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
