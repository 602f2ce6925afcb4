/**
 * What source files import and use, as TypeScript's own parser sees them. Its API is called unstable, which a pinned
 * version makes up for.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import {
  type ImportDeclaration,
  isCallExpression,
  isExportAssignment,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isPropertyAccessExpression,
  isShorthandPropertyAssignment,
  isStringLiteral,
  isTypeNode,
  type Node,
  type SourceFile,
  SyntaxKind,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { createVirtualFileSystem } from "typescript/unstable/fs";

export type Import = {
  /** A path in the tree, `npm/<package>/…` or `node/<module>`. */
  readonly target: string;
  /** Gone once the types are stripped. */
  readonly typeOnly: boolean;
};

export type Module = {
  readonly path: string;
  readonly imports: readonly Import[];
  /** Dotted names that the code reads, without `globalThis.`: `setTimeout`, `Date.now`, `new Date()`. */
  readonly names: ReadonlySet<string>;
  /** Exports what other files define, and defines nothing. */
  readonly barrel: boolean;
};

/** Parses `files`: source texts by their paths relative to the root of the tree. */
export async function readModules(files: Readonly<Record<string, string>>): Promise<Module[]> {
  const paths = Object.keys(files);
  const config = { compilerOptions: { noLib: true, noResolve: true, types: [], allowJs: true }, files: paths };
  const sources = Object.entries(files).map(([path, text]) => [`/tree/${path}`, text]);
  const fs = createVirtualFileSystem({
    ...Object.fromEntries(sources),
    "/tree/tsconfig.json": JSON.stringify(config),
  });
  const api = new API({ fs });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: ["/tree/tsconfig.json"] });
    const program = snapshot.getProject("/tree/tsconfig.json")?.program;
    const modules: Module[] = [];
    for (const path of paths) {
      const source = await program?.getSourceFile(`/tree/${path}`);
      if (!source) throw new Error(`TypeScript did not read ${path}`);
      modules.push(moduleOf(path, source));
    }
    return modules;
  } finally {
    await api.close();
  }
}

function moduleOf(path: string, source: SourceFile): Module {
  const imports: Import[] = [];
  const names = new Set<string>();
  const add = (specifier: Node | undefined, typeOnly = false) => {
    const text = specifier && stringOf(specifier);
    if (text) imports.push({ target: resolve(path, text), typeOnly });
  };
  const visit = (node: Node, inType: boolean): void => {
    if (isImportDeclaration(node)) add(node.moduleSpecifier, isTypeImport(node));
    if (isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    if (isCallExpression(node) && /^(import|require)$/.test(textOf(node.expression))) add(node.arguments[0]);
    if (isNewExpression(node)) {
      const [first, base] = node.arguments ?? [];
      // How a worker thread names its file.
      const isFile = textOf(node.expression) === "URL" && base && textOf(base) === "import.meta.url";
      if (isFile && first && /\.[cm]?[jt]sx?$/.test(stringOf(first) ?? "")) add(first);
      if (textOf(node.expression) === "Date" && !first) names.add("new Date()");
    }
    if (!inType && (isPropertyAccessExpression(node) || (isIdentifier(node) && isRead(node)))) {
      names.add(textOf(node).replace(/^globalThis\./, ""));
    }
    node.forEachChild(child => visit(child, inType || isTypeNode(node)));
  };
  source.forEachChild(child => visit(child, false));
  // The compiler adds it to what has JSX.
  if (path.endsWith("x")) imports.push({ target: "npm/preact/jsx-runtime", typeOnly: false });
  return { path, imports, names, barrel: isBarrel(source) };
}

function isTypeImport({ importClause }: ImportDeclaration): boolean {
  return importClause?.phaseModifier === SyntaxKind.TypeKeyword;
}

/** The dotted name that an expression is, or "" where it is no plain name. */
function textOf(node: Node): string {
  if (isIdentifier(node)) return node.text;
  if (node.kind === SyntaxKind.ImportKeyword) return "import";
  if (node.kind === SyntaxKind.MetaProperty) return "import.meta";
  if (!isPropertyAccessExpression(node)) return "";
  const left = textOf(node.expression);
  return left && `${left}.${node.name.text}`;
}

function stringOf(node: Node): string | undefined {
  return isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) ? node.text : undefined;
}

/** Not the name of a property, parameter or variable, which belongs to this file. */
function isRead(identifier: Node): boolean {
  const parent: Node & { name?: Node; propertyName?: Node } = identifier.parent;
  if (isShorthandPropertyAssignment(parent)) return true;
  return parent.name !== identifier && parent.propertyName !== identifier;
}

function isBarrel(source: SourceFile): boolean {
  const isExport = (node: Node) =>
    isExportDeclaration(node) || (isExportAssignment(node) && isIdentifier(node.expression));
  return (
    source.statements.some(isExport) && source.statements.every(node => isExport(node) || isImportDeclaration(node))
  );
}

function resolve(path: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
  return isBuiltin(specifier) ? `node/${specifier.replace(/^node:/, "")}` : `npm/${specifier}`;
}
