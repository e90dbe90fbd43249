#!/usr/bin/env python3
"""Writes the Grafana dashboards of the chart: an overview, and one per service.

    deploy/dashboards/make.py           writes deploy/helm/tapeline/dashboards/*.json
    deploy/dashboards/make.py --check   exits with 1 if one of them differs from what it would write
    deploy/dashboards/make.py --rules   prints their expressions as recording rules, for a check by promtool

Edit this file or grafana.py, not the JSON. services/tapeline/tests/operability compares metrics and labels with the catalogue.
"""

import json
import pathlib
import sys

from grafana import OF, RATE, panel, rate, gauge, quantiles, note, share, dashboard

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "helm/tapeline/dashboards"
STAGE = ["service", "stage"]


def records():
    """Rates of records by their result."""
    return [
        panel("Received", [rate("tapeline_stage_received_total", STAGE)], "cps", description="Input records that the rules processed."),
        panel("Emitted", [rate("tapeline_stage_emitted_total", STAGE)], "cps", description="Input records whose outputs are acknowledged."),
        panel(
            "Dropped, by reason",
            [rate("tapeline_stage_dropped_total", [*STAGE, "reason"])],
            "cps",
            description="Input records that needed no output, such as duplicates.",
            stack=True,
        ),
        panel("Dead letters", [rate("tapeline_stage_rejected_total", STAGE)], "cps", description="Records that became dead letters. List them: tapeline dead-letters list"),
        panel(
            "Redelivered, released and skipped records",
            [
                rate(f"tapeline_stage_{name}_records_total", STAGE, legend=f"{{{{stage}}}} {name}")
                for name in ["redelivered", "released", "skipped_completed"]
            ],
            "cps",
            description="Redelivered: unresolved when their partition moved. Released: by intent while draining. Skipped: an earlier owner had completed them.",
        ),
    ]


def pool_size():
    """The number of workers of a pool, and its steps."""
    return [
        panel(
            "Workers",
            [
                gauge("chassis_pool_workers", ["pool"], legend="{{pool}}"),
                gauge("chassis_pool_target_workers", ["pool"], legend="{{pool}} target"),
            ],
            description="Of all instances. Each has workers_min to workers_max: one more while jobs wait, one less after 60 s without work for it.",
        ),
        panel("Scale steps, by direction", [rate("chassis_pool_scale_steps_total", ["pool", "direction"])], "cps"),
    ]


def lag():
    """Lag and use of queues."""
    return [
        panel(
            "Lag",
            [gauge("tapeline_stage_lag_seconds", STAGE, how="max")],
            "s",
            description="Age of the oldest unresolved record. feature expires requests above 300 s.",
        ),
        panel("Lag in records", [gauge("tapeline_stage_lag_records", STAGE)], description="Records that are not fetched yet, and held records."),
        panel(
            "Queue use",
            [
                share("tapeline_stage_held_records", "tapeline_stage_held_capacity_records", STAGE),
                share("chassis_pool_queued_jobs", "chassis_pool_queue_capacity_jobs", ["service", "pool"]),
            ],
            "percentunit",
            description="At 100 % partitions pause; nothing is dropped.",
            top=1,
        ),
        panel(
            "Use of the stages' bounds",
            [share("tapeline_stage_bound_used", "tapeline_stage_bound_limit", [*STAGE, "bound"])],
            "percentunit",
            description="Held records, outputs in flight, fetched records. At 100 % partitions pause; nothing is dropped.",
            top=1,
        ),
        panel(
            "Waiting partitions",
            [
                gauge(f"tapeline_stage_{why}_partitions", STAGE, legend=f"{{{{stage}}}} {why}")
                for why in ["paused", "restoring", "deferred", "blocked_upstream", "stopped"]
            ],
            description="Paused: a bound is reached, or one of the other causes. See docs/instrumentation.md.",
        ),
    ]


