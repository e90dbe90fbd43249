-- Times as text in UTC.
create view jobs as
select backfill_id, attempt, symbol, layer, data_types, priority, trigger_kind, source,
       coalesce(outcome, case when progressed_at is null then 'requested' else 'running' end) as state,
       strftime('%Y-%m-%d %H:%M:%fZ', range_start / 1e6, 'unixepoch') as range_start,
       strftime('%Y-%m-%d %H:%M:%fZ', range_end / 1e6, 'unixepoch') as range_end,
       strftime('%Y-%m-%d %H:%M:%fZ', requested_at / 1e6, 'unixepoch') as requested_at,
       strftime('%Y-%m-%d %H:%M:%fZ', ended_at / 1e6, 'unixepoch') as ended_at,
       chunks_done, chunks_total, records, duration_micros / 1e6 as seconds, error_class, error_count, error
from backfill_jobs;

create view failures as
select backfill_id, attempt, symbol, data_types, state, ended_at, error_class, error_count, error
from jobs where state in ('failed', 'partial');

create view open_jobs as
select * from jobs where state in ('requested', 'running');

create view coverage_ranges as
select symbol, data_type, timeframe,
       strftime('%Y-%m-%d %H:%M:%fZ', range_start / 1e6, 'unixepoch') as range_start,
       strftime('%Y-%m-%d %H:%M:%fZ', range_end / 1e6, 'unixepoch') as range_end,
       strftime('%Y-%m-%d %H:%M:%fZ', changed_at / 1e6, 'unixepoch') as changed_at
from coverage;
