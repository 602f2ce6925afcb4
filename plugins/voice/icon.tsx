/** Pictures of what can be done to sound, on a 16 px grid. */
const PATHS = {
  microphone: "M8 2a2 2 0 0 1 2 2v3.5a2 2 0 0 1-4 0V4a2 2 0 0 1 2-2zM4 7.5a4 4 0 0 0 8 0m-4 4V14",
  stop: "M4.5 4.5h7v7h-7z",
  send: "M2 8h8M2 8 1.5 2.5 14.5 8l-13 5.5z",
  play: "M5 3.2v9.6L12.5 8z",
  pause: "M5.5 3.5v9m5-9v9",
  discard: "M3 4.5h10M6.5 4.5V3h3v1.5m-5 0 .5 8.5h6l.5-8.5",
  lock: "M5 7.5v-2a3 3 0 0 1 6 0v2m-7 0h8V13H4z",
  close: "m4 4 8 8m0-8-8 8",
};

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class={name === "play" ? "icon voice-filled" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
