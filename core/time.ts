/** Time as the parts of a node get it: passed in, so that a simulation can hold the clock and say what comes first. */

/** Calls off what has not run yet. */
export type Cancel = () => void;

export type Time = {
  /** Milliseconds since 1970; may jump when somebody sets the clock. */
  wall(): number;
  /** Milliseconds since some moment: never goes back, only differences count. */
  elapsed(): number;
  after(ms: number, run: () => void): Cancel;
  every(ms: number, run: () => void): Cancel;
  /** After whatever else this turn of the loop brings. */
  soon(run: () => void): void;
};

/** Time in which nothing that runs later takes the process along: what it throws is told to `failed`. */
export function guarded(time: Time, failed: (what: string, error: unknown) => void): Time {
  const safely = (what: string, run: () => unknown) => () => {
    const told = (error: unknown) => failed(run.name ? `${what}: ${run.name}` : what, error);
    try {
      const result = run();
      if (result instanceof Promise) result.catch(told);
    } catch (error) {
      told(error);
    }
  };
  return {
    ...time,
    after: (ms, run) => time.after(ms, safely(`a timer of ${ms} ms`, run)),
    every: (ms, run) => time.every(ms, safely(`what is done every ${ms} ms`, run)),
    soon: run => time.soon(safely("what was put off", run)),
  };
}

export const realTime: Time = {
  wall: () => Date.now(),
  elapsed: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    // What has to be done again and again is no reason for a process to stay.
    const timer = setInterval(run, ms).unref();
    return () => clearInterval(timer);
  },
  soon: run => void setImmediate(run),
};
