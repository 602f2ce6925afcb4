/** Where no frames are drawn, as in a tab behind another one, so long is waited for one. */
const HIDDEN_MS = 250;

/** Gathers what comes and hands it on once a frame: however much comes, the page is drawn no more often than it can be seen. */
export function gather<Item>(take: (items: readonly Item[]) => void): {
  add(items: readonly Item[]): void;
  flush(): void;
} {
  let gathered: readonly Item[] = [];
  let frame = 0;
  let timer: ReturnType<typeof setTimeout>;

  function flush() {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    const items = gathered;
    gathered = [];
    if (items.length > 0) take(items);
  }

  return {
    add(items) {
      if (gathered.length === 0) {
        frame = requestAnimationFrame(flush);
        timer = setTimeout(flush, HIDDEN_MS);
      }
      gathered = [...gathered, ...items];
    },
    flush,
  };
}
