/** One room: its header, its timeline, and what people write with. */
import { createRoom } from "./chat.ts";
import { connected, elsewhere, nodeName, outdated, troubled } from "./connection.ts";
import { t } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { lazy } from "./lazy.tsx";
import { useLong } from "./long.ts";
import { reason } from "./reason.ts";
import { plugins } from "./registry.ts";
import type { Room } from "./room.ts";
import { LOBBY, leave, openList } from "./rooms.ts";
import { Scroller } from "./scroller.tsx";
import { overloaded } from "./sender.ts";
import { shellOf, tellTyped } from "./shell.ts";
import { Slot } from "./slot.tsx";
import { toast } from "./toasts.tsx";
import { dialog, openPanels, panels, togglePanel } from "./view.ts";

const Tools = lazy(() => import("./tools.tsx").then(({ Tools }) => Tools));

export function RoomView({ room }: { room: Room }) {
  const missing = room.state.value === "missing";
  return (
    <main class="room">
      <Header room={room} />
      {(troubled.value || elsewhere.value) && <Bar />}
      <Overloaded />
      {outdated.value && <Reload />}
      {missing ? <Missing room={room} /> : <Scroller room={room} />}
      {!missing && <Hints room={room.id} />}
      {!missing && (
        <div class="writing">
          {plugins.some(({ hooks }) => hooks.tool) && <Tools room={room} />}
          <Composers room={room} />
        </div>
      )}
    </main>
  );
}

function Header({ room }: { room: Room }) {
  return (
    <header class="room-head">
      <button type="button" class="icon-button back" aria-label={t("backToRooms")} onClick={openList}>
        <Icon name="back" />
      </button>
      <h1>
        <span class="hash" aria-hidden="true">
          #
        </span>
        {room.name.value}
      </h1>
      <div class="badges">
        {plugins.map(plugin => {
          const { Badge } = plugin.hooks;
          return (
            Badge && (
              <Slot key={plugin.message.type} plugin={plugin}>
                <Badge shell={shellOf(plugin)} room={room.id} />
              </Slot>
            )
          );
        })}
      </div>
      <div class="room-tools">
        <button
          type="button"
          class="icon-button"
          aria-label={t("search")}
          title={t("search")}
          aria-haspopup="dialog"
          onClick={() => {
            dialog.value = "search";
          }}
        >
          <Icon name="search" />
        </button>
        {panels().map(plugin => (
          <button
            key={plugin.message.type}
            type="button"
            class="plain-button"
            aria-pressed={openPanels.value.includes(plugin.message.type)}
            onClick={() => togglePanel(plugin.message.type)}
          >
            {shellOf(plugin).t(plugin.hooks.panel?.title ?? "")}
          </button>
        ))}
        {room.id !== LOBBY && (
          <button
            type="button"
            class="icon-button"
            aria-label={t("leaveRoom")}
            title={t("leaveRoom")}
            onClick={() => leave(room.id)}
          >
            <Icon name="leave" />
          </button>
        )}
      </div>
    </header>
  );
}

function Bar() {
  const node = nodeName.value || t("theChat");
  const away = troubled.value;
  return (
    <p class={away ? "bar" : "bar calm"} role="status">
      <strong>{t(away ? "reconnecting" : "elsewhere", { node })}</strong> {away && t("reconnectingHint")}
    </p>
  );
}

function Overloaded() {
  const long = useLong(overloaded.value);
  return (
    long && (
      <p class="bar calm" role="status">
        {t("overloaded")}
      </p>
    )
  );
}

/** What is being written, and what waits to be sent, is there again afterwards. */
function Reload() {
  return (
    <p class="bar calm" role="status">
      {t("outdated")}{" "}
      <button type="button" class="small-button" onClick={() => location.reload()}>
        {t("reload")}
      </button>
    </p>
  );
}

function Missing({ room }: { room: Room }) {
  const create = async () => {
    const refusal = await createRoom(room.id);
    if (refusal) toast(reason(refusal.code, refusal.message));
  };
  return (
    <div class="blank">
      <p>{t("noRoom")}</p>
      <button type="button" class="button primary" disabled={!connected.value} onClick={create}>
        {t("createRoom", { name: `#${room.id}` })}
      </button>
    </div>
  );
}

function Hints({ room }: { room: string }) {
  return (
    <div class="hints">
      {plugins.map(plugin => {
        const { Hint } = plugin.hooks;
        return (
          Hint && (
            <Slot key={plugin.message.type} plugin={plugin}>
              <Hint shell={shellOf(plugin)} room={room} />
            </Slot>
          )
        );
      })}
    </div>
  );
}

function Composers({ room }: { room: Room }) {
  return (
    <div class="composers">
      {plugins.map(plugin => {
        const { Composer } = plugin.hooks;
        const typed = (unsent: boolean) => tellTyped(room.id, unsent, plugin.message.type);
        return (
          Composer && (
            <Slot key={plugin.message.type} plugin={plugin}>
              <Composer shell={shellOf(plugin)} room={room.id} roomName={room.name.value} typed={typed} />
            </Slot>
          )
        );
      })}
    </div>
  );
}
