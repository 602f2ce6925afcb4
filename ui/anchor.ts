/**
 * Keeps what the reader looks at where it is, whatever comes, goes or grows around it.
 *
 * The box is laid out bottom up (column-reverse), so its scroll position counts from the newest row: rows that come above
 * move nothing, and at the end it stays at the end without our help. Only what changes below the reader has to be made
 * good, and a ResizeObserver does that after layout and before paint.
 */
const END_PX = 32;

type Watch = {
  /** The newest row is drawn: else the end of the box is not that of the timeline. */
  isWhole(): boolean;
  /** The end came into sight, or went out of it. */
  atEnd(atEnd: boolean): void;
  /** Scrolled, or grew; `abovePx` is what lies above the box, `belowPx` what lies below it. */
  moved(abovePx: number, belowPx: number): void;
};

/** Watches until `stop`; `settle` looks once more, where nothing has scrolled or grown. */
export function anchor(box: HTMLElement, content: HTMLElement, watch: Watch): { settle(): void; stop(): void } {
  let row: Element | undefined;
  let offsetPx = 0;
  let positionPx = 0;
  let isWatched = true;

  const isAtEnd = () => box.scrollTop > -END_PX && watch.isWhole();

  function look() {
    positionPx = box.scrollTop;
    const atEnd = isAtEnd();
    row = atEnd ? undefined : topRow(box);
    if (row) offsetPx = row.getBoundingClientRect().top;
    watch.atEnd(atEnd);
    watch.moved(box.scrollHeight - box.clientHeight + box.scrollTop, -box.scrollTop);
  }

  function settle() {
    if (!isWatched) return;
    if (row?.isConnected && !isAtEnd()) {
      // Both may have happened since the last look: the reader scrolled, and something below came or grew.
      const scrolledPx = box.scrollTop - positionPx;
      const movedPx = row.getBoundingClientRect().top - offsetPx + scrolledPx;
      if (Math.abs(movedPx) >= 1) box.scrollTop += movedPx;
    }
    look();
  }

  const observer = new ResizeObserver(settle);
  observer.observe(box);
  observer.observe(content);
  box.addEventListener("scroll", settle, { passive: true });
  return {
    settle,
    stop() {
      isWatched = false;
      observer.disconnect();
      box.removeEventListener("scroll", settle);
    },
  };
}

/** The topmost row in sight. */
function topRow(box: HTMLElement): Element | undefined {
  const { left, top, width } = box.getBoundingClientRect();
  for (const downPx of [8, 40, 80, 140]) {
    const found = document.elementFromPoint(left + width / 2, top + downPx)?.closest("article");
    if (found) return found;
  }
  return undefined;
}
