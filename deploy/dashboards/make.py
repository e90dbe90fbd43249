#!/usr/bin/env python3
"""Writes the Grafana dashboards of the chart: one of the flow, one a service.

    deploy/dashboards/make.py           writes deploy/helm/tapeline/dashboards/*.json
    deploy/dashboards/make.py --check   ends with 1 when one of them isn't what it would write
    deploy/dashboards/make.py --rules   prints their expressions as recording rules, for promtool to check

Edit this file or grafana.py, not the JSON. Metrics and labels are held to the catalogue by services/tapeline/tests/operability.
"""

import json
import pathlib
import sys

from grafana import OF, RATE, panel, rate, gauge, quantiles, note, share, dashboard

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "helm/tapeline/dashboards"
STAGE = ["service", "stage"]


def flow():
    """Rates and what becomes of records."""
    return [
        panel("Received", [rate("tapeline_stage_received_total", STAGE)], "cps", says="Input records handed to the rules."),
        panel("Emitted", [rate("tapeline_stage_emitted_total", STAGE)], "cps", says="Input records whose outputs are acknowledged."),
        panel(
            "Dropped, by reason",
            [rate("tapeline_stage_dropped_total", [*STAGE, "reason"])],
            "cps",
            says="Input records that needed no output: duplicates and the like.",
            stack=True,
        ),
        panel("Dead letters", [rate("tapeline_stage_rejected_total", STAGE)], "cps", says="Rejected records: tapeline dead-letters list"),
        panel(
            "What came again",
            [
                rate(f"tapeline_stage_{name}_records_total", STAGE, legend=f"{{{{stage}}}} {name}")
                for name in ["returned", "given_back", "finished_before"]
            ],
            "cps",
            says="Returned to the next owner of a partition, of it given back by intent, and passed over since an earlier owner had done it.",
        ),
    ]


def lag():
    """How far behind, how full."""
    return [
        panel(
            "Lag",
            [gauge("tapeline_stage_lag_seconds", STAGE, how="max")],
            "s",
            says="How long the oldest record has waited that isn't settled. feature refuses requests above 300 s.",
        ),
        panel("Records behind", [gauge("tapeline_stage_lag_records", STAGE)], says="Records that wait in the partitions, and those held."),
        panel(
            "Queue use",
            [
                share("tapeline_stage_held_records", "tapeline_stage_held_capacity_records", STAGE),
                share("chassis_pool_queued_jobs", "chassis_pool_queue_capacity_jobs", ["service", "pool"]),
            ],
            "percentunit",
            says="At 100 % partitions pause; nothing is dropped.",
            top=1,
        ),
        panel(
            "Partitions that wait",
            [
                gauge(f"tapeline_stage_{why}_partitions", STAGE, legend=f"{{{{stage}}}} {why}")
                for why in ["paused", "restoring", "deferred", "blocked_upstream", "poisoned"]
            ],
            says="Paused: a bound is reached, or one of the others. See docs/instrumentation.md.",
        ),
    ]


def delivery():
    """Transactions and clients."""
    return [
        panel(
            "Batches, by outcome",
            [rate("tapeline_stage_batches_total", ["stage", "outcome"])],
            "cps",
            says="After an abort the same outputs leave again.",
        ),
        panel("Transaction", quantiles("tapeline_stage_transaction_commit_ms", ["stage"]), "ms", says="From its begin to its commit."),
        panel("Outputs of a batch", quantiles("tapeline_stage_produced_batch_records", ["stage"]), says="Outputs that left together."),
        panel("Records of a fetch", quantiles("tapeline_stage_fetched_batch_records", ["stage"]), says="Input records judged at once."),
        panel("Assigned partitions", [gauge("tapeline_stage_assigned_partitions", ["stage", "instance"])]),
        panel(
            "Clients made anew",
            [
                rate("tapeline_stage_client_recreations_total", ["stage", "instance"], legend="{{stage}} {{instance}} rebuilt"),
                rate("tapeline_stage_stalls_total", ["stage", "instance"], legend="{{stage}} {{instance}} stalled"),
            ],
            "cps",
        ),
        panel(
            "Restoring",
            [rate("tapeline_stage_restored_records_total", ["stage"], legend="{{stage}} records a second")]
            + quantiles("tapeline_stage_restore_ms", ["stage"]),
            says="Records read again for windows, and how many milliseconds a partition took.",
        ),
        panel("Table records", [rate("tapeline_stage_table_records_total", ["stage"])], "cps", says="Records read of bars or coverage."),
        panel(
            "Table partitions that lack records",
            [gauge("tapeline_stage_degraded_table_partitions", ["stage", "instance"])],
            says="A record in them couldn't be read and was skipped.",
        ),
    ]


