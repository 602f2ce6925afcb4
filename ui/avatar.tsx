/** A person's picture: the first letter of the name on a colour that is the person's own. */
import type { Person } from "../core/plugin.ts";

const HUES = 12;

export function Avatar({ person: { id, name } }: { person: Person }) {
  const look = hash(id) % (2 * HUES);
  return (
    <span class={`avatar hue-${look % HUES}${look < HUES ? "" : " tint"}`} aria-hidden="true">
      {initial(name)}
    </span>
  );
}

/** FNV-1a of the id: the same colour on every device. */
function hash(id: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) sum = Math.imul(sum ^ id.charCodeAt(i), 0x01000193);
  return sum >>> 0;
}

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter() : undefined;

/** The first character as people see it, which may be several code points. */
function initial(name: string): string {
  const first = segmenter ? [...segmenter.segment(name.slice(0, 16))][0]?.segment : [...name][0];
  return (first ?? "?").toLocaleUpperCase();
}
