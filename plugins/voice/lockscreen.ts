/** What a lock screen shows of what is played, and what its keys do. */

/** `to` and `by`, which goes back below 0, take seconds. */
type Keys = Record<"play" | "pause" | "stop" | "next", () => void> & Record<"to" | "by", (seconds: number) => void>;
/** In seconds. */
type Position = { duration: number; position: number; playbackRate: number };

const STEP_S = 5;

const session = "mediaSession" in navigator ? navigator.mediaSession : undefined;

export function showOnLockScreen(title: string, artist: string, { play, pause, stop, next, to, by }: Keys): void {
  if (!session) return;
  session.metadata = new MediaMetadata({ title, artist });
  handle({
    play,
    pause,
    stop,
    seekbackward: ({ seekOffset = STEP_S }) => by(-seekOffset),
    seekforward: ({ seekOffset = STEP_S }) => by(seekOffset),
    seekto: ({ seekTime = 0 }) => to(seekTime),
    nexttrack: next,
  });
}

export function tellLockScreen(playing: boolean, at: Position): void {
  if (!session) return;
  session.playbackState = playing ? "playing" : "paused";
  session.setPositionState?.({ ...at, position: Math.min(at.duration, at.position) });
}

export function clearLockScreen(): void {
  if (!session) return;
  session.metadata = null;
  session.playbackState = "none";
  session.setPositionState?.();
  handle({ play: null, pause: null, stop: null, seekbackward: null, seekforward: null, seekto: null, nexttrack: null });
}

function handle(keys: Partial<Record<MediaSessionAction, MediaSessionActionHandler | null>>): void {
  for (const [key, handler] of Object.entries(keys)) {
    try {
      session?.setActionHandler(key as MediaSessionAction, handler);
    } catch {
      // Not every browser knows every key.
    }
  }
}
