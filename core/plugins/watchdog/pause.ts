/** The main thread, halted from another one wherever it is, in an endless loop as well. */
import { type Debugger, Session } from "node:inspector";
import { mainThread } from "./stillness.ts";

/** How much longer a busy machine may take. */
const BUSY_TIMES = 5;

/** What runs, the innermost first. Lines and columns begin with 0. */
export type Frame = {
  readonly name: string;
  /** Empty for what is no file. */
  readonly url: string;
  readonly line: number;
  readonly column: number;
};

export class Pause {
  readonly frames: readonly Frame[];
  readonly #session: Session;

  private constructor(session: Session, frames: readonly Frame[]) {
    this.#session = session;
    this.frames = frames;
  }

  /**
   * Undefined where it does not come to JavaScript within that time, as in a long call of the system; what is ready to run,
   * and may be waiting for a processor, has several times as long.
   */
  static async begin(withinMs: number): Promise<Pause | undefined> {
    const session = new Session();
    session.connectToMainThread();
    const urls = new Map<string, string>();
    const { promise, resolve } = Promise.withResolvers<Pause | undefined>();
    session.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
    session.on("Debugger.paused", ({ params }) =>
      resolve(
        new Pause(
          session,
          params.callFrames.map(frame => frameOf(frame, urls)),
        ),
      ),
    );
    session.post("Debugger.enable");
    session.post("Debugger.pause");
    let times = 0;
    const late = setInterval(() => {
      if (++times === BUSY_TIMES || mainThread()?.state !== "R") resolve(undefined);
    }, withinMs);
    const pause = await promise;
    clearInterval(late);
    if (!pause) session.disconnect();
    return pause;
  }

  /** Runs that on the main thread, where nothing that a plugin calls its own is in the way. Resolves with what kept it from that. */
  async run(expression: string, withinMs: number): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#session.post("Runtime.evaluate", { expression }, (error, { exceptionDetails } = {} as never) =>
      resolve(exceptionDetails?.exception?.description ?? error?.message ?? "it returned"),
    );
    const late = setTimeout(resolve, withinMs, "it did not end");
    const why = await promise;
    clearTimeout(late);
    return why;
  }

  /** Lets it go on. */
  end(): void {
    this.#session.disconnect();
  }
}

function frameOf({ functionName, location }: Debugger.CallFrame, urls: ReadonlyMap<string, string>): Frame {
  const { scriptId, lineNumber: line, columnNumber: column = 0 } = location;
  return { name: functionName, url: urls.get(scriptId) ?? "", line, column };
}
