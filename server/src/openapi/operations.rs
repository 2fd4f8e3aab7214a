//! What each route of programs takes and answers.

/// One operation of the document.
pub(super) struct Operation {
    /// As in the table of routes.
    pub(super) method: &'static str,
    /// As in the table of routes.
    pub(super) path: &'static str,
    /// What it does, in a line.
    pub(super) summary: &'static str,
    /// Its parameters in the query, `query_NAME` of the components.
    pub(super) query: &'static [&'static str],
    /// The shape of its body, where it has one.
    pub(super) body: Option<&'static str>,
    /// What it answers with 200.
    pub(super) answer: Answer,
    /// Statuses besides 200 and those that its requirements, parameters and body bring.
    pub(super) statuses: &'static [u16],
}

/// What an operation answers.
pub(super) enum Answer {
    /// JSON of this shape.
    Json(&'static str),
    /// One of these media types.
    Other(&'static [&'static str]),
}

use Answer::{Json, Other};

/// The one body that is no JSON.
pub(super) const BATCH: &str = "Batch";

/// The media type of a body.
pub(super) fn media_of_body(body: &str) -> &'static str {
    match body {
        BATCH => wire::MEDIA_TYPE,
        _ => "application/json",
    }
}

const fn get(
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    answer: Answer,
) -> Operation {
    Operation {
        method: "GET",
        path,
        summary,
        query,
        body: None,
        answer,
        statuses: &[],
    }
}

/// An operation that changes something, and answers `{}` unless said otherwise.
const fn change(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    body: Option<&'static str>,
) -> Operation {
    Operation {
        method,
        body,
        ..get(path, summary, &[], Json("Done"))
    }
}

impl Operation {
    const fn also(self, statuses: &'static [u16]) -> Operation {
        Operation { statuses, ..self }
    }

    const fn answers(self, answer: Answer) -> Operation {
        Operation { answer, ..self }
    }
}

const PROTOBUF: Answer = Other(&[wire::MEDIA_TYPE]);
/// What a figure is of.
const WINDOW: &[&str] = &["from", "to", "of", "warmup"];