def registry():
    """Lookups of schemas."""
    return [
        panel("Lookups of schemas", [rate("tapeline_registry_lookups_total", ["service", "outcome"])], "cps"),
        panel(
            "Registry away",
            [
                gauge("tapeline_breaker_state", ["service", "instance", "target"], how="max", legend="{{service}} {{instance}} {{target}} breaker state"),
                gauge("tapeline_registry_unconfirmed_ids", ["service", "instance"], how="max", legend="{{service}} {{instance}} unconfirmed ids"),
            ],
        ),
    ]


def laws():
    """What must stay 0."""
    return [
        panel(
            "Broken laws",
            [gauge("tapeline_stage_law_violations_total", ["law"])],
            kind="stat",
            says="P1 to P8 of ARCHITECTURE.md: 0, or there is a bug.",
        ),
        panel(
            "Short of its word",
            [
                gauge("tapeline_stage_commit_metadata_overflows_total", [], legend="finished unsaid"),
                gauge("tapeline_stage_drain_timeouts_total", [], legend="spent drain budgets"),
                gauge("tapeline_stage_stopped_partitions", [], legend="poisoned partitions"),
            ],
            kind="stat",
            says="Since the processes began.",
        ),
        panel("Effects on assignments that had ended", [rate("tapeline_stage_stale_effects_total", STAGE)], "cps", says="Discarded (P4)."),
    ]


def process():
    """The process itself."""
    here = ["service", "instance"]
    return [
        panel(
            "Memory, of its limit",
            [share("chassis_process_memory_bytes", "chassis_process_memory_limit_bytes", here)],
            "percentunit",
            says="At 100 % the kernel ends the process. Empty without a limit.",
            top=1,
        ),
        panel("Memory", [gauge("chassis_process_memory_bytes", here)], "bytes"),
        panel("Up for", [(f"time() - chassis_process_start_seconds{{{OF}}}", "{{service}} {{instance}}")], "s"),
        panel(
            "Not ready, draining",
            [
                gauge("chassis_unready_components", here, legend="{{service}} {{instance}} components not ready"),
                gauge("chassis_drain_elapsed_seconds", here, how="max", legend="{{service}} {{instance}} draining for, s"),
            ],
        ),
        panel(
            "Runtime's poll delay",
            quantiles("chassis_runtime_poll_delay_seconds", here),
            "s",
            says="Something blocks the async runtime when it grows.",
        ),
        panel(
            "Ends and losses",
            [
                rate("chassis_ended_tasks_total", [*here, "outcome"], ',outcome="failed"', "{{service}} {{instance}} failed tasks"),
                rate("chassis_log_dropped_lines_total", here, legend="{{service}} {{instance}} dropped log lines"),
            ],
            "cps",
        ),
    ]


