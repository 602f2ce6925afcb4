/** The database's form. Each step takes a database one version forward; none is ever changed once it was released. */
export const MIGRATIONS = [
  `
  CREATE TABLE log (
    pos INTEGER PRIMARY KEY,
    origin TEXT NOT NULL, seq INTEGER NOT NULL, room TEXT NOT NULL, n INTEGER NOT NULL, hlc INTEGER NOT NULL,
    type TEXT NOT NULL, version INTEGER NOT NULL, role TEXT NOT NULL,
    author TEXT NOT NULL, authorName TEXT NOT NULL, id TEXT NOT NULL, ref TEXT,
    alt TEXT, body BLOB, blobs TEXT NOT NULL, salt BLOB, contentHash BLOB NOT NULL, extra BLOB,
    chain BLOB NOT NULL, receivedAt INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX log_stream ON log (origin, seq);
  CREATE INDEX log_room_origin ON log (room, origin, n);
  CREATE INDEX log_rows ON log (room, hlc, origin, n) WHERE role = 'row';
  CREATE INDEX log_id ON log (id, author);
  CREATE INDEX log_ref ON log (ref) WHERE ref IS NOT NULL;
  CREATE INDEX log_facts ON log (pos) WHERE role = 'fact';
  CREATE TABLE streams (origin TEXT PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL, hlc INTEGER NOT NULL) STRICT;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
  "CREATE INDEX log_erasures ON log (ref) WHERE role = 'erase'",
  "CREATE INDEX log_blobs ON log (pos, blobs) WHERE blobs <> '[]'",
];
