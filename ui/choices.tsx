/** A few things of which one is chosen. */
import type { ComponentChildren } from "preact";

export function Choices({ legend, children }: { legend: string; children: ComponentChildren }) {
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      <div class="segments">{children}</div>
    </fieldset>
  );
}

type ChoiceProps = { group: string; label: string; checked: boolean; onChoose(): void };

export function Choice({ group, label, checked, onChoose }: ChoiceProps) {
  return (
    <label class="segment">
      <input type="radio" name={group} checked={checked} onChange={onChoose} />
      <span>{label}</span>
    </label>
  );
}
