/** The few pictures that the shell draws itself, on a 16 px grid. */
const PATHS = {
  back: "M10 3 5 8l5 5",
  close: "m4 4 8 8m0-8-8 8",
  down: "M8 3v10m-4-4 4 4 4-4",
  leave: "M6 3H3.5v10H6m3.5-2.5L12.5 8l-3-2.5M12 8H6",
  plus: "M8 3v10M3 8h10",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zm3.3 7.8 3.2 3.2",
  settings: "M3 5h6m3 0h1M3 11h1m3 0h6M10.5 3.5v3m-5 3v3",
};

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