def edge():
    """The publisher's HTTP edge."""
    answered = "publisher_edge_findings_total"
    turned_away = ',outcome=~"failed|refused|unknown"'
    return [
        panel("Findings, by outcome", [rate(answered, ["outcome"])], "cps", stack=True),
        panel(
            "Turned away",
            [
                (
                    f"sum(rate({answered}{{{OF}{turned_away}}}{RATE})) / (sum(rate({answered}{{{OF}}}{RATE})) > 0)",
                    "failed, refused, unknown",
                )
            ],
            "percentunit",
            says="Of all findings. What is invalid is its sender's affair, and not in here.",
        ),
    ]


def notes(title, names, unit="short", says=""):
    """Several notes in a panel."""
    return panel(title, [note(name) for name in names], unit, says=says)


OWN = {
    "publisher": [
        ("Edge", edge()),
        (
            "Windows of the announcer",
            [
                notes("Windows", ["tapeline_dedup_windows", "tapeline_dedup_window_evictions_total"]),
                notes("Restored", ["tapeline_restore_applied_records_total", "tapeline_restore_skipped_records_total"], says="Announcements read again."),
            ],
        ),
    ],
    "scanner-bridge": [
        (
            "Windows, batches, limiter",
            [
                notes("Windows", ["tapeline_dedup_windows", "tapeline_dedup_window_evictions_total"]),
                notes("Alerts that wait for their batch", ["tapeline_batch_waiting_alerts"]),
                notes(
                    "Limiter",
                    ["tapeline_limiter_capacity_symbols", "tapeline_limiter_passed_symbols_total", "tapeline_limiter_delayed_batches_total"],
                    says="Passed and delayed count from the start of the process.",
                ),
                notes("Restored", ["tapeline_restore_applied_records_total", "tapeline_restore_skipped_records_total", "tapeline_restore_foreign_records_total"], says="Requests read again."),
            ],
        ),
    ],
    "feature": [
        (
            "Requests and workers",
            [
                notes("Requests that wait", ["tapeline_ordinary_lane_requests", "tapeline_urgent_lane_requests"]),
                notes("Requests that are computed", ["tapeline_running_requests"]),
                panel("Jobs, by outcome", [rate("chassis_pool_finished_jobs_total", ["pool", "outcome"])], "cps"),
                panel("Workers replaced", [rate("chassis_pool_restarted_workers_total", ["pool", "instance"])], "cps"),
                notes("Remembered questions", ["tapeline_requested_symbols", "tapeline_requested_symbol_evictions_total"]),
                notes("Bars passed over", ["tapeline_skipped_bars_total", "tapeline_skipped_benchmark_bars_total"]),
            ],
        ),
    ],
    "backfill": [
        (
            "Ranges",
            [
                notes("Requests that wait", ["tapeline_backfill_waiting_requests"]),
                notes("Fetches", ["tapeline_backfill_running_fetches"]),
                panel("Jobs, by outcome", [rate("chassis_pool_finished_jobs_total", ["pool", "outcome"])], "cps"),
                panel("Workers replaced", [rate("chassis_pool_restarted_workers_total", ["pool", "instance"])], "cps"),
                notes("Restored", ["tapeline_restore_applied_records_total", "tapeline_restore_skipped_records_total"], says="Ends of requests read again."),
                notes("Coverage passed over", ["tapeline_skipped_coverage_changes_total"]),
            ],
        ),
    ],
}


def dashboards():
    """Every dashboard by its file's name."""
    whole = [("Flow", flow()), ("Lag and queues", lag()), ("Laws", laws()), ("Registry", registry()), ("Processes", process())]
    made = {"flow": dashboard("tapeline-flow", "Tapeline: flow", None, whole)}
    for service, own in OWN.items():
        rows = [*own, ("Flow", flow()), ("Lag and queues", lag()), ("Delivery", delivery()), ("Registry", registry()), ("Process", process())]
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
    """Writes them, compares, or prints their rules."""
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
    strangers = {path.stem for path in FOLDER.glob("*.json")} - set(dashboards())
    if stale or strangers:
        sys.exit(f"not what deploy/dashboards/make.py writes: {', '.join([*stale, *sorted(strangers)])}")


main()
