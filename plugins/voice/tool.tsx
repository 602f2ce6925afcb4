/** A button with a picture. */
import { Icon } from "./icon.tsx";

type Props = { name: "discard" | "pause" | "microphone" | "send" | "close"; label: string; act(): unknown };

export function Tool({ name, label, act }: Props) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => act()}>
      <Icon name={name} />
    </button>
  );
}
