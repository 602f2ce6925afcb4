/** Signs another device in: a link that is good once, also as a QR code. */
import { useEffect, useState } from "preact/hooks";
import { request } from "./connection.ts";
import { time } from "./dates.ts";
import { Dialog } from "./dialog.tsx";
import { t } from "./i18n.ts";
import { reason } from "./reason.ts";
import { closeDialog } from "./view.ts";

type Code = { code: string; expiresAt: number };

export function Link() {
  const [code, setCode] = useState<Code>();
  const [fault, setFault] = useState("");
  const [expired, setExpired] = useState(false);
  const ask = async () => {
    setExpired(false);
    const answer = await request<Code>("chat:link", {});
    if (answer.ok) setCode(answer);
    setFault(answer.ok ? "" : reason(answer.code, answer.message));
  };
  useEffect(() => void ask(), []);
  useEffect(() => {
    if (!code) return;
    const timer = setTimeout(() => setExpired(true), code.expiresAt - Date.now());
    return () => clearTimeout(timer);
  }, [code]);
  return (
    <Dialog title={t("linkDevice")} kind="link" onClose={closeDialog}>
      {code && !expired && <Offer {...code} />}
      {fault !== "" && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      {expired && <p role="status">{t("linkExpired")}</p>}
      {(expired || fault !== "") && (
        <button type="button" class="button" onClick={ask}>
          {t("linkNew")}
        </button>
      )}
    </Dialog>
  );
}

function Offer({ code, expiresAt }: Code) {
  const [copied, setCopied] = useState(false);
  // After the #, the code reaches neither the server's log nor a proxy's.
  const url = `${new URL(".", document.baseURI).href}#link=${code}`;
  const copy = async (event: MouseEvent & { currentTarget: HTMLElement }) => {
    const field = event.currentTarget.parentElement?.querySelector("input");
    field?.select();
    // Without a secure context there is no clipboard; the old way works everywhere.
    const done = navigator.clipboard
      ? navigator.clipboard.writeText(url)
      : Promise.resolve(document.execCommand("copy"));
    await done.then(() => setCopied(true)).catch(() => {});
  };
  return (
    <>
      <p>{t("linkHint")}</p>
      <QrCode text={url} label={t("qr")} />
      <div class="link-row">
        <input
          class="field"
          readOnly
          aria-label={t("linkUrl")}
          value={url}
          onFocus={event => event.currentTarget.select()}
        />
        <button type="button" class="button" onClick={copy}>
          {t(copied ? "copied" : "copy")}
        </button>
      </div>
      <p class="quiet">{t("linkExpires", { time: time(expiresAt) })}</p>
    </>
  );
}

function QrCode({ text, label }: { text: string; label: string }) {
  const [drawn, setDrawn] = useState({ path: "", size: 1 });
  useEffect(() => {
    // The link beside it does as well where this cannot be loaded.
    import("./qrcode.ts").then(({ qrCode }) => setDrawn(qrCode(text))).catch(() => {});
  }, [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${drawn.size} ${drawn.size}`} role="img" aria-label={label}>
      <path d={drawn.path} />
    </svg>
  );
}
