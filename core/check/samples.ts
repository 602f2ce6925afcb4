/** The contract, held against the messages that a plugin's author gives for good ones. */
import { Reject } from "../errors.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import type { Calls } from "../plugins/calls/calls.ts";
import { whyOf } from "../plugins/calls/thrown.ts";
import { typeAt } from "../plugins/exports.ts";
import type { PluginFolder } from "../plugins/folders.ts";
import { placeAs, placeIn, placeOf } from "../plugins/sources.ts";
import { promisesOf, type Samples } from "./contract.ts";
import type { Finding } from "./findings.ts";

export const SAMPLES = /^samples\.[jt]s$/;
/** The same junk each time: what was found once is found again. */
const SEED = 1;

type Given = {
  /** The file with the samples, if there is one, and what it exports. */
  file: string | undefined;
  given: unknown;
  settings: unknown;
  calls: Calls;
};

export function faultsOfPromises(
  folder: PluginFolder,
  plugins: readonly AnyServerPlugin[],
  { file, given, settings, calls }: Given,
): Finding[] {
  return plugins.flatMap(plugin => {
    const { type } = plugin.message;
    const own = samplesOf(given, type);
    if (!own) return [noSamples(folder, file, type)];
    return promisesOf(plugin, own, { settings, calls }).flatMap(({ what, mend, hold }) => {
      try {
        hold(SEED);
        return [];
      } catch (error) {
        const place = placeAs(placeOf(rawOf(plugin, error)), typeAt(folder, plugin));
        return [{ ...place, what: `${type} breaks a promise: ${what}. It had ${whyOf(error)}`, mend }];
      }
    });
  });
}

/** A list, or `{ inputs, bodies }` where what is kept is not what is sent. */
function samplesOf(samples: unknown, type: string): Samples | undefined {
  const own = (samples as Record<string, unknown> | undefined)?.[type];
  if (Array.isArray(own)) return own.length > 0 ? { inputs: own, bodies: own } : undefined;
  const { inputs, bodies } = (own ?? {}) as Partial<Samples>;
  return Array.isArray(inputs) && Array.isArray(bodies) ? { inputs, bodies } : undefined;
}

function noSamples({ path }: PluginFolder, file: string | undefined, type: string): Finding {
  return {
    ...placeIn(path, file ? [file] : [], /export\s+default/),
    ...(!file && { file: "samples.ts" }),
    what: file ? `there are no samples of “${type}”` : `there is no samples.ts, with good messages of “${type}” to try`,
    mend: `export default { "${type}": [{ … }, { … }] }: messages as people send them`,
  };
}

/** What the plugin threw itself: the registry gives that to nobody, but the value that did it is known. */
function rawOf({ message }: AnyServerPlugin, error: unknown): unknown {
  const { value } = error as { value?: unknown };
  for (const call of [() => message.parse(value), () => message.check?.(value), () => message.summary(value)])
    try {
      call();
    } catch (raw) {
      if (!(raw instanceof Reject)) return raw;
    }
  return error;
}
