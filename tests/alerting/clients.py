"""The vendors' own clients, and readers that are not ours. What to do is the first argument; what it is done with is JSON on stdin.

slack URL      slack_sdk posts the message by the Web API
update URL     slack_sdk changes a message
hook URL       slack_sdk posts the message by an incoming webhook
pagerduty URL  pagerduty sends the event
card           jsonschema checks an Adaptive Card against the published schema
cloudevent     cloudevents reads a record of Kafka and prints the event
"""

import json
import sys
from pathlib import Path

what = sys.argv[1]
url = sys.argv[2] if len(sys.argv) > 2 else ""
given = json.load(sys.stdin)

if what in ("slack", "update"):
    from slack_sdk import WebClient

    client = WebClient(token=given.pop("token"), base_url=url + "/api/")
    call = client.chat_postMessage if what == "slack" else client.chat_update
    print(json.dumps(call(**given).data))
elif what == "hook":
    from slack_sdk.webhook import WebhookClient

    answer = WebhookClient(url).send_dict(given)
    assert (answer.status_code, answer.body) == (200, "ok"), answer.body
elif what == "pagerduty":
    import pagerduty

    client = pagerduty.EventsApiV2Client(given.pop("routing_key"))
    # Its setter takes https only.
    client._url = url
    key = given["dedup_key"]
    assert client.send_event(given.pop("event_action"), given.pop("dedup_key"), **given) == key
elif what == "card":
    import adaptive_cards
    import jsonschema

    schema = Path(adaptive_cards.__file__).parent / "schemas" / "schema-1.5.json"
    jsonschema.validate(given, json.loads(schema.read_text()))
elif what == "cloudevent":
    from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

    headers = {name: value.encode() for name, value in given["headers"].items()}
    message = KafkaMessage(headers=headers, key=given["key"].encode(), value=given["value"].encode())
    event = from_kafka_event(message)
    print(json.dumps({"attributes": event.get_attributes(), "data": event.get_data()}, default=str))
else:
    sys.exit(f"unknown: {what}")
