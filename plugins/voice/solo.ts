/** One voice at a time: what begins to sound, or to listen, pauses whatever did before. */
type One = { pause(): void };

let last: One | undefined;
// Two chats may live under two paths of one host.
const tabs = new BroadcastChannel(new URL("voice", document.baseURI).href);

export function begin(one: One): void {
  if (last !== one) last?.pause();
  last = one;
  tabs.postMessage("");
}

/** Calls back when something begins in another tab of this browser. */
export function otherTabs(began: () => void): void {
  tabs.onmessage = began;
}
