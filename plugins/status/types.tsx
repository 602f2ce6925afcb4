/** What a node can read, and what went wrong with it. */
import type { NodeFigures } from "../../core/plugin.ts";
import type { StatusShell } from "./panel.tsx";

type Differs = "notEverywhere" | "otherVersion" | "missing";
type KnownType = { type: string; version: number | undefined; differs: Differs | undefined };

/** The types of a node, and those that it alone lacks, by name: with how each differs from the other nodes. */
export function typesOf(node: NodeFigures, all: readonly NodeFigures[]): KnownType[] {
  // Nodes of the first version do not say what they have.
  const telling = all.filter(({ types }) => Object.keys(types).length > 0);
  if (!telling.includes(node)) return [];
  const names = new Set(telling.flatMap(({ types }) => Object.keys(types)));
  return [...names].sort().map(type => {
    const versions = telling.map(({ types }) => types[type]);
    const version = node.types[type];
    return { type, version, differs: difference(version, versions) };
  });
}

function difference(own: number | undefined, all: readonly (number | undefined)[]): Differs | undefined {
  if (own === undefined) return "missing";
  if (all.some(version => version !== undefined && version !== own)) return "otherVersion";
  return all.includes(undefined) ? "notEverywhere" : undefined;
}

type Props = { shell: StatusShell; node: NodeFigures; all: readonly NodeFigures[] };

export function Types({ shell: { t }, node, all }: Props) {
  const types = typesOf(node, all);
  if (types.length === 0) return null;
  const alike = types.filter(({ differs }) => !differs);
  return (
    <div class="status-types">
      <h4>{t("types")}</h4>
      <p>{alike.map(({ type, version }) => `${type} ${version}`).join(", ")}</p>
      <ul>
        {types.map(
          ({ type, version, differs }) =>
            differs && <li key={type}>{t(differs, { type: version === undefined ? type : `${type} ${version}` })}</li>,
        )}
      </ul>
    </div>
  );
}

export function Faults({ shell: { t }, faults }: { shell: StatusShell; faults: NodeFigures["faults"] }) {
  if (faults.length === 0) return null;
  return (
    <div class="status-faults">
      <h4>{t("faults")}</h4>
      <ul>
        {faults.map(({ plugin, why, where = "", slowMs }) => (
          <li key={`${plugin} ${where} ${why}`} class={slowMs === undefined ? undefined : "is-slow"}>
            <strong>{plugin}</strong>: {why} {where !== "" && <code>{where}</code>}
          </li>
        ))}
      </ul>
    </div>
  );
}
