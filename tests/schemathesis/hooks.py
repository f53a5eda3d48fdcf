"""What schemathesis cannot know of itself: how JSON Lines are written."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def json_lines(ctx, value):
    # What is no list cannot be written as lines; one line that is a list is as wrong.
    lines = value if isinstance(value, list) else [[value]]
    return "\n".join(json.dumps(line) for line in lines).encode()
