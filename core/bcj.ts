/**
 * A BCJ filter (branch, call, jump), as xz has one: makes the program of an x86 machine pack better. A call names its target by
 * the distance from itself, so that calls of one function differ everywhere. With the place in its stead they are alike.
 */
const CALL = 0xe8;
/** The byte that says that it is a call, and the distance. */
const LENGTH = 5;

/** Changes the bytes in place. */
export function nameTargets(program: Uint8Array): void {
  shift(program, 1);
}

/** The way back. */
export function nameDistances(program: Uint8Array): void {
  shift(program, -1);
}

function shift(program: Uint8Array, sign: 1 | -1): void {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  for (let at = 0; at + LENGTH <= program.length; at++) {
    if (program[at] !== CALL) continue;
    const end = at + LENGTH;
    view.setInt32(at + 1, view.getInt32(at + 1, true) + sign * end, true);
    at = end - 1;
  }
}
