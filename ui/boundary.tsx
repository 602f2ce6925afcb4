/** Keeps what fails inside of it from taking more of the page along. */
import { Component, type ComponentChildren } from "preact";
import { failed } from "./failed.ts";

type Props = { plugin: string; fallback?: ComponentChildren; children: ComponentChildren };

export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static override getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    failed(this.props.plugin, error);
  }

  override render({ fallback, children }: Props) {
    return this.state.failed ? fallback : children;
  }
}