def delivery():
    """Transactions and clients."""
    return [
        panel(
            "Batches, by outcome",
            [rate("tapeline_stage_batches_total", ["stage", "outcome"])],
            "cps",
            description="After an abort the same outputs are sent again.",
        ),
        panel("Transaction", quantiles("tapeline_stage_transaction_commit_ms", ["stage"]), "ms", description="Duration from begin to commit."),
        panel("Outputs per batch", quantiles("tapeline_stage_produced_batch_records", ["stage"]), description="Outputs that were sent together."),
        panel("Records per fetch", quantiles("tapeline_stage_fetched_batch_records", ["stage"]), description="Input records processed together."),
        panel(
            "Reachable brokers",
            [gauge("tapeline_kafka_reachable_brokers", ["client", "instance"], how="min")],
            description="Brokers to which the producer of a stage or of the edge has a connection. At 0 nothing is read or written.",
        ),
        panel(
            "Compression of fetched records",
            [gauge("tapeline_stage_fetch_compression_ratio", ["stage", "consumer", "instance"])],
            description="Decompressed per compressed bytes. A warning reports that records need more memory than the sum at start counts.",
        ),
        panel("Assigned partitions", [gauge("tapeline_stage_assigned_partitions", ["stage", "instance"])]),
        panel(
            "Recreated clients",
            [
                rate("tapeline_stage_client_recreations_total", ["stage", "instance"], legend="{{stage}} {{instance}} recreated"),
                rate("tapeline_stage_stalls_total", ["stage", "instance"], legend="{{stage}} {{instance}} stalled"),
                rate("tapeline_stage_abandoned_clients_total", ["stage", "instance"], legend="{{stage}} {{instance}} abandoned"),
            ],
            "cps",
        ),
        panel(
            "Restoring",
            [rate("tapeline_stage_restored_records_total", ["stage"], legend="{{stage}} records per second")]
            + quantiles("tapeline_stage_restore_ms", ["stage"]),
            description="Records read to restore windows, and the milliseconds per partition.",
        ),
        panel("Table records", [rate("tapeline_stage_table_records_total", ["stage"])], "cps", description="Records read from tables (bars, coverage)."),
        panel(
            "Incomplete table partitions",
            [gauge("tapeline_stage_degraded_table_partitions", ["stage", "instance"])],
            description="A record in them could not be decoded and was skipped.",
        ),
    ]


def registry():
    """Schema lookups."""
    return [
        panel("Schema lookups", [rate("tapeline_registry_lookups_total", ["service", "outcome"])], "cps"),
        panel(
            "Registry unavailable",
            [
                gauge("tapeline_breaker_state", ["service", "instance", "target"], how="max", legend="{{service}} {{instance}} {{target}} breaker state"),
                rate("tapeline_breaker_transitions_total", ["service", "instance", "target", "to"], legend="{{service}} {{instance}} {{target}} becomes {{to}}"),
                gauge("tapeline_registry_unconfirmed_ids", ["service", "instance"], how="max", legend="{{service}} {{instance}} unconfirmed ids"),
            ],
        ),
    ]


def latency():
    """Latency from an alert to its vectors."""
    parts = ["tapeline_alert_to_request_seconds", "tapeline_request_to_vector_seconds"]
    p99 = [f"histogram_quantile(0.99, sum by (le, lane) (rate({part}_bucket{{{OF}}}{RATE})))" for part in parts]
    return [
        panel(
            "Latency from alert to vector, p99",
            [(" + ".join(p99), "{{lane}} alert to vector"), (p99[0], "{{lane}} alert to request"), (p99[1], "{{lane}} request to vector")],
            "s",
            description="From the append of an alert to its vector: the sum of the p99 of both parts. The commit of the vector is not included.",
        )
    ]