/// All operations, in the order of the routes.
pub(super) const OPERATIONS: &[Operation] = &[
    get(
        "/ingest/v1/hello",
        "Whether a load node may send",
        &[],
        PROTOBUF,
    ),
    change(
        "POST",
        "/ingest/v1/batch",
        "Take seconds of a run (wire/src/wire.proto)",
        Some(BATCH),
    )
    .answers(PROTOBUF)
    .also(&[409, 410, 503, 507]),
    change(
        "POST",
        "/ingest/v1/node",
        "Take a message of a node of a run (wire/src/rendezvous.rs), and answer it",
        Some("NodeMessage"),
    )
    .answers(Json("NodeAnswer"))
    .also(&[404, 409]),
    get("/healthz", "Whether the process works", &[], Json("Health")),
    get("/readyz", "Whether the store works", &[], Json("Health")).also(&[503]),
    get(
        "/metrics",
        "Live runs in Prometheus' text format",
        &[],
        Other(&["text/plain"]),
    ),
    get("/api/openapi.json", "This document", &[], Json("OpenApi")),
    get("/api/v1/visitor", "Who asks", &[], Json("Visitor")),
    get("/api/v1/projects", "Projects", &[], Json("Projects")),
    get(
        "/api/v1/projects/{p}/trend",
        "All runs of a project, newest first",
        &[],
        Json("Runs"),
    ),
    change(
        "PUT",
        "/api/v1/projects/{p}/baseline",
        "Choose the run that others are compared with",
        Some("Baseline"),
    ),
    change(
        "PUT",
        "/api/v1/projects/{p}/retention",
        "Set how long and how many runs are kept",
        Some("Retention"),
    ),
    get(
        "/api/v1/projects/{p}/webhooks",
        "Webhooks of a project with their last deliveries",
        &[],
        Json("Webhooks"),
    ),
    change(
        "POST",
        "/api/v1/projects/{p}/webhooks",
        "Add a webhook",
        Some("NewWebhook"),
    )
    .answers(Json("CreatedWebhook"))
    .also(&[409]),
    change(
        "DELETE",
        "/api/v1/projects/{p}/webhooks/{webhook}",
        "Remove a webhook",
        None,
    ),
    change(
        "POST",
        "/api/v1/projects/{p}/webhooks/{webhook}/test",
        "Send a message that tests a webhook",
        None,
    )
    .also(&[503]),
    get(
        "/api/v1/runs",
        "Runs, newest first unless sorted otherwise",
        &[
            "project", "q", "tag", "verdict", "result", "missed", "since", "until", "min_s",
            "max_s", "sort", "order", "limit", "offset", "before",
        ],
        Json("Runs"),
    ),
    get(
        "/api/v1/compare",
        "Two to six runs beside each other",
        &["runs", "of"],
        Json("Comparison"),
    ),
    get(
        "/api/v1/runs/{id}",
        "A run but its series",
        &["of"],
        Json("Run"),
    ),
    change(
        "PATCH",
        "/api/v1/runs/{id}",
        "Change comment, tags and pin; reopen",
        Some("RunEdit"),
    ),
    change("DELETE", "/api/v1/runs/{id}", "Delete a run", None),
    get(
        "/api/v1/runs/{id}/series",
        "A run as columns over time",
        &["from", "to", "points", "kind", "name", "of"],
        Json("Series"),
    ),
    get(
        "/api/v1/runs/{id}/rows",
        "A run as rows over time, with times of the calendar",
        &["from", "to", "points", "kind", "name", "of"],
        Json("Rows"),
    ),
    get(
        "/api/v1/runs/{id}/names",
        "Requests, transactions and tags",
        WINDOW,
        Json("Names"),
    ),
    get(
        "/api/v1/runs/{id}/window",
        "Figures of a window",
        WINDOW,
        Json("Window"),
    ),
    get(
        "/api/v1/runs/{id}/distribution",
        "The distribution of a time",
        &["from", "to", "kind", "name", "phase", "of", "warmup"],
        Json("Distribution"),
    ),
    get(
        "/api/v1/runs/{id}/heatmap",
        "Latencies over time",
        &["from", "to", "columns", "kind", "name", "of"],
        Json("Heatmap"),
    ),
    get(
        "/api/v1/runs/{id}/failures",
        "Failures and messages",
        &["from", "to", "warmup"],
        Json("Failures"),
    ),
    get("/api/v1/runs/{id}/events", "Events", &[], Json("Events")),
    get(
        "/api/v1/runs/{id}/checks",
        "Checks",
        &["from", "to", "warmup"],
        Json("Checks"),
    ),
    get(
        "/api/v1/runs/{id}/live",
        "News of a live run as server-sent events",
        &[],
        Other(&["text/event-stream"]),
    ),
    get(
        "/api/v1/runs/{id}/nodes",
        "The nodes of a run, as long as its rendezvous knows them",
        &[],
        Json("RunNodes"),
    ),
    change(
        "POST",
        "/api/v1/runs/{id}/control",
        "Control all nodes of a run: pause, resume, scale 1.5, next, drain, stop",
        Some("RunCommand"),
    )
    .answers(Json("CommandTaken"))
    .also(&[409]),
    get(
        "/api/v1/runs/{id}/export/{format}",
        "A run as a file",
        &["warmup"],
        Other(&[
            "application/json",
            "text/csv",
            "text/plain",
            "application/xml",
            "text/html",
        ]),
    ),
    get(
        "/api/v1/runs/{id}/annotations",
        "Annotations on the axis of a run",
        &[],
        Json("Annotations"),
    ),
    change(
        "POST",
        "/api/v1/runs/{id}/annotations",
        "Annotate a moment or some seconds of a run",
        Some("NewAnnotation"),
    )
    .answers(Json("Annotation"))
    .also(&[409]),
    change(
        "PUT",
        "/api/v1/runs/{id}/annotations/{annotation}",
        "Change an annotation",
        Some("NewAnnotation"),
    )
    .answers(Json("Annotation"))
    .also(&[409]),
    change(
        "DELETE",
        "/api/v1/runs/{id}/annotations/{annotation}",
        "Remove an annotation",
        None,
    ),
    get(
        "/api/v1/runs/{id}/comments",
        "What the comment is and was",
        &[],
        Json("Comments"),
    ),
    get(
        "/api/v1/runs/{id}/links",
        "Share links of a run",
        &[],
        Json("Links"),
    ),
    change(
        "POST",
        "/api/v1/runs/{id}/links",
        "Create a share link",
        Some("NewLink"),
    )
    .answers(Json("CreatedLink")),
    change(
        "DELETE",
        "/api/v1/runs/{id}/links/{link}",
        "Revoke a share link",
        None,
    ),
];
