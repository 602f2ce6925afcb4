/** The whole page. */
import { useEffect } from "preact/hooks";
import { present, undecided } from "./chat.ts";
import { Dialogs } from "./dialogs.tsx";
import { Join } from "./join.tsx";
import { Panels } from "./panels.tsx";
import { plugins } from "./registry.ts";
import { current, listing, rooms } from "./rooms.ts";
import { RoomView } from "./roomview.tsx";
import { shellOf } from "./shell.ts";
import { Sidebar } from "./sidebar.tsx";
import { Slot } from "./slot.tsx";
import "./theme.ts";
import { Toasts } from "./toasts.tsx";

export function App() {
  return (
    <>
      {present.value && !undecided.value ? <Chat /> : <Join />}
      <Toasts />
    </>
  );
}

function Chat() {
  const room = current.value;
  const unread = rooms.value.reduce((sum, room) => sum + room.unread.value, 0);
  const title = `${unread > 0 ? `(${unread}) ` : ""}#${room.name.value} · web-chat`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <div class={listing.value ? "chat listing" : "chat"}>
      <Docks />
      <Sidebar />
      <RoomView key={room.id} room={room} />
      <Panels room={room} />
      <Dialogs />
    </div>
  );
}

function Docks() {
  return (
    <div class="docks">
      {plugins.map(plugin => {
        const { Dock } = plugin.hooks;
        return (
          Dock && (
            <Slot key={plugin.message.type} plugin={plugin}>
              <Dock shell={shellOf(plugin)} />
            </Slot>
          )
        );
      })}
    </div>
  );
}
