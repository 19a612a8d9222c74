"""Reads a topic from its beginning to its end with Confluent's client, and prints a line of JSON per message.

Usage: records.py BROKERS TOPIC REGISTRY TOKEN ISOLATION

The value is decoded by Confluent's deserializer in its default configuration: it takes the number of the schema out of
the value and asks the registry for the schema. A value that is not in this format is null and ends nothing.
"""

import base64
import json
import sys
import time
from datetime import datetime, timezone
from uuid import UUID

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

brokers, topic, registry, token, isolation = sys.argv[1:]
deadline = time.monotonic() + 60


def text(data):
    return base64.b64encode(data).decode()


def plain(value):
    """What JSON has no form for: moments as RFC 3339 with microseconds, identities as text."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value)} was not expected")


client = SchemaRegistryClient({"url": registry, "basic.auth.user.info": f"reader:{token}"})
decode = AvroDeserializer(client)
consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": "reader",
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
)
partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
left = set(partitions)
while left:
    message = consumer.poll(1)
    if time.monotonic() > deadline:
        sys.exit(f"{topic}: no end of partitions {left} after a minute")
    if message is None:
        continue
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            raise KafkaException(message.error())
        left.discard(message.partition())
        continue
    try:
        value = decode(message.value(), SerializationContext(topic, MessageField.VALUE))
    except SerializationError:
        value = None
    line = {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key().decode(),
        "headers": [[name, text(header)] for name, header in message.headers() or []],
        "value": text(message.value()),
        "decoded": value,
    }
    print(json.dumps(line, default=plain))
consumer.close()
