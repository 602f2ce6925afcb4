/** The rooms, and at the bottom oneself. */
import { Avatar } from "./avatar.tsx";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import type { Room } from "./room.ts";
import { currentId, listing, open, rooms, visited } from "./rooms.ts";
import { me } from "./session.ts";
import { dialog, narrow } from "./view.ts";

export function Sidebar() {
  const mine = rooms.value.filter(({ id }) => visited.value.includes(id));
  const others = rooms.value.filter(({ id }) => !visited.value.includes(id));
  // On a phone the list is all there is.
  const Tag = narrow.value && listing.value ? "main" : "nav";
  return (
    <Tag class="sidebar" aria-label={t("rooms")}>
      <div class="sidebar-head">
        <h1 class="brand">web-chat</h1>
        <button
          type="button"
          class="icon-button"
          aria-label={t("findRoom")}
          title={t("findRoom")}
          onClick={() => {
            dialog.value = "switcher";
          }}
        >
          <Icon name="search" />
        </button>
      </div>
      <div class="sidebar-rooms">
        <RoomList title={t("rooms")} rooms={mine} />
        <button
          type="button"
          class="room-link add"
          onClick={() => {
            dialog.value = "switcher";
          }}
        >
          <Icon name="plus" />
          {t("newRoom")}
        </button>
        {others.length > 0 && <RoomList title={t("otherRooms")} rooms={others} />}
      </div>
      <button
        type="button"
        class="account-button"
        aria-haspopup="dialog"
        onClick={() => {
          dialog.value = "account";
        }}
      >
        <Avatar person={me.value} />
        <span class="account-name">{me.value.name}</span>
        <span class="hidden">{t("account")}</span>
        <Icon name="settings" />
      </button>
    </Tag>
  );
}

function RoomList({ title, rooms }: { title: string; rooms: readonly Room[] }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul>
        {rooms.map(room => (
          <li key={room.id}>
            <RoomLink room={room} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function RoomLink({ room }: { room: Room }) {
  const here = room.id === currentId.value;
  const unread = room.unread.value;
  return (
    <a
      class={unread > 0 && !here ? "room-link unread" : "room-link"}
      href={`#/room/${encodeURIComponent(room.id)}`}
      aria-current={here && !listing.value ? "page" : undefined}
      data-here={here}
      onClick={event => {
        event.preventDefault();
        open(room.id);
      }}
    >
      <span class="hash" aria-hidden="true">
        #
      </span>
      <span class="room-name">{room.name.value}</span>
      {unread > 0 && (
        <span class="count" title={t("unread", { n: unread })}>
          <span aria-hidden="true">{unread > 99 ? "99+" : unread}</span>
          <span class="hidden">{t("unread", { n: unread })}</span>
        </span>
      )}
    </a>
  );
}
