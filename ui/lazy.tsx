/** A component whose code is loaded when it is first shown; `failed` is called where that cannot be done. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "./i18n.ts";
import { toast } from "./toasts.tsx";

export function lazy<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  failed = () => {},
): ComponentType<Props> {
  let Loaded: ComponentType<Props> | undefined;
  return function Lazy(props: Props) {
    const [, loaded] = useState(false);
    useEffect(() => {
      if (Loaded) return;
      load().then(
        component => {
          Loaded = component;
          loaded(true);
        },
        () => {
          toast(t("chunkFailed"));
          failed();
        },
      );
    }, []);
    return Loaded ? <Loaded {...props} /> : null;
  };
}
