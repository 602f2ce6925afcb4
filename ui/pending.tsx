/** What stands beside a message that no node has committed yet. */
import { time } from "./dates.ts";
import { t } from "./i18n.ts";
import { drop, type Item, retry } from "./outbox.ts";
import { reason } from "./reason.ts";
import { refocus } from "./view.ts";

export function Pending({ item }: { item: Item }) {
  if (isStuck(item)) return <Failure item={item} />;
  return (
    <span class="mark" title={t("waiting")}>
      <span class="hidden">{t("waiting")}</span>
    </span>
  );
}

/** The person can do something about it. */
export function isStuck({ failed, until = 0 }: Item): boolean {
  return failed !== undefined || until > Date.now();
}

function Failure({ item: { id, failed, until = 0 } }: { item: Item }) {
  const then = (act: (id: string) => void) => () => {
    act(id);
    refocus();
  };
  return (
    <div class="failure" role="alert">
      <span>
        {failed ? t("failed", { reason: reason(failed.code, failed.message) }) : t("delayed", { time: time(until) })}
      </span>
      <button type="button" class="small-button" onClick={then(retry)}>
        {t("again")}
      </button>
      <button type="button" class="small-button" onClick={then(drop)}>
        {t("discard")}
      </button>
    </div>
  );
}
