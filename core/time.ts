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