def laws():
    """Values that must stay 0."""
    return [
        panel(
            "Violated laws",
            [gauge("tapeline_stage_law_violations_total", ["law"])],
            kind="stat",
            description="P1 to P8 of ARCHITECTURE.md: a value above 0 is a bug.",
        ),
        panel(
            "Degraded delivery",
            [
                gauge("tapeline_stage_commit_metadata_overflows_total", [], legend="commit metadata overflows"),
                gauge("tapeline_stage_drain_timeouts_total", [], legend="drain timeouts"),
                gauge("tapeline_stage_stopped_partitions", [], legend="stopped partitions"),
            ],
            kind="stat",
            description="Since the start of the processes.",
        ),
        panel(
            "Originated outputs",
            [
                rate("tapeline_stage_originated_outputs_total", STAGE, legend="{{stage}} originated"),
                rate("tapeline_stage_originated_acknowledged_outputs_total", STAGE, legend="{{stage}} acknowledged"),
                rate("tapeline_stage_originated_discarded_outputs_total", STAGE, legend="{{stage}} discarded"),
            ],
            "cps",
            description="Outputs that no input record caused, the acknowledged and the discarded ones of them (P1).",
        ),
        panel("Stale effects", [rate("tapeline_stage_stale_effects_total", STAGE)], "cps", description="Effects on assignments that have ended: discarded (P4)."),
    ]


def process():
    """The process."""
    here = ["service", "instance"]
    return [
        panel(
            "Memory use",
            [share("chassis_process_memory_bytes", "chassis_process_memory_limit_bytes", here)],
            "percentunit",
            description="At 100 % the kernel kills the process. Empty without a limit.",
            top=1,
        ),
        panel("Memory", [gauge("chassis_process_memory_bytes", here)], "bytes"),
        panel(
            "File descriptors in use",
            [share("chassis_process_open_fds", "chassis_process_max_fds", here)],
            "percentunit",
            description="At 100 % the process can neither accept nor open a connection.",
            top=1,
        ),
        panel(
            "Connections of the admin server",
            [
                gauge("chassis_admin_open_connections", here, legend="{{service}} {{instance}} open"),
                rate("chassis_admin_accept_errors_total", here, legend="{{service}} {{instance}} failed to accept"),
            ],
        ),
        panel("Uptime", [(f"time() - chassis_process_start_seconds{{{OF}}}", "{{service}} {{instance}}")], "s"),
        panel(
            "Not ready, draining",
            [
                gauge("chassis_unready_components", here, legend="{{service}} {{instance}} components not ready"),
                gauge("chassis_drain_elapsed_seconds", here, how="max", legend="{{service}} {{instance}} draining for, s"),
            ],
        ),
        panel(
            "Poll delay of the runtime",
            quantiles("chassis_runtime_poll_delay_seconds", here),
            "s",
            description="If it grows, something blocks the async runtime.",
        ),
        panel(
            "Failed tasks and dropped log lines",
            [
                rate("chassis_ended_tasks_total", [*here, "outcome"], ',outcome="failed"', "{{service}} {{instance}} failed tasks"),
                rate("chassis_log_dropped_lines_total", here, legend="{{service}} {{instance}} dropped log lines"),
            ],
            "cps",
        ),
    ]


def edge():
    """The publisher's HTTP edge."""
    findings = "publisher_edge_findings_total"
    failed = ',outcome=~"failed|refused|unknown"'
    return [
        panel("Findings, by outcome", [rate(findings, ["outcome"])], "cps", stack=True),
        panel(
            "Failed findings",
            [
                (
                    f"sum(rate({findings}{{{OF}{failed}}}{RATE})) / (sum(rate({findings}{{{OF}}}{RATE})) > 0)",
                    "failed, refused, unknown",
                )
            ],
            "percentunit",
            description="Fraction of all findings. Invalid findings are not included.",
        ),
        panel(
            "JSON read by the edge",
            [rate("publisher_edge_json_bytes_total", ["instance"])],
            "Bps",
            description="More than the bodies have: some findings could not be read, and were read again for their errors.",
        ),
        panel(
            "Requests, by status",
            [rate("publisher_edge_requests_total", ["status"])],
            "cps",
            description="503: full or shutting down. 408: too slow. 400, 403, 404, 405, 413, 415, 431: rejected as invalid, too large or unsupported. 499: the caller disconnected.",
            stack=True,
        ),
        panel(
            "Latency of the edge",
            quantiles("publisher_edge_request_duration_seconds", []),
            "s",
            description="From the head of a request to its response: upload, validation and the acknowledgement of the brokers.",
        ),
        panel(
            "Use of the edge",
            [
                share("publisher_edge_open_connections", "publisher_edge_capacity_connections", ["instance"], "connections"),
                share("publisher_edge_in_flight_requests", "publisher_edge_capacity_requests", ["instance"], "requests"),
                share("publisher_edge_in_flight_bytes", "publisher_edge_capacity_bytes", ["instance"], "bytes"),
            ],
            "percentunit",
            description="At 100 % further requests get status 503.",
            top=1,
        ),
    ]


