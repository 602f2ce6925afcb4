/** Tells whether somebody is in front of this page. */

const IDLE_MS = 5 * 60_000;
const ACTIVITY = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "focus"] as const;

let active = () => {};

/** Somebody does what moves neither mouse nor keys: who speaks into the page is in front of it. */
export function stir(): void {
  active();
}

/** Reports `away` when the page is hidden or left alone for five minutes without a sound, `online` on the next activity. A new session counts as online. */
export function reportAway(report: (status: "online" | "away") => void): () => void {
  let status: "online" | "away" = "online";
  let activeAt = performance.now();
  const set = (next: typeof status) => {
    if (next === status) return;
    status = next;
    report(next);
  };
  active = () => {
    activeAt = performance.now();
    if (!document.hidden) set("online");
  };
  const turned = () => (document.hidden ? set("away") : active());
  // A clock that is looked at now and then costs less than a timer set anew with each movement of the mouse.
  const clock = setInterval(() => {
    if (navigator.mediaSession?.playbackState === "playing") active();
    else if (performance.now() - activeAt >= IDLE_MS) set("away");
  }, 10_000);
  for (const event of ACTIVITY) addEventListener(event, active, { passive: true, capture: true });
  document.addEventListener("visibilitychange", turned);
  if (document.hidden) set("away");
  return () => {
    clearInterval(clock);
    for (const event of ACTIVITY) removeEventListener(event, active, { capture: true });
    document.removeEventListener("visibilitychange", turned);
  };
}
