"""Asks a schema registry everything that Swarmlog's serves, with Confluent's client, and prints what the client made of it.

Usage: registry.py REGISTRY TOKEN SUBJECT

One JSON object. An error of the registry stands as {"status", "code", "message"} in the place of the answer.
"""

import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

registry, token, subject = sys.argv[1:]
client = SchemaRegistryClient({"url": registry, "basic.auth.user.info": f"reader:{token}"})


def ask(call, *arguments, **options):
    try:
        return call(*arguments, **options)
    except SchemaRegistryError as error:
        return {"status": error.http_status_code, "code": error.error_code, "message": error.error_message}


def shown(version):
    """A version as the client holds it."""
    if isinstance(version, dict):
        return version
    return {
        "subject": version.subject,
        "version": version.version,
        "id": version.schema_id,
        "schema": json.loads(version.schema.schema_str),
        "type": version.schema.schema_type,
    }


def grown(**field):
    """The schema of the subject with one more field."""
    document = json.loads(client.get_latest_version(subject).schema.schema_str)
    document["fields"].append({"name": "added", "type": "string", "doc": "Added.", **field})
    return Schema(json.dumps(document), "AVRO")


registered = []
for name in client.get_subjects():
    for number in client.get_versions(name):
        version = client.get_version(name, number)
        by_id = client.get_schema(version.schema_id)
        uses = client.get_schema_versions(version.schema_id)
        registered.append(
            {
                **shown(version),
                "by_id": json.loads(by_id.schema_str),
                "uses": [[use.subject, use.version] for use in uses],
                "found": shown(client.lookup_schema(name, version.schema)),
                "registered_again": client.register_schema(name, version.schema),
            }
        )

fits, lacks_default, broken = grown(default=""), grown(), Schema("{", "AVRO")
print(
    json.dumps(
        {
            "registered": registered,
            "latest": shown(client.get_latest_version(subject)),
            "types": client.get_schema_types(),
            "mode": client.get_global_mode(),
            "level": [client.get_compatibility(), client.get_compatibility(subject)],
            "compatible": [
                client.test_compatibility(subject, schema, version, verbose=verbose)
                for schema in [fits, lacks_default]
                for version in ["latest", 1]
                for verbose in [False, True]
            ],
            "errors": {
                "absent subject": ask(client.get_versions, "work.Nothing"),
                "absent version": ask(client.get_version, subject, 9999),
                "absent id": ask(client.get_schema, 4_000_000),
                "unregistered schema": ask(client.lookup_schema, subject, fits),
                "broken schema": ask(client.register_schema, subject, broken),
                "incompatible schema": ask(client.register_schema, subject, lacks_default),
                "new schema": ask(client.register_schema, subject, fits),
                "other level": ask(client.set_compatibility, subject, "NONE"),
                "wrong token": ask(
                    SchemaRegistryClient({"url": registry, "basic.auth.user.info": "reader:wrong"}).get_subjects
                ),
            },
        }
    )
)
