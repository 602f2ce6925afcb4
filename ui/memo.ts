/** A component that is drawn again only when one of its props is another. */
import { Component, type ComponentType, createElement } from "preact";

export function memo<Props extends object>(Inner: ComponentType<Props>): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const now = this.props as Props;
      return (Object.keys(next) as (keyof Props)[]).some(name => next[name] !== now[name]);
    }
    override render() {
      return createElement(Inner, this.props as Props);
    }
  };
}
