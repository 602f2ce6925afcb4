/** What runs in the page to measure it. Times in milliseconds. */
import type { Page } from "playwright-core";

export type Seen = { keysMs: number[]; longTasksMs: number[]; framesMs: number[] };
type Watching = { seen: Seen; readyMs?: number };

/** Has each page of the context note when a person can write: the field is there, and the room has been joined. */
export function noteReady(): void {
  const look = () => {
    const field = document.querySelector<HTMLTextAreaElement>(".composers textarea");
    if (field && !field.disabled && document.querySelector("[role=log] :is(article, .blank)"))
      Object.assign(window, { readyMs: performance.now() });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

export async function readyMs(page: Page): Promise<number> {
  await page.waitForFunction(() => (window as unknown as Watching).readyMs);
  return page.evaluate(() => (window as unknown as Watching).readyMs as number);
}

/** Notes from now on what a person would feel. */
export async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen: Seen = { keysMs: [], longTasksMs: [], framesMs: [] };
    addEventListener(
      "keydown",
      ({ timeStamp }) =>
        // What a task after the next frame sees was on its way to the screen.
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => seen.keysMs.push(performance.now() - timeStamp);
          port2.postMessage(0);
        }),
      true,
    );
    new PerformanceObserver(list => {
      for (const { duration } of list.getEntries()) seen.longTasksMs.push(duration);
    }).observe({ type: "longtask" });
    let before = performance.now();
    const frame = () => {
      const now = performance.now();
      seen.framesMs.push(now - before);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(window, { seen });
  });
}

/** What was noted since the last time. */
export function taken(page: Page): Promise<Seen> {
  return page.evaluate(() => {
    const { seen } = window as unknown as Watching;
    const { keysMs, longTasksMs, framesMs } = seen;
    Object.assign(seen, { keysMs: [], longTasksMs: [], framesMs: [] });
    return { keysMs, longTasksMs, framesMs };
  });
}

/** Memory of the page's JavaScript after a collection of garbage, in megabytes, and the nodes of its documents. */
export async function weigh(page: Page): Promise<{ heapMb: number; domNodes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  for (let round = 0; round < 3; round++) await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const figure = (name: string) => metrics.find(metric => metric.name === name)?.value ?? Number.NaN;
  await session.detach();
  return { heapMb: Math.round(figure("JSHeapUsedSize") / 1e5) / 10, domNodes: figure("Nodes") };
}

export type Spent = { tasksS: number; scriptS: number; styleS: number; layoutS: number };

/** Processor time that the page's main thread has spent so far, in seconds: other work on the machine does not count. */
export async function clockOf(page: Page): Promise<() => Promise<Spent>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const figure = (name: string) => metrics.find(metric => metric.name === name)?.value ?? Number.NaN;
    return {
      tasksS: figure("TaskDuration"),
      scriptS: figure("ScriptDuration"),
      styleS: figure("RecalcStyleDuration"),
      layoutS: figure("LayoutDuration"),
    };
  };
}
