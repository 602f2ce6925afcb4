/** Time for tests of parts that are given theirs. */
import type { Time } from "../../core/time.ts";

/** Time that stands still until it is moved. */
export function stillTime() {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  let most = 0;
  const time: Pick<Time, "elapsed" | "after" | "every"> = {
    elapsed: () => now,
    every(ms, run) {
      let cancel = time.after(ms, again);
      function again() {
        cancel = time.after(ms, again);
        run();
      }
      return () => cancel();
    },
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      most = Math.max(most, timers.length);
      return () => {
        timers = timers.filter(other => other !== timer);
      };
    },
  };
  return {
    time: time as Time,
    pass(ms: number) {
      const until = now + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        now = next.at;
        timers = timers.filter(timer => timer !== next);
        next.run();
      }
      now = until;
    },
    /** Timers at one time, at most. */
    most: () => most,
    running: () => timers.length,
  };
}
