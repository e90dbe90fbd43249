-- Times as timestamptz.
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
