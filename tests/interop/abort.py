"""Writes a message to each partition of a topic in a transaction that it then aborts: bytes that stay in the log and never
happened.

Usage: abort.py BROKERS TOPIC
"""

import sys

from confluent_kafka import Producer

brokers, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": brokers, "transactional.id": "stranger"})
partitions = producer.list_topics(topic, timeout=30).topics[topic].partitions
producer.init_transactions(30)
producer.begin_transaction()
for partition in partitions:
    producer.produce(topic, key="stranger", value="aborted", partition=partition)
# Without this the abort could come before the messages have left.
if producer.flush(30):
    sys.exit("the messages were not delivered")
producer.abort_transaction(30)
