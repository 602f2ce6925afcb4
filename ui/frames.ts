/** Where no frames are drawn, as in a tab behind another one, so long is waited for one. */
const HIDDEN_MS = 250;
/** As many are handed on in a frame, so that none takes long, */
const AT_ONCE = 64;
/** but all where so many wait: most of them are out of sight before they could be drawn. */
const FAR_BEHIND = 1_000;

/** Gathers what comes and hands it on once a frame: however much comes, the page is drawn no more often than it can be seen. */
export function gather<Item>(take: (items: readonly Item[]) => void): {
  add(items: readonly Item[]): void;
  flush(): void;
} {
  let gathered: readonly Item[] = [];
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function hand(count: number) {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = undefined;
    const items = gathered.slice(0, count);
    gathered = gathered.slice(count);
    if (gathered.length > 0) wait();
    if (items.length > 0) take(items);
  }

  function wait() {
    const step = () => hand(gathered.length > FAR_BEHIND ? gathered.length : AT_ONCE);
    frame = requestAnimationFrame(step);
    timer = setTimeout(() => hand(gathered.length), HIDDEN_MS);
  }

  return {
    add(items) {
      gathered = [...gathered, ...items];
      if (timer === undefined && gathered.length > 0) wait();
    },
    flush: () => hand(gathered.length),
  };
}
