/** Where a node's bus listens. */
export type Address = { host: string; port: number };

export const textOf = ({ host, port }: Address): string => `${host}:${port}`;
