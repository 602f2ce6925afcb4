/** While a plugin is being written: the page loads itself anew after each save, and shows what keeps the plugin from running. */
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { connected, elsewhere, request } from "./connection.ts";
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

/** What a node takes, in characters. */
const MAX_WHY = 300;
const MAX_STACK = 8_192;

const shown = signal<Development | undefined>(undefined);

/** To be called before the page connects. */
export function followDevelopment(): void {
  reportFailures();
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

/** Whatever the page tells of a plugin that failed in it, the node is told, too: it knows the place in the sources. */
function reportFailures(): void {
  const report = (thrown: unknown) => {
    if (!(thrown instanceof Error) || elsewhere.peek()) return;
    const why = String(thrown.message).slice(0, MAX_WHY);
    if (connected.peek()) void request("chat:dev", { why, stack: String(thrown.stack).slice(0, MAX_STACK) });
    else waiting.push(thrown);
  };
  const waiting: unknown[] = [];
  effect(() => {
    if (connected.value) for (const thrown of waiting.splice(0)) report(thrown);
  });
  const { error } = console;
  console.error = (...said: unknown[]) => {
    error(...said);
    said.forEach(report);
  };
  addEventListener("error", event => report(event.error));
  addEventListener("unhandledrejection", event => report(event.reason));
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