def notes(title, names, unit="short", description=""):
    """Several metrics of one stage in a panel."""
    return panel(title, [note(name) for name in names], unit, description=description)


def table(title, metric, series):
    """The size of a table that has no bound, of each instance."""
    unbounded = "The table has no bound and is not in the memory sum at start."
    return [
        panel(f"Series of the {title}", [gauge(f"{metric}_series", ["instance"])], description=series),
        panel(f"Memory of the {title}", [gauge(f"{metric}_bytes", ["instance"])], "bytes", description=unbounded),
    ]


OWN = {
    "publisher": [
        ("Edge", edge()),
        (
            "Windows of the announcer",
            [
                notes("Windows", ["tapeline_dedup_windows", "tapeline_dedup_window_evictions_total"]),
                notes(
                    "Restored",
                    ["tapeline_restore_applied_records_total", "tapeline_restore_skipped_records_total"],
                    description="Announcements read to restore windows.",
                ),
            ],
        ),
    ],
    "scanner-bridge": [
        (
            "Windows, batches, limiter",
            [
                panel(
                    "Latency from alert to request",
                    quantiles("tapeline_alert_to_request_seconds", ["lane"]),
                    "s",
                    description="From the append of the oldest alert of a batch until its request is emitted. Ordinary alerts wait for their batch.",
                ),
                notes("Windows", ["tapeline_dedup_windows", "tapeline_dedup_window_evictions_total"]),
                notes(
                    "Waiting alerts",
                    ["tapeline_batch_waiting_alerts", "tapeline_limiter_waiting_alerts"],
                    description="All alerts that wait in a batch, and those of them that wait only for tokens of the limiter.",
                ),
                notes(
                    "Limiter",
                    [
                        "tapeline_limiter_tokens",
                        "tapeline_limiter_capacity_symbols",
                        "tapeline_limiter_passed_symbols_total",
                        "tapeline_limiter_delayed_batches_total",
                        "tapeline_limiter_rejected_total",
                    ],
                    description="Tokens and capacity; passed symbols, delayed batches and rejected attempts: increase per interval.",
                ),
                panel(
                    "Delay by the limiter",
                    quantiles("tapeline_limiter_delay_seconds", ["stage"]),
                    "s",
                    description="Time from a batch being ready to its request.",
                ),
                notes(
                    "Restored",
                    [
                        "tapeline_restore_applied_records_total",
                        "tapeline_restore_skipped_records_total",
                        "tapeline_restore_foreign_records_total",
                    ],
                    description="Requests read to restore windows.",
                ),
            ],
        ),
    ],
    "feature": [
        (
            "Requests and workers",
            [
                notes("Waiting requests", ["tapeline_ordinary_lane_requests", "tapeline_urgent_lane_requests"]),
                notes("Running requests", ["tapeline_running_requests"]),
                panel("Jobs, by outcome", [rate("chassis_pool_finished_jobs_total", ["pool", "outcome"])], "cps"),
                panel("Replaced workers", [rate("chassis_pool_restarted_workers_total", ["pool", "instance"])], "cps"),
                *pool_size(),
                notes("Dedup window of requests", ["tapeline_requested_symbols", "tapeline_requested_symbol_evictions_total"]),
                notes("Skipped bars", ["tapeline_skipped_bars_total", "tapeline_skipped_benchmark_bars_total"]),
                notes(
                    "Skipped corporate actions and evicted splits",
                    ["tapeline_skipped_actions_total", "tapeline_skipped_benchmark_actions_total", "tapeline_split_evictions_total"],
                ),
                *table("bar table", "tapeline_bar_table", "Symbols and timeframes with bars."),
            ],
        ),
        (
            "Vectors",
            [
                panel(
                    "Latency from request to vector",
                    quantiles("tapeline_request_to_vector_seconds", ["lane"]),
                    "s",
                    description="From the append of a request until a vector of it is emitted.",
                ),
                panel(
                    "Sets, by status and reason",
                    [rate("feature_sets_total", ["status", "reason"])],
                    "cps",
                    description="Feature sets in vectors. A computed set with a reason lacks some of its values, or its prices contradict the known splits.",
                    stack=True,
                ),
            ],
        ),
    ],
    "backfill": [
        (
            "Ranges",
            [
                panel(
                    "Ended requests, by outcome and class",
                    [rate("backfill_ranges_total", ["outcome", "class"])],
                    "cps",
                    description="Requests for ranges. Failed: nothing was fetched. Partial: the class is that of the worst error.",
                    stack=True,
                ),
                notes("Waiting requests", ["tapeline_backfill_waiting_requests"]),
                notes("Fetches", ["tapeline_backfill_running_fetches", "tapeline_backfill_paced_fetches"]),
                panel(
                    "Ledger",
                    [
                        gauge("backfill_ledger_lag_records", ["instance"], legend="{{instance}} lag"),
                        rate("backfill_ledger_transactions_total", ["outcome"], legend="{{outcome}} transactions a second"),
                        rate("backfill_ledger_rows_total", ["instance"], legend="{{instance}} rows a second"),
                        rate("backfill_ledger_skipped_records_total", ["instance"], legend="{{instance}} skipped records a second"),
                    ],
                    description="The SQL view of backfills. No work depends on it.",
                ),
                panel("Jobs, by outcome", [rate("chassis_pool_finished_jobs_total", ["pool", "outcome"])], "cps"),
                panel("Replaced workers", [rate("chassis_pool_restarted_workers_total", ["pool", "instance"])], "cps"),
                *pool_size(),
                notes(
                    "Restored",
                    ["tapeline_restore_applied_records_total", "tapeline_restore_skipped_records_total"],
                    description="Terminal events read to restore windows.",
                ),
                notes(
                    "Keeper",
                    [
                        "tapeline_backfill_keeper_holes_total",
                        "tapeline_backfill_keeper_requests_total",
                        "tapeline_backfill_keeper_open_requests",
                        "tapeline_backfill_keeper_live_sessions_total",
                    ],
                    description="Holes of wanted series in each pass, requests for them, those that have not ended, and sessions that live bars have completed.",
                ),
                notes("Skipped coverage", ["tapeline_skipped_coverage_changes_total"]),
                *table("coverage table", "tapeline_coverage", "Symbols, data types and timeframes with coverage."),
            ],
        ),
    ],
}


