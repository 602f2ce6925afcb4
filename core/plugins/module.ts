/** What a compiled half exports. */
import { pathToFileURL } from "node:url";
import { Unloadable, unloadableBy } from "./unloadable.ts";

/** Longer than a start may be kept waiting. */
const LOAD_WITHIN_MS = 10_000;

/** The default export of the module with that path; `source` is what it was made of. Throws `Unloadable`. */
export async function exportOf(path: string, source: string): Promise<unknown> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      late.reject(
        new Unloadable(`has not finished loading within ${LOAD_WITHIN_MS / 1_000} s`, {
          where: source,
          mend: "something is awaited there, outside of functions, that does not come",
        }),
      ),
    LOAD_WITHIN_MS,
  );
  try {
    const module = (await Promise.race([import(pathToFileURL(path).href), late.promise])) as { default?: unknown };
    return module.default;
  } catch (error) {
    throw error instanceof Unloadable ? error : unloadableBy(error, "loaded", source);
  } finally {
    clearTimeout(timer);
  }
}
