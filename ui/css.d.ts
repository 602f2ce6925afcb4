/** Put on by whoever imports it; see tools/build.ts. */
declare module "*.css" {}
