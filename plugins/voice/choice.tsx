/** Which microphone, where there are several. */
import { useEffect, useRef, useState } from "preact/hooks";
import { microphones } from "./microphone.ts";

type Props = { microphone: string; label: string; choose(microphone: string): unknown };

export function Choice({ microphone, label, choose }: Props) {
  const [all, setAll] = useState<{ id: string; name: string }[]>([]);
  const alive = useRef(true);
  useEffect(() => {
    const look = () => microphones().then(found => alive.current && setAll(found));
    look();
    navigator.mediaDevices.addEventListener("devicechange", look);
    return () => {
      alive.current = false;
      navigator.mediaDevices.removeEventListener("devicechange", look);
    };
  }, []);
  if (all.length < 2) return null;
  // The first is the one that a browser takes by itself.
  const { id: chosen } = all.find(({ id }) => id === microphone) ?? (all[0] as { id: string });
  return (
    <select
      class="voice-microphones"
      aria-label={label}
      title={label}
      value={chosen}
      onChange={event => choose(event.currentTarget.value)}
    >
      {all.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
