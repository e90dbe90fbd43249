"""Panels and dashboards in the form that Grafana reads, and the expressions that the dashboards use."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
OF = 'service=~"$service",instance=~"$instance"'
RATE = "[$__rate_interval]"
WIDTH = 24


def panel(title, queries, unit="short", kind="timeseries", description="", top=None, stack=False):
    """One panel. `queries` are pairs of expression and legend; `top` is the end of its axis."""
    draw = {"lineWidth": 1, "fillOpacity": 30 if stack else 8, "showPoints": "never"}
    draw["stacking"] = {"mode": "normal" if stack else "none", "group": "A"}
    defaults = {"unit": unit, "min": 0, "custom": draw} if kind == "timeseries" else {"unit": unit}
    if top is not None:
        defaults["max"] = top
    options = {
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "stat": {
            "colorMode": "background",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        },
    }[kind]
    if kind == "stat":
        steps = [{"color": "green", "value": None}, {"color": "red", "value": 1}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    targets = [
        {"refId": chr(ord("A") + at), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend}
        for at, (expr, legend) in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    }


def rate(metric, by, matchers="", legend=None):
    """A counter as a rate, summed by labels."""
    labels = ", ".join(by)
    return (
        f"sum by ({labels}) (rate({metric}{{{OF}{matchers}}}{RATE}))",
        legend or " ".join(f"{{{{{label}}}}}" for label in by),
    )


def gauge(metric, by, matchers="", how="sum", legend=None):
    """A gauge, aggregated by labels."""
    labels = ", ".join(by)
    return (
        f"{how} by ({labels}) ({metric}{{{OF}{matchers}}})",
        legend or " ".join(f"{{{{{label}}}}}" for label in by),
    )


def quantiles(metric, by):
    """Median and 99th percentile of a histogram."""
    labels = ", ".join(["le", *by])
    name = " ".join(f"{{{{{label}}}}}" for label in by)
    return [
        (
            f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{OF}}}{RATE})))",
            f"p{round(q * 100)} {name}".strip(),
        )
        for q in (0.5, 0.99)
    ]


def note(name, how="sum"):
    """A metric that only some stages have. A counter is shown as its increase."""
    legend = f"{{{{stage}}}} {name.removeprefix('tapeline_')}"
    if name.endswith("_total"):
        return (f"sum by (stage) (increase({name}{{{OF}}}{RATE}))", legend)
    return gauge(name, ["stage"], how=how, legend=legend)


def share(part, whole, by, what=""):
    """Use of a capacity, of the fullest instance."""
    labels = ", ".join(by)
    name = " ".join([f"{{{{{label}}}}}" for label in by] + [what]).strip()
    return (f"max by ({labels}) ({part}{{{OF}}} / ({whole}{{{OF}}} > 0))", name)


def variable(name, query):
    """A template variable of a label's values."""
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def dashboard(uid, title, service, rows):
    """Rows of panels, three in a line, under the variables datasource, service and instance."""
    panels, y, number = [], 0, 0
    for name, members in rows:
        number += 1
        panels.append(
            {"id": number, "type": "row", "title": name, "collapsed": False, "panels": []}
            | {"gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}}
        )
        y += 1
        width = WIDTH // 3 if len(members) > 2 else WIDTH // max(len(members), 1)
        for at, member in enumerate(members):
            number += 1
            column, line = at % (WIDTH // width), at // (WIDTH // width)
            panels.append({"id": number} | member | {"gridPos": {"x": column * width, "y": y + line * 8, "w": width, "h": 8}})
        y += 8 * -(-len(members) // (WIDTH // width))
    if service is None:
        of = variable("service", "label_values(chassis_process_start_seconds, service)")
    else:
        of = {"name": "service", "type": "constant", "query": service, "hide": 2, "current": {"text": service, "value": service}}
    instances = 'label_values(chassis_process_start_seconds{service=~"$service"}, instance)'
    return {
        "uid": uid,
        "title": title,
        "tags": ["tapeline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "refresh": 1},
                of,
                variable("instance", instances),
            ]
        },
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "title": "Tapeline", "tags": ["tapeline"], "asDropdown": True, "includeVars": False, "keepTime": True}],
        "panels": panels,
    }
