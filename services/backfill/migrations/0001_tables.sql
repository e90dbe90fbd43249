-- Positions: the next offset of each partition that the rows contain.
create table ledger_positions (
    topic text not null,
    partition_id bigint not null,
    next_offset bigint not null,
    primary key (topic, partition_id)
);

-- One row an attempt at a backfill. Times are microseconds since 1970-01-01 UTC; range_end is the last instant of the range.
create table backfill_jobs (
    backfill_id text not null,
    attempt bigint not null,
    partition_id bigint not null,
    symbol text not null,
    layer bigint,
    data_types text,
    range_start bigint,
    range_end bigint,
    priority bigint,
    trigger_kind text,
    source text,
    requested_at bigint,
    chunks_done bigint,
    chunks_total bigint,
    progressed_at bigint,
    outcome text,
    ended_at bigint,
    duration_micros bigint,
    records bigint,
    error_class text,
    error_count bigint,
    error text,
    primary key (backfill_id, attempt)
);
create index backfill_jobs_symbol on backfill_jobs (symbol, requested_at);
create index backfill_jobs_ended on backfill_jobs (outcome, ended_at);

-- One row an interval of a series that is in the topics; range_end is the last instant.
create table coverage (
    symbol text not null,
    data_type text not null,
    timeframe text not null,
    partition_id bigint not null,
    range_start bigint not null,
    range_end bigint not null,
    changed_at bigint not null,
    primary key (symbol, data_type, timeframe, range_start)
);

