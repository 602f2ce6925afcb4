/** What else a plugin's files may import: sheets, and as much of Node as a first test needs. */
declare module "*.css";
declare module "node:test" {
  interface Test {
    (name: string, body: () => unknown): Promise<void>;
    skip(name: string, body: () => unknown): Promise<void>;
    only(name: string, body: () => unknown): Promise<void>;
  }
  const test: Test;

  export { test };
  export default test;
}
declare module "node:assert/strict" {
  type Why = string | Error;
  type Wrong = RegExp | object | ((error: unknown) => boolean);
  interface Assert {
    (value: unknown, why?: Why): asserts value;
    ok(value: unknown, why?: Why): asserts value;
    equal<Value>(actual: unknown, expected: Value, why?: Why): asserts actual is Value;
    notEqual(actual: unknown, expected: unknown, why?: Why): void;
    deepEqual<Value>(actual: unknown, expected: Value, why?: Why): asserts actual is Value;
    notDeepEqual(actual: unknown, expected: unknown, why?: Why): void;
    match(text: string, pattern: RegExp, why?: Why): void;
    doesNotMatch(text: string, pattern: RegExp, why?: Why): void;
    throws(call: () => unknown, wrong?: Wrong, why?: Why): void;
    rejects(call: Promise<unknown> | (() => Promise<unknown>), wrong?: Wrong, why?: Why): Promise<void>;
    fail(why?: Why): never;
  }
  const assert: Assert;
  export default assert;
}
