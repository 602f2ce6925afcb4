/** The addresses at which the chat may be reached: where this page came from, and those that the nodes say of themselves. */
import { keep, kept, keptList } from "./keep.ts";

const MAX_PLACES = 12;

export type Reachable = { id: string; name: string; urls: string[] };

export const home = new URL(".", document.baseURI).href.replace(/\/$/, "");

/** Address and name in one text, the likeliest first. */
let known = keptList("nodes").filter(place => /^https?:/.test(place));

/** Where this person was let in last, before a reload, too. */
export const lastPlace = () => kept("place") || home;

/** The node there let us in. */
export function arrive(url: string, name: string): void {
  keep("place", url);
  learn([`${url} ${name}`]);
}

/** The nodes that are up. One that they cannot reach may be up all the same, and is tried after them. */
export function learnPlaces(nodes: readonly Reachable[]): void {
  learn(nodes.flatMap(({ name, urls }) => urls.map(url => `${url} ${name}`)));
}

function learn(told: string[]): void {
  const urls = told.map(urlOf);
  known = [...told, ...known.filter(place => !urls.includes(urlOf(place)))].slice(0, MAX_PLACES);
  keep("nodes", JSON.stringify(known));
}

/** Each place once, in the order in which they are tried. */
export function round(first: string): string[] {
  return [...new Set([first, home, lastPlace(), ...known.map(urlOf)])];
}

/** The name of the node there, as far as it is known. */
export function nameAt(url: string): string {
  return known.find(place => urlOf(place) === url)?.slice(url.length + 1) ?? "";
}

const urlOf = (place: string) => place.slice(0, place.indexOf(" "));
