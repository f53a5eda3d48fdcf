//! `homeostat templates preview alert --event FILE`: the decision about an event, the texts of an alert, and the requests that an action would send.

use homeostat_logic::actions::Action;
use serde_json::{Value, json};

use super::super::text::{line, printable};
use super::super::{Decides, Failure, print};
use super::event;
use crate::connectors::preview::{Given, Preview, Sent, Shown, preview as previewed};

pub(super) async fn preview(wanted: &super::Preview, decides: &Decides) -> Result<(), Failure> {
    if wanted.escalation && wanted.action != Action::Alert {
        let remedy = "--escalation shows an alert: write `homeostat templates preview alert --event FILE --escalation`";
        return Err(Failure::Usage(remedy.to_owned()));
    }
    let placed = event::read(wanted, decides.now)?;
    let given = Given {
        topic: placed.topic,
        text: &placed.text,
        target: wanted.target.as_ref(),
        escalation: wanted.escalation,
        now: decides.now,
        rules: &decides.rules,
    };
    let shown = previewed(&decides.connections, &given, wanted.action).await;
    let shown =
        shown.map_err(|reject| Failure::Usage(format!("{}: {reject}", wanted.event.display())))?;
    if wanted.json {
        print(&format!("{:#}\n", document(&shown)))?;
    } else {
        print(&printable(&text(&shown)))?;
    }
    match shown.sent {
        Ok(_) => Ok(()),
        Err(problem) => Err(Failure::Failed(printable(&format!(
            "{} cannot be sent: {problem}",
            wanted.action
        )))),
    }
}

/// Title and message, where the action has them.
fn texts(shown: &Preview) -> Option<(String, String)> {
    let params = &shown.proposed.order.params;
    (shown.proposed.order.action == Action::Alert)
        .then(|| Some((params.text("title")?, params.text("message")?)))
        .flatten()
}

fn text(shown: &Preview) -> String {
    let proposed = &shown.proposed;
    let (order, decision) = (&proposed.order, &proposed.decision);
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "event       {} about {}, severity {} ({})",
            order.event_type, order.target, decision.severity, decision.severity_reason
        ),
    );
    let steps: Vec<&str> = decision
        .ladder
        .iter()
        .map(|step| step.action.name())
        .collect();
    line(
        &mut text,
        format_args!("decision    {} by {}", steps.join(", else "), decision.rule),
    );
    for reason in &decision.reasons {
        line(&mut text, format_args!("            {reason}"));
    }
    let note = if proposed.of_the_rules {
        ""
    } else {
        "; the rules do not take it for this event"
    };
    line(
        &mut text,
        format_args!(
            "action      {} over {} ({}){note}",
            order.action, proposed.connection, shown.kind
        ),
    );
    if let Some((title, message)) = texts(shown) {
        line(&mut text, format_args!("title       {title}"));
        line(&mut text, format_args!("message     {message}"));
    }
    match &shown.sent {
        Ok(Sent::Requests(requests)) => requests.iter().for_each(|one| request(&mut text, one)),
        Ok(Sent::Words(words)) => line(&mut text, format_args!("\n{words}")),
        Err(_) => {}
    }
    text
}

fn request(text: &mut String, request: &Shown) {
    line(text, format_args!("\n{}", request.line));
    for (name, value) in &request.headers {
        line(text, format_args!("{name}: {value}"));
    }
    if let Some(body) = &request.body {
        line(text, format_args!("\n{body}"));
    }
}

fn document(shown: &Preview) -> Value {
    let proposed = &shown.proposed;
    let (order, decision) = (&proposed.order, &proposed.decision);
    let texts = texts(shown);
    let requests = match &shown.sent {
        Ok(Sent::Requests(requests)) => requests.as_slice(),
        _ => &[],
    };
    let requests: Vec<Value> = requests
        .iter()
        .map(|one| {
            let headers = one.headers.iter();
            let headers: serde_json::Map<String, Value> = headers
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            json!({ "request": one.line, "headers": headers, "body": one.body })
        })
        .collect();
    let words = match &shown.sent {
        Ok(Sent::Words(words)) => Some(words),
        _ => None,
    };
    json!({
        "event_type": order.event_type,
        "target": order.target.to_string(),
        "severity": decision.severity,
        "severity_reason": decision.severity_reason,
        "rule": decision.rule,
        "reasons": decision.reasons,
        "steps": decision.ladder.iter().map(|step| step.action).collect::<Vec<_>>(),
        "action": order.action,
        "of_the_rules": proposed.of_the_rules,
        "connection": proposed.connection,
        "kind": shown.kind,
        "params": order.params,
        "title": texts.as_ref().map(|(title, _)| title),
        "message": texts.as_ref().map(|(_, message)| message),
        "requests": requests,
        "shown": words,
        "problem": shown.sent.as_ref().err(),
    })
}
