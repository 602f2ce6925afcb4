/** While a plugin is being written: the page loads itself anew after each save, and shows what keeps the plugin from running. */
import { signal } from "@preact/signals";
import { render } from "preact";
import { elsewhere } from "./connection.ts";
import { t, translate } from "./i18n.ts";
import { Icon } from "./icon.tsx";
import { listen } from "./shell.ts";
import { refocus } from "./view.ts";
import "./dev.css";

type Problem = { plugin: string; why: string; where?: string };
/** What a node says of the plugin; it is broken where what was saved last could not be loaded, and runs where something was. */
type Development = { plugin: string; page?: string; broken: boolean; runs: boolean; problems: Problem[] };

const strings = {
  en: {
    broken: "“{plugin}” cannot be loaded",
    failed: "“{plugin}” failed",
    kept: "What was loaded before goes on. This goes away when it is mended.",
    mend: "This goes away when the plugin is saved again.",
  },
  zh: {
    broken: "“{plugin}”无法加载",
    failed: "“{plugin}”出错了",
    kept: "之前加载的版本继续运行。修好后此提示会消失。",
    mend: "再次保存插件后此提示会消失。",
  },
};

const shown = signal<Development | undefined>(undefined);

/** To be called before the page connects. */
export function followDevelopment(): void {
  const own = document.querySelector<HTMLMetaElement>("meta[name=page]")?.content;
  listen("chat:dev", said => {
    // Another node may develop something else.
    if (elsewhere.peek()) return;
    const development = said as unknown as Development;
    if (development.page !== undefined && development.page !== own) return location.reload();
    if (!document.querySelector(".dev-host")) open();
    shown.value = development;
  });
}

/** Outside of what the page draws, whose failure it has to survive. */
function open(): void {
  const host = document.createElement("div");
  host.className = "dev-host";
  document.body.append(host);
  render(<Problems />, host);
}

function Problems() {
  if (!shown.value || shown.value.problems.length === 0) return null;
  const { plugin, broken, runs, problems } = shown.value;
  const title = translate(strings, broken ? "broken" : "failed", { plugin });
  const close = () => {
    shown.value = undefined;
    refocus();
  };
  return (
    <section class="dev-problems" role="alert" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="icon-button" aria-label={t("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <ul>
        {problems.map(({ why, where }) => (
          <li key={`${where} ${why}`}>
            {where && <b>{where}</b>}
            {why}
          </li>
        ))}
      </ul>
      <p>{translate(strings, broken && runs ? "kept" : "mend")}</p>
    </section>
  );
}