def dashboards():
    """Every dashboard by the name of its file."""
    whole = [("Latency", latency()), ("Records", records()), ("Lag and queues", lag()), ("Laws", laws()), ("Registry", registry()), ("Processes", process())]
    made = {"overview": dashboard("tapeline-overview", "Tapeline: overview", None, whole)}
    for service, own in OWN.items():
        rows = [*own, ("Records", records()), ("Lag and queues", lag()), ("Delivery", delivery()), ("Registry", registry()), ("Process", process())]
        made[service] = dashboard(f"tapeline-{service}", f"Tapeline: {service}", service, rows)
    return made


def rules():
    """Every expression, as a rule file; JSON is YAML."""
    found = {
        target["expr"].replace("$__rate_interval", "5m"): None
        for made in dashboards().values()
        for member in made["panels"]
        for target in member.get("targets", [])
    }
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(found)]
    return json.dumps({"groups": [{"name": "panels", "rules": recorded}]}, indent=1)


def main():
    """Writes the dashboards, compares them, or prints their rules."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] == ["--rules"]:
        print(rules())
        return
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    stale = []
    for name, made in dashboards().items():
        path, text = FOLDER / f"{name}.json", json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        if check:
            stale += [path.name] if not path.exists() or path.read_text(encoding="utf-8") != text else []
        else:
            path.write_text(text, encoding="utf-8")
    unexpected = {path.stem for path in FOLDER.glob("*.json")} - set(dashboards())
    if stale or unexpected:
        sys.exit(f"stale dashboards, run deploy/dashboards/make.py: {', '.join([*stale, *sorted(unexpected)])}")


main()
