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

create view jobs as
select backfill_id, attempt, symbol, layer, data_types, priority, trigger_kind, source,
       coalesce(outcome, case when progressed_at is null then 'requested' else 'running' end) as state,
       to_timestamp(range_start / 1e6) as range_start,
       to_timestamp(range_end / 1e6) as range_end,
       to_timestamp(requested_at / 1e6) as requested_at,
       to_timestamp(ended_at / 1e6) as ended_at,
       chunks_done, chunks_total, records, duration_micros / 1e6 as seconds, error_class, error_count, error
from backfill_jobs;

create view failures as
select backfill_id, attempt, symbol, data_types, state, ended_at, error_class, error_count, error
from jobs where state in ('failed', 'partial');

create view open_jobs as
select * from jobs where state in ('requested', 'running');

create view coverage_ranges as
select symbol, data_type, timeframe,
       to_timestamp(range_start / 1e6) as range_start,
       to_timestamp(range_end / 1e6) as range_end,
       to_timestamp(changed_at / 1e6) as changed_at
from coverage;
