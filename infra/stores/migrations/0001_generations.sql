-- What the other tables are: generations, their positions, their parked records.
CREATE TABLE generations (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
  tbl text NOT NULL,
  definition text NOT NULL,
  note text NOT NULL
);
CREATE UNIQUE INDEX generations_live ON generations (name) WHERE state = 'live';

-- One row per source, changed by every write: room on its page keeps the change there.
CREATE TABLE positions (
  generation bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
  topic text COLLATE "C" NOT NULL,
  "partition" bigint NOT NULL,
  position bigint NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (generation, topic, "partition")
) WITH (fillfactor = 30);

-- An aggregate is bytes, since a key that could not be read may hold what no text does.
CREATE TABLE parked (
  generation bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
  topic text COLLATE "C" NOT NULL,
  "partition" bigint NOT NULL,
  position bigint NOT NULL,
  "offset" bigint NOT NULL,
  aggregate bytea NOT NULL,
  reason text NOT NULL,
  envelope bytea NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (generation, topic, "partition", position)
);
CREATE INDEX parked_aggregate ON parked (generation, aggregate);
