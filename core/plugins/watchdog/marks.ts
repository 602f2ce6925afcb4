/** What the main thread says of itself in shared memory, for the watchdog's thread: an Int32Array, and what stands where. */

/** The call into a plugin that runs now: `type * hooks + hook + 1`, both by their index; 0 where none does. */
export const CALL = 0;
/** Goes up with each call. */
export const CALLS = 1;
/** Goes up whenever the event loop comes round. */
export const BEATS = 2;
/** The plugin folder whose module is loaded now, by its index and 1; 0 where none is. */
export const LOADING = 3;
/** 1 while somebody may halt the main thread with a debugger. */
export const DEBUGGED = 4;

export function newMarks(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer((DEBUGGED + 1) * Int32Array.BYTES_PER_ELEMENT));
}
