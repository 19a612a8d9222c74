// Reads messages as records.py prints them, takes each for a CloudEvent in Kafka's binary mode with the official SDK, has it
// validated strictly, and prints its attributes as a line of JSON.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The packages lie in a folder of their own, which the first argument names.
const { CloudEvent, Kafka } = createRequire(`${process.argv[2]}/`)("cloudevents");

for await (const line of createInterface({ input: process.stdin })) {
  const { key, headers, value } = JSON.parse(line);
  const text = headers.map(([name, value]) => [name, Buffer.from(value, "base64").toString()]);
  const message = { key, headers: Object.fromEntries(text), value: Buffer.from(value, "base64") };
  const event = Kafka.toEvent(message);
  event.validate();
  // The SDK rewrites the time before it validates; this is the time as it was sent.
  const { data, data_base64, ...attributes } = event.cloneWith({ time: message.headers.ce_time });
  const defined = Object.entries(attributes).filter(([, value]) => value !== undefined);
  console.log(JSON.stringify(Object.fromEntries(defined)));
}
