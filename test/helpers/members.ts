/** What the types of a source file have, as TypeScript's own parser sees them; see modules.ts. */
import {
  isIdentifier,
  isMethodSignatureDeclaration,
  isPropertySignatureDeclaration,
  isStringLiteral,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  type Node,
  SyntaxKind,
  type TypeNode,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { createVirtualFileSystem } from "typescript/unstable/fs";

/** The members of each exported type, by its name; those of a member that is an object itself as `tool.label`; of a choice of texts, the texts. */
export async function membersOf(source: string): Promise<Map<string, Set<string>>> {
  const config = { compilerOptions: { noLib: true, noResolve: true, types: [] }, files: ["source.ts"] };
  const fs = createVirtualFileSystem({ "/source.ts": source, "/tsconfig.json": JSON.stringify(config) });
  const api = new API({ fs });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: ["/tsconfig.json"] });
    const file = await snapshot.getProject("/tsconfig.json")?.program.getSourceFile("/source.ts");
    if (!file) throw new Error("TypeScript did not read the source");
    const types = new Map<string, Set<string>>();
    file.forEachChild((node: Node): void => {
      if (isTypeAliasDeclaration(node) && node.modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword))
        types.set(node.name.text, new Set(membersIn(node.type)));
    });
    return types;
  } finally {
    await api.close();
  }
}

function membersIn(type: TypeNode): string[] {
  const members: string[] = [];
  const visit = (node: Node): void => {
    if (isStringLiteral(node)) members.push(node.text);
    if (!isTypeLiteralNode(node)) return void node.forEachChild(visit);
    for (const member of node.members) {
      if (
        !(isPropertySignatureDeclaration(member) || isMethodSignatureDeclaration(member)) ||
        !isIdentifier(member.name)
      )
        continue;
      const { text } = member.name;
      members.push(text);
      if (isPropertySignatureDeclaration(member) && member.type && isTypeLiteralNode(member.type))
        members.push(...membersIn(member.type).map(name => `${text}.${name}`));
    }
  };
  visit(type);
  return members;
}
